import { describe, expect, test } from '@jest/globals';
import { createCorrectableClock } from '../../../src/adapters/system/clock.ts';
import { ClockMonitor } from '../../../src/services/ingest/clock-monitor.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { RecordingMetrics } from '../../support/fakes.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

const DAY_MS = 86_400_000;
const SERVER_START_MS = Date.UTC(2026, 5, 1);

async function stage(systemStartMs: number) {
  const system = new FakeClock(systemStartMs);
  const logger = new QuietLogger();
  const metrics = new RecordingMetrics();
  const clock = createCorrectableClock(system);
  let away = false;
  const serverMs = () =>
    away ? Promise.reject(new Error('away')) : Promise.resolve(SERVER_START_MS + system.monotonicMs());
  const monitor = new ClockMonitor({ clock, serverMs, logger, metrics });
  await monitor.start();
  const advance = async (ms: number) => {
    // In steps: the next comparison is planned once the one before has its answer.
    for (let left = ms; left > 0; left -= 1000) {
      system.advance(Math.min(left, 1000));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return {
    system,
    logger,
    metrics,
    clock,
    monitor,
    advance,
    leave: (forgotten: boolean) => (away = forgotten),
  };
}

describe('the clock of a system and that of the database server', () => {
  test('in step: the system clock is used, and nothing is logged', async () => {
    const { clock, system, logger, monitor, advance } = await stage(SERVER_START_MS + 30_000);
    await advance(60_000);
    expect(clock.nowMs()).toBe(system.nowMs());
    expect(monitor.correctionMs).toBeUndefined();
    expect(logger.entries).toEqual([]);
  });

  test('a board that starts a month in the past goes by the server, and again by its own once that is set', async () => {
    const { clock, system, logger, metrics, monitor, advance } = await stage(SERVER_START_MS - 30 * DAY_MS);
    expect(clock.nowMs()).toBe(SERVER_START_MS);
    expect(metrics.values.get('fieldwatch_clock_offset_seconds')).toBe((30 * DAY_MS) / 1000);
    await advance(60_000);
    expect(clock.nowMs()).toBe(SERVER_START_MS + 60_000);
    // The time arrives between two comparisons: the time that the daemon uses does not jump.
    system.jump(30 * DAY_MS);
    expect(clock.nowMs()).toBe(SERVER_START_MS + 60_000);
    await advance(20_000);
    expect(clock.nowMs()).toBe(SERVER_START_MS + 80_000);
    expect(monitor.correctionMs).toBeUndefined();
    expect(logger.entries.map(({ level, message }) => `${level} ${message}`)).toEqual([
      'warn clock: system and database server differ, using the server clock',
      'warn clock: the system clock was stepped',
      'info clock: in sync with the database server',
    ]);
  });

  test('a database that is away leaves the last correction, by the monotonic clock', async () => {
    const { clock, system, advance, leave } = await stage(SERVER_START_MS - 30 * DAY_MS);
    leave(true);
    await advance(45_000);
    system.jump(-DAY_MS);
    await advance(45_000);
    expect(clock.nowMs()).toBe(SERVER_START_MS + 90_000);
  });

  test('a jump of the system clock changes nothing before the server was queried', async () => {
    const { clock, system, advance } = await stage(SERVER_START_MS);
    for (const jumpMs of [3_600_000, -7_200_000, 3_600_000]) {
      const beforeMs = clock.nowMs();
      system.jump(jumpMs);
      expect(clock.nowMs()).toBe(beforeMs);
      await advance(45_000);
      expect(clock.nowMs()).toBe(beforeMs + 45_000);
    }
  });

  test('a clock that is set while the database is away is taken for better than before', async () => {
    const { clock, system, advance, leave } = await stage(SERVER_START_MS);
    leave(true);
    await advance(20_000);
    system.jump(3_600_000);
    expect(clock.nowMs()).toBe(SERVER_START_MS + 20_000);
    await advance(20_000);
    expect(clock.nowMs()).toBe(SERVER_START_MS + 3_640_000);
  });

  test('no query after stop', async () => {
    const { monitor, system } = await stage(SERVER_START_MS);
    monitor.stop();
    expect(system.pending).toBe(0);
  });
});
