import { expect, test } from '@jest/globals';
import { createCorrectableClock } from '../../src/adapters/clock.ts';
import { EMPTY_ALERT_BATCH } from '../../src/core/alert/model.ts';
import { EarlyArrivals } from '../../src/core/early-arrivals.ts';
import { ClockMonitor } from '../../src/services/clock-monitor.ts';
import { SensorRegistry } from '../../src/services/sensor-registry.ts';
import { Settling } from '../../src/services/settling.ts';
import { StoreWatch } from '../../src/services/store-health.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeDirectory, FakeSpool, FakeStore, RecordingMetrics, stored } from '../support/fakes.ts';
import { QuietLogger } from '../support/quiet-logger.ts';

const DAY_MS = 86_400_000;
const RIGHT_MS = Date.UTC(2026, 5, 1);

/** A process that starts when it is `RIGHT_MS`, with a system clock that shows something else, and no database yet. */
function stage(systemStartMs: number) {
  const system = new FakeClock(systemStartMs);
  const clock = createCorrectableClock(system);
  const earlyArrivals = new EarlyArrivals(clock.nowMs());
  let away = true;
  const serverMs = () =>
    away ? Promise.reject(new Error('away')) : Promise.resolve(RIGHT_MS + system.monotonicMs());
  const [logger, metrics] = [new QuietLogger(), new RecordingMetrics()];
  const monitor = new ClockMonitor({ clock, serverMs, earlyArrivals, logger, metrics });
  const stamp = () => ({
    stampedUs: clock.nowMs() * 1000,
    rightUs: (RIGHT_MS + system.monotonicMs()) * 1000,
  });
  const contact = async () => {
    away = false;
    await monitor.compare();
  };
  return { system, clock, earlyArrivals, monitor, stamp, contact };
}

test('stamped in 1970, before the first contact: they get the right time', async () => {
  const { system, earlyArrivals, monitor, stamp, contact } = stage(0);
  const first = stamp();
  await monitor.compare();
  system.advance(5000);
  const second = stamp();
  // Not known yet.
  expect(earlyArrivals.corrected(first.stampedUs)).toBe(first.stampedUs);
  system.advance(5000);
  await contact();
  for (const { stampedUs, rightUs } of [first, second])
    expect(earlyArrivals.corrected(stampedUs)).toBe(rightUs);
  // What is stamped from now on is right, and stays.
  system.advance(5000);
  const { stampedUs, rightUs } = stamp();
  expect(stampedUs).toBe(rightUs);
  expect(earlyArrivals.corrected(stampedUs)).toBe(rightUs);
});

test('the time of the network comes before the database: what was stamped before moves with it', async () => {
  const { system, earlyArrivals, monitor, stamp, contact } = stage(RIGHT_MS - 30 * DAY_MS);
  const before = stamp();
  system.advance(10_000);
  system.jump(30 * DAY_MS);
  const after = stamp();
  await monitor.compare();
  await contact();
  for (const { stampedUs, rightUs } of [before, after])
    expect(earlyArrivals.corrected(stampedUs)).toBe(rightUs);
});

test('it comes, and is wrong as well: the server is the one to go by', async () => {
  const { system, earlyArrivals, monitor, stamp, contact } = stage(RIGHT_MS - 30 * DAY_MS);
  const before = stamp();
  system.advance(1000);
  system.jump(29 * DAY_MS);
  await monitor.compare();
  const after = stamp();
  await contact();
  for (const { stampedUs, rightUs } of [before, after])
    expect(earlyArrivals.corrected(stampedUs)).toBe(rightUs);
});

test('a clock that is right within a minute, and times that were not stamped, stay as they are', async () => {
  const { earlyArrivals, stamp, contact } = stage(RIGHT_MS - 30_000);
  const { stampedUs } = stamp();
  await contact();
  expect(earlyArrivals.corrected(stampedUs)).toBe(stampedUs);
  expect(earlyArrivals.corrected(1)).toBe(1);
});

test('what drains is stored with the right time where it was stamped, and as it is where it had its own', async () => {
  const { system: clock, earlyArrivals, stamp, contact } = stage(0);
  const [store, spool, directory, metrics] = [
    new FakeStore(),
    new FakeSpool(),
    new FakeDirectory(),
    new RecordingMetrics(),
  ];
  const logger = new QuietLogger();
  directory.add('n1');
  const registry = new SensorRegistry(
    { registration: 'auto', allow: ['*'], max: 10, maxNewPerMinute: 10 },
    { directory, clock, logger, metrics },
  );
  await registry.load();
  const { stampedUs, rightUs } = stamp();
  const message = { topic: 't', payload: new Uint8Array(), receivedAtMs: 0, arrivalUs: stampedUs };
  const reading = { key: 'n1', sensorId: 1, location: undefined, receivedAtMs: 0, message };
  const ownUs = Date.UTC(2025, 0, 1) * 1000;
  const agoUs = 5_000_000;
  const readings = [
    { timeUs: stampedUs, stamped: true },
    // Five seconds before the arrival, by the payload.
    { timeUs: stampedUs - agoUs, stamped: true },
    // Spooled by an earlier version.
    { timeUs: stampedUs },
    { timeUs: ownUs, stamped: false },
  ].map((one, at) => ({ ...reading, ...one, metrics: new Map([['temperature', at]]) }));
  await spool.append([{ lane: 'readings', id: 'a', readings, deadLetters: [], alerts: EMPTY_ALERT_BATCH }]);
  store.auto = stored;
  const settling = new Settling(
    { lateAfterMs: () => undefined },
    {
      ...{ spool, registry, store, clock, earlyArrivals, logger },
      watch: new StoreWatch({ clock, logger, metrics }),
      onSettled: () => {},
      onAlertsSettled: () => {},
    },
  );
  await contact();
  expect(await settling.readings()).toBe(true);
  const times = store.batches.flatMap(({ readings: rows }) => rows.map(({ timeUs }) => timeUs));
  expect(times.toSorted((a, b) => a - b)).toEqual([ownUs, rightUs - agoUs, rightUs, rightUs]);
});
