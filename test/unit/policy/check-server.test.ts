import { describe, expect, test } from '@jest/globals';
import { relationsCheck } from '../../../src/core/policy/check/relations.ts';
import { serverCheck } from '../../../src/core/policy/check/server.ts';
import type { ServerFacts } from '../../../src/core/policy/snapshot.ts';
import { factsOf, planWith } from '../../support/policy-plan.ts';

const plan = planWith();

describe('server', () => {
  test.each<[string, Partial<ServerFacts>]>([
    ['a healthy server', {}],
    ['2.20 on 15', { extension: '2.20.0', serverVersion: 150_000 }],
    ['a development version', { extension: '2.23.0-dev' }],
    ['a server that was just restarted', { schedulers: 0, startedSecondsAgo: 20 }],
    [
      'the embedded engine, which has no workers',
      {
        extension: '2.23.0-dev',
        serverVersion: 170_005,
        hasWorkers: false,
        backgroundWorkers: undefined,
        schedulers: 0,
      },
    ],
  ])('%s: nothing', (_, snapshot) => {
    expect(serverCheck.evaluate(plan, factsOf(plan, snapshot), [])).toEqual([]);
  });

  test.each<[string, Partial<ServerFacts>, object]>([
    [
      'no extension',
      { extension: undefined, license: undefined },
      { verdict: 'missing', severity: 'critical' },
    ],
    [
      'the Apache edition',
      { license: 'apache', schedulers: 0 },
      { verdict: 'unsupported', severity: 'critical' },
    ],
    ['2.19', { extension: '2.19.3' }, { verdict: 'unsupported', severity: 'warning' }],
    ['PostgreSQL 14', { serverVersion: 140_010 }, { verdict: 'unsupported' }],
    ['a standby', { standby: true, schedulers: 0 }, { verdict: 'mismatched', severity: 'critical' }],
    ['a dead scheduler', { schedulers: 0 }, { verdict: 'stalled', severity: 'critical' }],
    [
      'too few workers',
      { backgroundWorkers: 2 },
      { verdict: 'mismatched', actual: 'timescaledb.max_background_workers = 2, max_worker_processes = 32' },
    ],
  ])('%s: one finding', (_, snapshot, expected) => {
    const findings = serverCheck.evaluate(plan, factsOf(plan, snapshot), []);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ check: 'server', subject: 'server', ...expected });
  });
});

describe('relations', () => {
  const snapshot = factsOf(plan);

  test('all there: nothing', () => {
    expect(relationsCheck.evaluate(plan, snapshot, [])).toEqual([]);
  });

  test('a dropped table is missing, a plain one mismatched', () => {
    const relations = new Map(snapshot.relations);
    relations.delete('dead_letters');
    relations.set('sensor_readings', { ...required(relations.get('sensor_readings')), kind: 'other' });
    expect(relationsCheck.evaluate(plan, { ...snapshot, relations }, [])).toMatchObject([
      { subject: 'sensor_readings', verdict: 'mismatched', actual: 'a view or another relation' },
      { subject: 'dead_letters', verdict: 'missing', actual: 'nothing in schema public' },
    ]);
  });
});

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('expected a value');
  return value;
}
