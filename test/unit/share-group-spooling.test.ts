import { describe, expect, test } from '@jest/globals';
import { EMPTY_ALERT_BATCH, type AlertBatch, type AlertNotification } from '../../src/core/alert/model.ts';
import { NO_WATERMARKS, watermarksOf } from '../../src/core/alert/watermarks.ts';
import { LeaseLost } from '../../src/core/alert/shards/lease-lost.ts';
import type { StoreBatch } from '../../src/ports.ts';
import type { AlertEvaluator } from '../../src/services/batch-commit.ts';
import { handoverOf } from '../../src/services/handover-reader.ts';
import { IntakeBatch } from '../../src/services/intake-batch.ts';
import { SensorRegistry } from '../../src/services/sensor-registry.ts';
import { Settling } from '../../src/services/settling.ts';
import { Spooling } from '../../src/services/spooling.ts';
import { StoreWatch } from '../../src/services/store-health.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeDirectory, FakeSpool, FakeStore, RecordingMetrics, stored } from '../support/fakes.ts';
import { QuietLogger } from '../support/quiet-logger.ts';

const lost = new LeaseLost('crew', [5]);

/** What a member of a share group spools, and what becomes of it; `epoch` is that of the database. */
async function setUp() {
  const [spool, store, clock, metrics, logger] = [
    new FakeSpool(),
    new FakeStore(),
    new FakeClock(),
    new RecordingMetrics(),
    new QuietLogger(),
  ];
  const database = { epoch: 1 };
  store.auto = (batch) =>
    batch.alerts.fence?.shards.some(([, epoch]) => epoch !== database.epoch) === true ? lost : stored(batch);
  /** The engine; without shards it forwards. */
  const daemon = { epoch: 1 as number | undefined };
  const made = { notifications: [{ alertId: 'a', seq: 1 } as AlertNotification] };
  const alerting: AlertEvaluator = {
    prepare: async () => {},
    knows: () => daemon.epoch !== undefined,
    evaluate: (rows) => {
      const { epoch } = daemon;
      const batch: Partial<AlertBatch> =
        epoch === undefined
          ? { forwarded: { group: 'crew', readings: rows.map(handoverOf) } }
          : { ...made, fence: { group: 'crew', era: `era ${epoch}`, shards: [[5, epoch]] } };
      const marks = rows.map(({ sensorId, timeUs }) => ({
        sensorId,
        metric: 'temperature',
        timeUs,
        value: 1,
      }));
      const watermarks = () => watermarksOf(marks);
      return { batch: { ...EMPTY_ALERT_BATCH, ...batch }, watermarks, adopt: () => {} };
    },
    announce: () => {},
    announceUnpersisted: () => {},
    lost: () => (daemon.epoch = undefined),
  };
  const directory = new FakeDirectory();
  directory.add('s1');
  const registry = new SensorRegistry(
    { registration: 'auto', allow: ['*'], max: 100_000, maxNewPerMinute: 100 },
    { directory, clock, logger, metrics },
  );
  await registry.load();
  const told: string[] = [];
  const dropped: string[] = [];
  const another = () =>
    new Settling(
      { lateAfterMs: () => undefined },
      {
        ...{ spool, registry, store, clock, logger, watch: new StoreWatch({ clock, logger, metrics }) },
        onSettled: () => {},
        onDropped: (lines) => dropped.push(...lines.map(({ alertId }) => alertId)),
        onAlertsSettled: (notifications) => told.push(...notifications.map(({ alertId }) => alertId)),
      },
    );
  const settling = another();
  const spooling = new Spooling({ spool, alerting, registry, clock, logger, metrics });
  spooling.begin();
  const keep = async (value: number) => {
    const batch = new IntakeBatch(0);
    const message = { topic: 't', payload: new Uint8Array(), receivedAtMs: 1 };
    const metrics = new Map([['temperature', value]]);
    const reading = { device: 's1', timeUs: value, location: undefined, metrics };
    batch.addReading(reading, message, 1, registry.find('s1'));
    expect(await spooling.keep(batch)).toBe(true);
  };
  const forwarded = () =>
    store.batches.flatMap(({ alerts }) => alerts.forwarded?.readings ?? []).map(({ timeUs }) => timeUs);
  const readings = () => committed(store).flatMap((batch) => batch.readings.map(({ timeUs }) => timeUs));
  const committed = ({ batches }: FakeStore): StoreBatch[] =>
    batches.filter((batch) => store.auto?.(batch) !== lost);
  return {
    spool,
    spooling,
    settling,
    another,
    made,
    alerting,
    daemon,
    database,
    keep,
    told,
    dropped,
    forwarded,
    readings,
    logger,
  };
}

describe('the spool of a member of a share group', () => {
  test('what was evaluated while the database was away is evaluated anew, and its lines do not leave again', async () => {
    const { settling, alerting, daemon, spool, keep, told, dropped, forwarded, readings } = await setUp();
    await keep(1);
    await keep(2);
    expect(spool.records.map(({ lane }) => lane)).toEqual(['alerts', 'unresolved', 'alerts', 'unresolved']);
    // Evaluated once more: up to nowhere.
    expect(await spool.watermarks()).toEqual(NO_WATERMARKS);
    // The database is back, and the states are to be read again.
    daemon.epoch = undefined;
    while (await settling.alerts());
    expect([told, dropped, settling.owes]).toEqual([[], ['a', 'a'], true]);
    while (settling.owes) await settling.unresolved(alerting);
    expect([readings(), forwarded(), spool.records]).toEqual([[1, 2], [1, 2], []]);
  });

  test('a process that dies in the middle of handing over goes on with it', async () => {
    const { settling, another, alerting, daemon, keep, forwarded, readings, spool } = await setUp();
    await keep(1);
    await keep(2);
    daemon.epoch = undefined;
    while (await settling.alerts());
    const next = another();
    expect([await next.alerts(), next.owes]).toEqual([false, true]);
    while (next.owes) await next.unresolved(alerting);
    expect([readings(), forwarded(), spool.records]).toEqual([[1, 2], [1, 2], []]);
  });

  test('readings without an alert are evaluated anew, too: other members may know better', async () => {
    const { settling, alerting, daemon, keep, forwarded, made } = await setUp();
    made.notifications = [];
    await keep(1);
    daemon.epoch = undefined;
    expect(await settling.alerts()).toBe(false);
    while (settling.owes) await settling.unresolved(alerting);
    expect(forwarded()).toEqual([1]);
  });

  test('what an earlier version evaluated, and left as readings, is handed over', async () => {
    const { settling, spool, keep, daemon, forwarded } = await setUp();
    await keep(1);
    const [, record] = spool.records;
    await spool.remove([...spool.records]);
    const fence = { group: 'crew', era: 'era 1', shards: [[5, 1]] as const };
    const alerts = { ...EMPTY_ALERT_BATCH, fence };
    await spool.append([{ ...record!, lane: 'readings', alerts }], NO_WATERMARKS);
    daemon.epoch = undefined;
    while (await settling.readings());
    expect(forwarded()).toEqual([1]);
  });

  test('without shards readings wait unevaluated, in order, and are handed over', async () => {
    const { settling, alerting, daemon, spool, keep, forwarded, readings } = await setUp();
    daemon.epoch = undefined;
    await keep(1);
    await keep(2);
    expect(spool.records.map(({ lane }) => lane)).toEqual(['unresolved', 'unresolved']);
    while (await settling.unresolved(alerting));
    expect([readings(), forwarded()]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });
});
