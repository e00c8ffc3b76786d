import { describe, expect, test } from '@jest/globals';
import {
  type LastRun,
  type ScheduledJob,
  dueAtMs,
  dueJobs,
  isDue,
} from '../../../src/core/policy/jobs/job-schedule.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const MIDNIGHT = Date.UTC(2026, 0, 10);

const job = (extra: Partial<ScheduledJob> = {}): ScheduledJob => ({
  id: 1000,
  proc: 'policy_retention',
  relation: 'sensor_readings',
  scheduled: true,
  every: '01:00:00',
  retryPeriod: '00:05:00',
  initialStartMs: Date.UTC(2000, 0, 1, 0, 15),
  lastRun: undefined,
  ...extra,
});
const ran = (startedAtMs: number, extra: Partial<LastRun> = {}): LastRun => ({
  startedAtMs,
  finishedAtMs: startedAtMs + 1000,
  ok: true,
  failures: 0,
  ...extra,
});

describe('when a job is due', () => {
  test.each<[string, ScheduledJob, number]>([
    ['a job that never ran: at once', job(), MIDNIGHT],
    ['one whose first slot is to come: then', job({ initialStartMs: MIDNIGHT + HOUR }), MIDNIGHT + HOUR],
    ['at the next slot after its run', job({ lastRun: ran(MIDNIGHT - 50 * MINUTE) }), MIDNIGHT - 45 * MINUTE],
    [
      'a run that began right on its slot waits for the next',
      job({ lastRun: ran(MIDNIGHT - 45 * MINUTE) }),
      MIDNIGHT + 15 * MINUTE,
    ],
    [
      'without a fixed schedule one interval after its start',
      job({ initialStartMs: undefined, lastRun: ran(MIDNIGHT - 7 * MINUTE) }),
      MIDNIGHT + 53 * MINUTE,
    ],
    [
      'after a failure: after the retry period',
      job({ lastRun: ran(MIDNIGHT - MINUTE, { ok: false, failures: 1 }) }),
      MIDNIGHT - MINUTE + 1000 + 5 * MINUTE,
    ],
    [
      'after the third failure: three retry periods, yet not later than its slot',
      job({ lastRun: ran(MIDNIGHT, { ok: false, failures: 3 }) }),
      MIDNIGHT + 15 * MINUTE,
    ],
    [
      'after a run that never ended: the retry period from its start',
      job({ lastRun: ran(MIDNIGHT, { ok: false, failures: 1, finishedAtMs: undefined }) }),
      MIDNIGHT + 5 * MINUTE,
    ],
    [
      'after a clock that was set back by days: at once',
      job({ lastRun: ran(MIDNIGHT + 48 * HOUR) }),
      MIDNIGHT,
    ],
  ])('%s', (_, scheduled, expected) => {
    expect(dueAtMs(scheduled, MIDNIGHT)).toBe(expected);
  });

  test('slots missed during a downtime are made up for once', () => {
    const stale = job({ lastRun: ran(MIDNIGHT - 100 * HOUR) });
    expect(isDue(stale, MIDNIGHT)).toBe(true);
    expect(isDue({ ...stale, lastRun: ran(MIDNIGHT) }, MIDNIGHT + MINUTE)).toBe(false);
  });

  test('a paused job is never due', () => {
    expect(isDue(job({ scheduled: false }), MIDNIGHT)).toBe(false);
  });
});

test('sources are refreshed before what builds on them, then comes compression, and last what deletes', () => {
  const order = dueJobs(
    [
      job({ id: 1000 }),
      job({ id: 1001, proc: 'my_own_job', relation: undefined }),
      job({ id: 1002, proc: 'policy_refresh_continuous_aggregate', relation: 'sensor_daily_agg' }),
      job({ id: 1003, proc: 'policy_compression' }),
      job({ id: 1004, proc: 'policy_refresh_continuous_aggregate', relation: 'sensor_hourly_agg' }),
      job({ id: 1005, scheduled: false }),
    ],
    MIDNIGHT,
  ).map(({ id }) => id);
  expect(order).toEqual([1004, 1002, 1003, 1001, 1000]);
});
