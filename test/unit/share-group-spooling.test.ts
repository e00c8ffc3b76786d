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
  const another = () =>
    new Settling(
      { lateAfterMs: () => undefined },
      {
        ...{ spool, registry, store, clock, logger, watch: new StoreWatch({ clock, logger, metrics }) },
        onSettled: () => {},
        onLeaseLost: () => (daemon.epoch = undefined),
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
    forwarded,
    readings,
    logger,
  };
}

describe('the spool of a member of a share group', () => {
  test("nobody has replaced it: its alerts are stored, and its readings are nobody else's affair", async () => {
    const { settling, spool, keep, told, forwarded, readings } = await setUp();
    await keep(1);
    await keep(2);
    expect(await settling.readings()).toBe(false);
    while (await settling.alerts());
    expect(told).toEqual(['a', 'a']);
    while (await settling.readings());
    expect([readings(), forwarded(), spool.records]).toEqual([[1, 2], [], []]);
  });

  test('somebody has: what it made of readings is dropped, and they are handed over before anything newer', async () => {
    const { settling, alerting, spool, database, keep, told, forwarded, readings, logger } = await setUp();
    await keep(1);
    await keep(2);
    database.epoch = 2;
    while (await settling.alerts());
    expect([told, settling.owes]).toEqual([[], true]);
    // They are not evaluated here any more.
    expect(await spool.watermarks()).toEqual(NO_WATERMARKS);
    while (settling.owes) await settling.unresolved(alerting);
    expect([readings(), forwarded(), spool.records]).toEqual([[1, 2], [1, 2], []]);
    expect(logger.find(/handed over/)).toHaveLength(1);
  });

  test("once its alerts are stored, its readings are nobody else's affair, whichever member owns the shards then", async () => {
    const { settling, database, keep, forwarded, readings, spool } = await setUp();
    await keep(1);
    while (await settling.alerts());
    database.epoch = 2;
    while (await settling.readings());
    expect([readings(), forwarded(), spool.records]).toEqual([[1], [], []]);
  });

  test('a process that dies in the middle of handing over goes on with it', async () => {
    const { settling, another, alerting, database, keep, forwarded, readings, spool } = await setUp();
    await keep(1);
    database.epoch = 2;
    while (await settling.alerts());
    const next = another();
    expect(await next.alerts()).toBe(false);
    expect(next.owes).toBe(true);
    while (next.owes) await next.unresolved(alerting);
    expect([readings(), forwarded(), spool.records]).toEqual([[1], [1], []]);
  });

  test('what changed nothing is handed over, too: the new owner may know better', async () => {
    const { settling, alerting, database, keep, forwarded, made } = await setUp();
    made.notifications = [];
    await keep(1);
    database.epoch = 2;
    while (await settling.alerts());
    while (settling.owes) await settling.unresolved(alerting);
    expect(forwarded()).toEqual([1]);
  });

  test('readings of two eras are not mixed', async () => {
    const { settling, alerting, database, daemon, keep, told, forwarded, readings } = await setUp();
    await keep(1);
    daemon.epoch = 3;
    await keep(2);
    database.epoch = 3;
    while (await settling.alerts());
    while (settling.owes) await settling.unresolved(alerting);
    expect(told).toEqual([]);
    while (await settling.alerts());
    while (await settling.readings());
    expect([readings(), forwarded(), told]).toEqual([[1, 2], [1], ['a']]);
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
