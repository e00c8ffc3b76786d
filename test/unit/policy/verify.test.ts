import { describe, expect, test } from '@jest/globals';
import { FieldwatchError, type ErrorKind } from '../../../src/core/errors.ts';
import type { Catalog } from '../../../src/core/policy/catalog.ts';
import type { PolicyCheck } from '../../../src/core/policy/check.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import { serverCheck } from '../../../src/core/policy/check/server.ts';
import { verify } from '../../../src/core/policy/verify.ts';
import { factsOf, planWith } from '../../support/policy-plan.ts';

const plan = planWith();
const SERVER = {
  ...{ extension: '2.28.3', server_version: 150_020, standby: false, schema: 'public', role: 'fieldwatch' },
  ...{ superuser: false, worker_processes: 32, locks_per_transaction: 64, schedulers: 1 },
  ...{ license: 'timescale', background_workers: 16 },
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
  judge: () => [],
};
const silent: PolicyCheck = { ...asking, name: 'silent', queries: () => [] };
const fail = (code: string, kind: ErrorKind) => () => {
  throw new FieldwatchError('canceling statement due to lock timeout (55P03)', { code, kind });
};

describe('a check that gets no answer is a finding of its own', () => {
  test.each([
    ['DB_CONTENTION', 'transient', 'stalled'],
    ['DB_TIMEOUT', 'transient', 'stalled'],
    ['CATALOG_TIMEOUT', 'transient', 'stalled'],
    ['DB_SCHEMA', 'schema', 'unsupported'],
    ['DB_RIGHTS', 'auth', 'unsupported'],
  ] as const)('%s', async (code, kind, verdict) => {
    const { findings } = await verify(catalog(fail(code, kind)), plan, [asking, silent]);
    expect(findings).toMatchObject([{ check: 'asking', subject: 'asking', verdict, severity: 'warning' }]);
  });

  test('but a lost connection is no finding: nothing is known', async () => {
    const lost = catalog(fail('DB_CONNECTION_LOST', 'transient'));
    await expect(verify(lost, plan, [asking])).rejects.toMatchObject({ code: 'DB_CONNECTION_LOST' });
  });
});

test('without policies in the server no other check is asked', async () => {
  const never = catalog(fail('DB_SCHEMA', 'schema'), { ...SERVER, license: 'apache' });
  expect((await verify(never, plan, [serverCheck, asking])).findings).toMatchObject([
    { check: 'server', verdict: 'unsupported' },
  ]);
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
      const facts = factsOf(plan);
      const queries = check.queries(plan, facts);
      for (const { text } of queries) {
        expect(text.trim()).toMatch(/^(SELECT|WITH) /);
        expect(text).not.toMatch(/\b(INSERT|UPDATE|DELETE|ALTER|DROP|CALL)\b/);
      }
      // Policies that no row tells of are missing; no other check may take silence for a fault.
      const findings = check.judge(
        plan,
        facts,
        queries.map(() => []),
      );
      if (!['policies', 'columnstore'].includes(check.name)) expect(findings).toEqual([]);
    },
  );
});
