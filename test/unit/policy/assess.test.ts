import { describe, expect, test } from '@jest/globals';
import { type ErrorKind, FieldwatchError } from '../../../src/core/errors.ts';
import { assess } from '../../../src/core/policy/assess.ts';
import type { Catalog } from '../../../src/core/policy/catalog.ts';
import type { PolicyCheck } from '../../../src/core/policy/check.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import { serverCheck } from '../../../src/core/policy/check/server.ts';
import { planSteps } from '../../../src/core/policy/repair/repair-plan.ts';
import { factsOf, planWith } from '../../support/policy-plan.ts';

const plan = planWith();
const SERVER = {
  ...{
    extension: '2.28.3',
    server_version: 150_020,
    standby: false,
    schema: 'public',
    role: 'fieldwatch',
    login_role: 'fieldwatch',
  },
  ...{ superuser: false, worker_processes: 32, locks_per_transaction: 64, schedulers: 1 },
  ...{ license: 'timescale', background_workers: 16, loaded: true, load_disabled: false, restoring: false },
  ...{ database: 'fieldwatch', temporary: true },
};

/** Answers the questions about the server; the others as `answer` says. */
function catalog(answer: (text: string) => never, server: object = SERVER): Catalog {
  return {
    async select(text) {
      if (text.includes('server_version') || text.includes('timescaledb.license')) return [{ ...server }];
      if (text.includes('pg_get_userbyid')) return [];
      return answer(text);
    },
  };
}

const asking: PolicyCheck = {
  name: 'asking',
  about: 'a question',
  queries: () => [{ text: 'SELECT 1' }],
  evaluate: () => [],
};
const silent: PolicyCheck = { ...asking, name: 'silent', queries: () => [] };
const fail = (code: string, kind: ErrorKind) => () => {
  throw new FieldwatchError('canceling statement due to lock timeout (55P03)', { code, kind });
};

describe('a check without an answer is reported', () => {
  const another: PolicyCheck = { ...asking, name: 'another' };

  test.each(['DB_CONTENTION', 'DB_TIMEOUT', 'CATALOG_TIMEOUT'])(
    '%s: together with the others that waited in vain',
    async (code) => {
      const locked = catalog(fail(code, 'transient'));
      const assessment = await assess(locked, plan, [asking, silent, another]);
      const { findings, answered } = assessment;
      expect(findings).toMatchObject([
        {
          check: 'unanswered',
          checks: ['asking', 'another'],
          subject: 'verification',
          ...{ verdict: 'stalled', severity: 'warning' },
          actual: 'none to asking, another: canceling statement due to lock timeout (55P03)',
        },
      ]);
      expect([...answered]).toEqual(['verification', 'silent']);
      // What can be repaired is repaired; the rest is reported.
      const repair = await planSteps(locked, plan, assessment);
      expect(repair).toMatchObject({ steps: [], refused: [{ check: 'unanswered' }], findings });
    },
  );

  test('and when all do, that is over', async () => {
    const { answered } = await assess(catalog(fail('DB_TIMEOUT', 'transient')), plan, [silent]);
    expect([...answered]).toEqual(['verification', 'silent', 'unanswered']);
  });

  test.each([
    ['DB_SCHEMA', 'schema'],
    ['DB_RIGHTS', 'auth'],
  ] as const)('%s: a finding of its own, which does not pass', async (code, kind) => {
    const { findings, answered } = await assess(catalog(fail(code, kind)), plan, [asking, silent]);
    expect(findings).toMatchObject([
      { check: 'asking', subject: 'asking', verdict: 'unsupported', severity: 'warning' },
    ]);
    expect([...answered]).toEqual(['verification', 'silent', 'unanswered']);
  });

  test.each([
    ['a value out of range', catalog(fail('DB_ROW_REFUSED', 'data')), asking],
    [
      'an answer that it cannot read',
      catalog((() => []) as unknown as () => never),
      {
        ...asking,
        evaluate: () => {
          throw new TypeError('no column x');
        },
      },
    ],
  ])('%s: ends neither the verification nor the repair of the others', async (_, from, failing) => {
    const assessment = await assess(from, plan, [failing, silent]);
    const { findings, answered } = assessment;
    expect(findings).toMatchObject([{ check: 'asking', verdict: 'unsupported' }]);
    expect(answered).toContain('silent');
    const repair = await planSteps(from, plan, assessment);
    expect(repair).toMatchObject({ steps: [], refused: [{ check: 'asking' }] });
  });

  test('but a lost connection is no finding: nothing is known', async () => {
    const lost = catalog(fail('DB_CONNECTION_LOST', 'transient'));
    await expect(assess(lost, plan, [asking])).rejects.toMatchObject({ code: 'DB_CONNECTION_LOST' });
  });
});

test('without policies in the server no other check is run', async () => {
  const never = catalog(fail('DB_SCHEMA', 'schema'), { ...SERVER, license: 'apache' });
  expect((await assess(never, plan, [serverCheck, asking])).findings).toMatchObject([
    { check: 'server', verdict: 'unsupported' },
  ]);
});

describe('a check states by itself what its findings follow from, and what follows from them', () => {
  const found = (check: string, severity: 'critical' | 'warning' = 'critical') => ({
    ...({ check, subject: 'sensor_readings', verdict: 'missing', severity } as const),
    ...{ expected: 'x', actual: 'y', remedy: 'z' },
  });
  const cause: PolicyCheck = {
    ...{ name: 'cause', about: 'a cause', queries: () => [], evaluate: () => [found('cause')] },
    causes: () => 'rows_missing',
  };
  const effect: PolicyCheck = {
    ...{ name: 'effect', about: 'an effect', queries: () => [], evaluate: () => [found('effect')] },
    follows: ({ subject }, causes) => causes.has('rows_missing', subject),
    repair: {
      steps: () => [
        { check: 'effect', subject: 'sensor_readings', effect: 'settings', about: 'repair', sql: 'SELECT 1' },
      ],
    },
  };
  const from = catalog(fail('DB_RIGHTS', 'auth'));

  test('an effect is neither reported nor repaired where its cause was found', async () => {
    const both = await assess(from, plan, [cause, effect]);
    expect(both.findings).toMatchObject([{ check: 'cause' }]);
    expect(await planSteps(from, plan, both)).toMatchObject({ steps: [], refused: [{ check: 'cause' }] });
    const alone = await assess(from, plan, [effect]);
    expect(alone.findings).toMatchObject([{ check: 'effect' }]);
    expect(await planSteps(from, plan, alone)).toMatchObject({ steps: [{ check: 'effect' }] });
  });

  test('only a critical finding explains why another check had no answer', async () => {
    const rights = (severity: 'critical' | 'warning'): PolicyCheck => ({
      ...cause,
      evaluate: () => [found('cause', severity)],
      explains: 'refused',
    });
    const checks = async (severity: 'critical' | 'warning') =>
      (await assess(from, plan, [rights(severity), asking])).findings.map(({ check }) => check);
    expect(await checks('critical')).toEqual(['cause']);
    expect(await checks('warning')).toEqual(['cause', 'asking']);
  });
});

describe('every check of the registry', () => {
  test('has a name of its own that fits a label and the command line', () => {
    const names = CHECKS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z_]+$/);
  });

  test.each(CHECKS.map((check) => [check.name, check] as const))(
    '%s only reads, and finds nothing in no rows',
    (_, check) => {
      const snapshot = factsOf(plan);
      const queries = check.queries(plan, snapshot);
      for (const { text } of queries) {
        expect(text.trim()).toMatch(/^(SELECT|WITH) /);
        expect(text).not.toMatch(/\b(INSERT|UPDATE|DELETE|ALTER|DROP|CALL)\b/);
      }
      // Policies without a row are missing; no other check may take missing rows for a fault.
      const findings = check.evaluate(
        plan,
        snapshot,
        queries.map(() => []),
      );
      if (!['policies', 'columnstore'].includes(check.name)) expect(findings).toEqual([]);
    },
  );
});
