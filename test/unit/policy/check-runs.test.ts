import { describe, expect, test } from '@jest/globals';
import { runsCheck } from '../../../src/core/policy/check/runs.ts';
import { factsOf, planWith } from '../../support/policy-plan.ts';

const plan = planWith();
const HOUR_S = 3600;

/** A job that ran five minutes ago and is due in 55. */
const ROW = {
  proc: 'policy_retention',
  relation: 'sensor_readings',
  job_id: 1005,
  every: '1 hour',
  running: false,
  stuck: false,
  since_start: 300,
  since_due: -3300,
  failures: 0,
  code: null,
  message: null,
};
const evaluate = (change: Partial<Record<keyof typeof ROW, unknown>>, hasWorkers = true) =>
  runsCheck.evaluate(plan, factsOf(plan, { hasWorkers }), [[{ ...ROW, ...change }]]);

describe('a job is fine', () => {
  test.each<[string, Partial<Record<keyof typeof ROW, unknown>>]>([
    ['when it ran and waits for its next slot', {}],
    [
      'when it never ran, however long ago its first slot was',
      { since_start: null, since_due: 235_736 * HOUR_S },
    ],
    [
      'when it never ran and has no statistics',
      { since_start: null, since_due: null, stuck: null, running: null },
    ],
    ['when it is a little late: there are other jobs', { since_start: 2 * HOUR_S, since_due: 3500 }],
    ['while it runs', { running: true, stuck: true, since_start: 3000, since_due: null }],
    [
      'when its failures are those that say nothing of its work',
      { failures: 57, code: '24000', message: 'cannot drop portal "" while it is being set up' },
    ],
    ['when why it failed is not for this role to see', { failures: 3 }],
    ...['40001', '40P01', '55P03', '55006', '57014', '57P01'].map(
      (code): [string, Partial<Record<keyof typeof ROW, unknown>>] => [
        `when it failed twice with ${code}, which passes`,
        { failures: 2, code, message: 'm' },
      ],
    ),
    ['when the server crashed under it', { failures: 1, message: 'job crash detected, see server logs' }],
  ])('%s', (_, change) => {
    expect(evaluate(change)).toEqual([]);
  });
});

describe('a job is not', () => {
  test.each<[string, Partial<Record<keyof typeof ROW, unknown>>, string, string]>([
    [
      'when it ran once and is overdue',
      { since_start: 4 * HOUR_S, since_due: 3 * HOUR_S },
      'lagging',
      'job 1005 was due 3 hours ago',
    ],
    [
      'when it hangs',
      { running: true, since_start: 7 * HOUR_S },
      'stalled',
      'job 1005 has been running for 7 hours',
    ],
    [
      'when a failover interrupted it',
      { stuck: true, since_due: null },
      'stalled',
      'job 1005 has no next start: a failover interrupted it',
    ],
    [
      'when it fails',
      { failures: 2, code: '53200', message: 'out of shared memory' },
      'lagging',
      'job 1005 failed 2 times in a row: out of shared memory (53200)',
    ],
    [
      'when what passes does not pass',
      { failures: 3, code: '40P01', message: 'deadlock detected' },
      'lagging',
      'job 1005 failed 3 times in a row: deadlock detected (40P01)',
    ],
    [
      'when the server crashes under it again and again',
      { failures: 3, message: 'job crash detected, see server logs' },
      'lagging',
      'job 1005 failed 3 times in a row: job crash detected, see server logs',
    ],
  ])('%s', (_, change, verdict, actual) => {
    expect(evaluate(change)).toMatchObject([
      { subject: 'sensor_readings retention', severity: 'warning', verdict, actual },
    ]);
  });

  test('one failure of a job that the daemon runs, which has no code', () => {
    expect(evaluate({ failures: 1, message: 'out of memory' }, false)).toMatchObject([
      { actual: 'job 1005 failed 1 time in a row: out of memory' },
    ]);
  });

  test('an overdue job needs no repair if the daemon runs the jobs', () => {
    expect(evaluate({ since_start: 4 * HOUR_S, since_due: 3 * HOUR_S }, false)).toEqual([]);
  });
});

test('no query to a standby, nor to a server whose scheduler has stopped: that is the finding', () => {
  expect(runsCheck.queries(plan, factsOf(plan, { standby: true }))).toEqual([]);
  expect(runsCheck.queries(plan, factsOf(plan, { schedulers: 0 }))).toEqual([]);
  expect(runsCheck.queries(plan, factsOf(plan))).toHaveLength(1);
});

test('an overdue job is started; a failing one is left to the operator', () => {
  const steps = (change: Record<string, unknown>) => {
    const answers = [[{ ...ROW, ...change }]];
    const snapshot = factsOf(plan);
    const findings = runsCheck.evaluate(plan, snapshot, answers);
    return runsCheck.repair?.steps({ plan, snapshot, findings, answers, details: [] }).map(({ sql }) => sql);
  };
  expect(steps({ since_start: 4 * HOUR_S, since_due: 3 * HOUR_S })).toEqual([
    'SELECT alter_job(1005, next_start => now())',
  ]);
  expect(steps({ failures: 2, code: '53200', message: 'out of shared memory' })).toEqual([]);
});
