import { describe, expect, test } from '@jest/globals';
import { FieldwatchError } from '../../../src/core/errors.ts';
import { clipped } from '../../../src/core/policy/repair/slices.ts';
import type { StorableReading } from '../../../src/ports/store.ts';
import {
  LateRanges,
  LateRefresh,
  hoursBefore,
  recordingLate,
} from '../../../src/services/policy/late-refresh.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeStore, RecordingMetrics, settle, stored } from '../../support/fakes.ts';
import { planWith } from '../../support/policy-plan.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { START_US, batchOf, reading } from '../../support/store-fixtures.ts';

const HOUR_US = 3_600_000_000;
const hours = (from: number, until: number) => ({ from: from * HOUR_US, until: until * HOUR_US });

describe('the hours of late readings', () => {
  test('are those before the edge, each once', () => {
    const readings = [0, 10, HOUR_US, 5 * HOUR_US].map((us) => reading(1, us, { x: 1 }));
    expect(hoursBefore(readings, START_US + 2 * HOUR_US)).toEqual([
      { from: START_US, until: START_US + HOUR_US },
      { from: START_US + HOUR_US, until: START_US + 2 * HOUR_US },
    ]);
    expect(hoursBefore(readings, START_US)).toEqual([]);
  });

  test('are joined where they adjoin', () => {
    const late = new LateRanges();
    late.add([hours(5, 6), hours(1, 2)]);
    late.add([hours(2, 3), hours(5, 6)]);
    expect(late.all).toEqual([hours(1, 3), hours(5, 6)]);
    expect(late.hours).toBe(3);
  });

  test('are taken a week at a time, the oldest first', () => {
    const late = new LateRanges();
    const week = 7 * 24;
    late.add([hours(10, 11), hours(week - 1, week + 2), hours(10 * week, 10 * week + 1)]);
    expect(late.takeWeek()).toEqual([hours(10, 11), hours(week - 1, week)]);
    expect(late.takeWeek()).toEqual([hours(week, week + 2)]);
    expect(late.takeWeek()).toEqual([hours(10 * week, 10 * week + 1)]);
    expect([late.takeWeek(), late.all]).toEqual([[], []]);
  });

  test('are bounded in number: too many become one', () => {
    const late = new LateRanges();
    late.add(Array.from({ length: 500 }, (_, n) => hours(2 * n, 2 * n + 1)));
    expect(late.all).toHaveLength(500);
    late.add([hours(2000, 2001)]);
    expect(late.all).toEqual([hours(0, 2001)]);
  });

  test('bound what is refreshed, in whole buckets', () => {
    const day = 24 * HOUR_US;
    expect(clipped([hours(0, 100)], [hours(10, 11), hours(30, 31)], HOUR_US)).toEqual([
      hours(10, 11),
      hours(30, 31),
    ]);
    expect(clipped([hours(0, 100)], [hours(10, 11)], day)).toEqual([hours(0, 24)]);
    expect(clipped([hours(48, 72)], [hours(10, 11)], day)).toEqual([]);
  });
});

test('a store reports late readings after their commit, and nothing else', async () => {
  const inner = new FakeStore();
  const reported: StorableReading[] = [];
  const store = recordingLate(inner, { note: (readings) => void reported.push(...readings) });
  const batch = batchOf([reading(1, 0, { x: 1 })]);
  inner.auto = () => ({ kind: 'row_refused', index: 0, sqlstate: '22003', message: '' });
  await store.commit(batch);
  inner.auto = () => new Error('away');
  await expect(store.commit(batch)).rejects.toThrow('away');
  expect(reported).toEqual([]);
  inner.auto = stored;
  await store.commit(batch);
  expect(reported).toEqual(batch.readings);
});

/** Without the extension: nothing is there to be refreshed. */
const EMPTY_SERVER = {
  ...{
    loaded: false,
    load_disabled: false,
    restoring: false,
    standby: false,
    temporary: true,
    superuser: false,
  },
  ...{ server_version: 150_020, worker_processes: 8, locks_per_transaction: 64, schedulers: 0 },
  ...{ database: 'd', role: 'r', login_role: 'r' },
};

describe('the refresh', () => {
  function setup(away = true) {
    const [clock, logger, metrics] = [new FakeClock(), new QuietLogger(), new RecordingMetrics()];
    const state = { asked: 0, held: true };
    const lock = { tryHold: async () => state.held, release: async () => {} };
    const catalog = {
      select: async () => {
        state.asked++;
        if (!away) return [EMPTY_SERVER];
        throw new FieldwatchError('the database is away', { code: 'DB_UNREACHABLE', kind: 'transient' });
      },
    };
    const executor = { run: async () => [] };
    const plan = planWith();
    const refresh = new LateRefresh({
      clock,
      logger,
      metrics,
      lock,
      catalog,
      executor,
      plan,
      random: () => 1,
    });
    refresh.start();
    const late = (days: number) => refresh.note([{ sensorId: 1, timeUs: (clock.nowMs() - days * 86_400_000) * 1000, metrics: new Map() }]); // prettier-ignore
    return {
      clock,
      logger,
      metrics,
      state,
      refresh,
      late,
      left: () => metrics.scrape().get('fieldwatch_late_buckets'),
    };
  }

  test('waits for further ranges, keeps what failed, and logs it once', async () => {
    const { clock, logger, state, late, left, refresh } = setup();
    await settle();
    late(1);
    expect(left()).toBe(0); // within the window of the policies
    late(10);
    await settle();
    expect([left(), state.asked]).toEqual([1, 0]);
    clock.advance(30_000);
    await settle();
    expect([left(), state.asked]).toEqual([1, 1]);
    for (let attempt = 0; attempt < 5; attempt++) {
      clock.advance(600_000);
      await settle();
    }
    expect(state.asked).toBe(6);
    expect(logger.find(/not aggregated yet/)).toHaveLength(1);
    await refresh.stop();
    expect(clock.pending).toBe(0);
  });

  test('what no refresh ever reached is looked for once, and then nothing until readings are late', async () => {
    const { clock, state, late, left, refresh } = setup(false);
    await settle();
    expect(state.asked).toBe(0);
    clock.advance(30_000);
    await settle();
    const once = state.asked;
    expect(once).toBeGreaterThan(0);
    clock.advance(600_000);
    await settle();
    expect(state.asked).toBe(once);
    late(10);
    await settle();
    expect(left()).toBe(1);
    clock.advance(30_000);
    await settle();
    expect(state.asked).toBeGreaterThan(once);
    await refresh.stop();
  });

  test('leaves it to another daemon that is at it', async () => {
    const { clock, state, late, left, refresh } = setup();
    state.held = false;
    late(10);
    await settle();
    clock.advance(30_000);
    await settle();
    expect([left(), state.asked]).toEqual([1, 0]);
    await Promise.all([refresh.stop(), refresh.stop()]);
  });
});
