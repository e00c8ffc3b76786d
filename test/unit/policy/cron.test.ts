import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { createCron, schedule } from '../../../src/adapters/system/cron.ts';
import type { CronTick } from '../../../src/ports/maintenance.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** A slot each minute of the fake clock. */
function everyMinute(clock: FakeClock) {
  const ticks: CronTick[] = [];
  const next = () => (Math.floor(clock.nowMs() / MINUTE_MS) + 1) * MINUTE_MS;
  const task = schedule(clock, next, (tick) => ticks.push(tick));
  return { ticks, stop: () => task.stop() };
}

describe('a schedule', () => {
  test('ticks once in each slot', () => {
    const clock = new FakeClock();
    const startMs = clock.nowMs();
    const { ticks } = everyMinute(clock);
    clock.advance(3 * MINUTE_MS);
    expect(ticks).toEqual([1, 2, 3].map((n) => ({ kind: 'due', atMs: startMs + n * MINUTE_MS })));
  });

  test.each([30, 375, 20_000])(
    'a clock set forward by %i days is one missed tick, and no catching up',
    (days) => {
      const clock = new FakeClock();
      const { ticks } = everyMinute(clock);
      clock.advance(10_000);
      clock.jump(days * DAY_MS);
      clock.advance(MINUTE_MS - 10_000 - 1);
      expect(ticks.map(({ kind }) => kind)).toEqual(['missed']);
      clock.advance(2 * MINUTE_MS);
      expect(ticks.map(({ kind }) => kind)).toEqual(['missed', 'due', 'due']);
    },
  );

  test('a clock set back goes on with the slots of the new time', () => {
    const clock = new FakeClock();
    const { ticks } = everyMinute(clock);
    clock.jump(-30 * DAY_MS);
    const backAtMs = clock.nowMs();
    clock.advance(2 * MINUTE_MS);
    expect(ticks.length).toBeGreaterThanOrEqual(1);
    for (const { kind, atMs } of ticks) {
      expect(kind).toBe('due');
      expect(atMs).toBeLessThanOrEqual(backAtMs + 2 * MINUTE_MS);
    }
  });

  test('a process that stood still over some slots has one missed tick', () => {
    const clock = new FakeClock();
    const { ticks } = everyMinute(clock);
    clock.sleepOver(10 * MINUTE_MS + 5000);
    clock.advance(0);
    expect(ticks.map(({ kind }) => kind)).toEqual(['missed']);
  });

  test('no tick after stop, from within a tick too', () => {
    const clock = new FakeClock();
    const { ticks, stop } = everyMinute(clock);
    clock.advance(MINUTE_MS);
    stop();
    clock.advance(10 * MINUTE_MS);
    expect(ticks).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });
});

test('expressions are read by node-cron, in their time zone', () => {
  const clock = new FakeClock(Date.now());
  const cron = createCron(clock);
  expect(cron.validate('*/5 * * * *')).toBe(true);
  expect(cron.validate('61 * * * *')).toBe(false);
  expect(() => cron.schedule('61 * * * *', 'UTC', () => undefined)).toThrow(
    expect.objectContaining({ code: 'CRON_INVALID' }),
  );
  const ticks: CronTick[] = [];
  cron.schedule('* * * * *', 'Europe/Berlin', (tick) => ticks.push(tick)).stop();
  expect(clock.pending).toBe(0);
});

describe('clocks that change', () => {
  afterEach(() => void jest.useRealTimers());

  /** The minutes from `from` on, for two hours and a half, in which a line ticks; node-cron reads the faked clock. */
  const ticksFrom = (from: string, expression: string, zone: string): string[] => {
    const startMs = Date.parse(from);
    jest.useFakeTimers({ now: startMs });
    const clock = new FakeClock(startMs);
    const ticks: string[] = [];
    const task = createCron(clock).schedule(expression, zone, ({ atMs }) =>
      ticks.push(new Date(atMs).toISOString().slice(11, 16)),
    );
    for (let minute = 1; minute <= 150; minute++) {
      jest.setSystemTime(startMs + minute * MINUTE_MS);
      clock.advance(MINUTE_MS);
    }
    task.stop();
    return ticks;
  };
  const eachHalfHour = ['00:00', '00:30', '01:00', '01:30', '02:00'];

  test.each([
    ['an hour comes twice', '2026-10-24T23:59:00Z'],
    ['an hour is skipped', '2026-03-28T23:59:00Z'],
  ])('%s: what runs in every hour goes on', (_, from) => {
    expect(ticksFrom(from, '*/30 * * * *', 'Europe/Berlin')).toEqual(eachHalfHour);
  });

  test('a time of the day that comes twice is one slot', () => {
    expect(ticksFrom('2026-10-24T23:59:00Z', '30 2 * * *', 'Europe/Berlin')).toEqual(['01:30']);
  });

  test('minutes of a zone that is half an hour off are its own', () => {
    expect(ticksFrom('2026-10-24T23:59:00Z', '0 * * * *', 'Asia/Kolkata')).toEqual(['00:30', '01:30']);
  });
});
