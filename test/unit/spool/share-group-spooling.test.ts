import { describe, expect, test } from '@jest/globals';
import { LeaseLost } from '../../../src/core/alert/cluster/shard-lease.ts';
import { NO_WATERMARKS, watermarksOf } from '../../../src/core/alert/engine/watermarks.ts';
import { type AlertBatch, type AlertNotification, EMPTY_ALERT_BATCH } from '../../../src/core/alert/model.ts';
import { OutageMonitor } from '../../../src/services/ingest/outage-monitor.ts';
import type { StoreBatch } from '../../../src/ports/store.ts';
import { handoverOf } from '../../../src/services/alert/cluster/handover.ts';
import type { AlertEvaluator } from '../../../src/services/ingest/batch-commit.ts';
import { IngestBatch } from '../../../src/services/ingest/batch.ts';
import { SensorRegistry } from '../../../src/services/ingest/sensor-registry.ts';
import { SpoolReplayer } from '../../../src/services/spool/spool-replayer.ts';
import { SpoolWriter } from '../../../src/services/spool/spool-writer.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeDirectory, FakeSpool, FakeStore, RecordingMetrics, stored } from '../../support/fakes.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

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
  const alertManager: AlertEvaluator = {
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
      return { batch: { ...EMPTY_ALERT_BATCH, ...batch }, watermarks, commit: () => {} };
    },
    publish: () => {},
    publishUnpersisted: () => {},
    lost: () => (daemon.epoch = undefined),
  };
  const directory = new FakeDirectory();
  directory.add('s1');
  const registry = new SensorRegistry(
    { registration: 'auto', allow: ['*'], max: 100_000, maxNewPerMinute: 100 },
    { directory, clock, logger, metrics },
  );
  await registry.load();
  const published: string[] = [];
  const dropped: string[] = [];
  const another = () =>
    new SpoolReplayer(
      { lateAfterMs: () => undefined },
      {
        ...{ spool, registry, store, clock, logger, watch: new OutageMonitor({ clock, logger, metrics }) },
        onSettled: () => {},
        onDropped: (lines) => dropped.push(...lines.map(({ alertId }) => alertId)),
        onAlertsReplayed: (notifications) => published.push(...notifications.map(({ alertId }) => alertId)),
      },
    );
  const replayer = another();
  const spoolWriter = new SpoolWriter({ spool, alertManager, registry, clock, logger, metrics });
  spoolWriter.begin();
  const keep = async (value: number) => {
    const batch = new IngestBatch(0);
    const message = { topic: 't', payload: new Uint8Array(), receivedAtMs: 1 };
    const metrics = new Map([['temperature', value]]);
    const reading = { device: 's1', timeUs: value, location: undefined, metrics };
    batch.addReading(reading, message, 1, registry.find('s1'));
    expect(await spoolWriter.keep(batch)).toBe(true);
  };
  const forwarded = () =>
    store.batches.flatMap(({ alerts }) => alerts.forwarded?.readings ?? []).map(({ timeUs }) => timeUs);
  const readings = () => committed(store).flatMap((batch) => batch.readings.map(({ timeUs }) => timeUs));
  const committed = ({ batches }: FakeStore): StoreBatch[] =>
    batches.filter((batch) => store.auto?.(batch) !== lost);
  return {
    spool,
    spoolWriter,
    replayer,
    another,
    made,
    alertManager,
    daemon,
    database,
    keep,
    published,
    dropped,
    forwarded,
    readings,
    logger,
  };
}

describe('the spool of a member of a share group', () => {
  test('what was evaluated while the database was away is evaluated anew, and its lines do not leave again', async () => {
    const { replayer, alertManager, daemon, spool, keep, published, dropped, forwarded, readings } =
      await setUp();
    await keep(1);
    await keep(2);
    expect(spool.records.map(({ lane }) => lane)).toEqual(['alerts', 'unresolved', 'alerts', 'unresolved']);
    // Evaluated once more: up to nowhere.
    expect(await spool.watermarks()).toEqual(NO_WATERMARKS);
    // The database is back, and the states are to be read again.
    daemon.epoch = undefined;
    while (await replayer.alerts());
    expect([published, dropped, replayer.hasPending]).toEqual([[], ['a', 'a'], true]);
    while (replayer.hasPending) await replayer.unresolved(alertManager);
    expect([readings(), forwarded(), spool.records]).toEqual([[1, 2], [1, 2], []]);
  });

  test('a process that crashes in the middle of handing over continues it', async () => {
    const { replayer, another, alertManager, daemon, keep, forwarded, readings, spool } = await setUp();
    await keep(1);
    await keep(2);
    daemon.epoch = undefined;
    while (await replayer.alerts());
    const next = another();
    expect([await next.alerts(), next.hasPending]).toEqual([false, true]);
    while (next.hasPending) await next.unresolved(alertManager);
    expect([readings(), forwarded(), spool.records]).toEqual([[1, 2], [1, 2], []]);
  });

  test('readings without an alert are evaluated anew, too: other members may have further readings', async () => {
    const { replayer, alertManager, daemon, keep, forwarded, made } = await setUp();
    made.notifications = [];
    await keep(1);
    daemon.epoch = undefined;
    expect(await replayer.alerts()).toBe(false);
    while (replayer.hasPending) await replayer.unresolved(alertManager);
    expect(forwarded()).toEqual([1]);
  });

  test('what an earlier version evaluated, and left as readings, is handed over', async () => {
    const { replayer, spool, keep, daemon, forwarded } = await setUp();
    await keep(1);
    const [, record] = spool.records;
    await spool.remove([...spool.records]);
    const fence = { group: 'crew', era: 'era 1', shards: [[5, 1]] as const };
    const alerts = { ...EMPTY_ALERT_BATCH, fence };
    await spool.append([{ ...record!, lane: 'readings', alerts }], NO_WATERMARKS);
    daemon.epoch = undefined;
    while (await replayer.readings());
    expect(forwarded()).toEqual([1]);
  });

  test('without shards readings wait unevaluated, in order, and are handed over', async () => {
    const { replayer, alertManager, daemon, spool, keep, forwarded, readings } = await setUp();
    daemon.epoch = undefined;
    await keep(1);
    await keep(2);
    expect(spool.records.map(({ lane }) => lane)).toEqual(['unresolved', 'unresolved']);
    while (await replayer.unresolved(alertManager));
    expect([readings(), forwarded()]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });
});
