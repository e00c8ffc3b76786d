import { afterEach, describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../../src/adapters/log/logger.ts';
import { followLocations, watchTime } from '../../../src/app/wiring/alert.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { NO_WATERMARKS, watermarksOf } from '../../../src/core/alert/engine/watermarks.ts';
import { type AlertNotification, EMPTY_ALERT_BATCH } from '../../../src/core/alert/model.ts';
import { FieldwatchError } from '../../../src/core/errors.ts';
import { AVAILABILITY } from '../../../src/core/reading.ts';
import { OutageMonitor } from '../../../src/services/ingest/outage-monitor.ts';
import type { InboundMessage } from '../../../src/ports/messages.ts';
import type { Sensor } from '../../../src/ports/sensors.ts';
import type { StoreBatch } from '../../../src/ports/store.ts';
import type { AlertManager } from '../../../src/services/alert/alert-manager.ts';
import type { EvaluatedBatch } from '../../../src/services/alert/evaluation.ts';
import { IngestAccounting } from '../../../src/services/ingest/accounting.ts';
import type { AlertEvaluator } from '../../../src/services/ingest/batch-commit.ts';
import { BatchWriter } from '../../../src/services/ingest/batch-writer.ts';
import { IngestBatch } from '../../../src/services/ingest/batch.ts';
import { SensorRegistry } from '../../../src/services/ingest/sensor-registry.ts';
import { DeferredStartup } from '../../../src/services/ingest/startup.ts';
import { SpoolDrainer } from '../../../src/services/spool/spool-drainer.ts';
import { SpoolReplayer } from '../../../src/services/spool/spool-replayer.ts';
import { SpoolWriter } from '../../../src/services/spool/spool-writer.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import {
  FakeDirectory,
  FakeSpool,
  FakeStore,
  RecordingMetrics,
  settle,
  stored,
} from '../../support/fakes.ts';

const away = new FieldwatchError('away', { code: 'DB_UNREACHABLE', kind: 'transient' });
const rights = new FieldwatchError('no rights', { code: 'DB_RIGHTS', kind: 'auth' });
const unknown = new FieldwatchError('ZZ999', { code: 'DB_UNKNOWN', kind: 'transient' });
const full = new FieldwatchError('full', { code: 'SPOOL_FULL', kind: 'transient' });
const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 0, 1);

/** An engine for which each reading of 99 fires; it knows `known` and the sensors that it has prepared. */
class Alerts implements AlertEvaluator {
  readonly known = new Set<number>();
  readonly lines: [string, boolean][] = [];
  readonly committed: number[] = [];

  async prepare(rows: Parameters<AlertEvaluator['prepare']>[0]): Promise<void> {
    for (const { sensorId } of rows) this.known.add(sensorId);
  }

  knows(sensorId: number): boolean {
    return this.known.has(sensorId);
  }

  evaluate(rows: Parameters<AlertEvaluator['evaluate']>[0]) {
    const fired = rows.filter(({ metrics }) => metrics.get('temperature') === 99);
    const notifications = fired.map(
      ({ key, timeUs }) => ({ alertId: `${key}|${timeUs}`, seq: 1 }) as AlertNotification,
    );
    const batch = { states: [], raised: [], resolved: [], notifications };
    const marks = rows.map(({ sensorId, timeUs }) => ({ sensorId, metric: 'temperature', timeUs, value: 1 }));
    const watermarks = () => watermarksOf(marks);
    return { batch, watermarks, commit: () => void this.committed.push(...rows.map(({ timeUs }) => timeUs)) };
  }

  publish(notifications: readonly AlertNotification[]): void {
    for (const { alertId } of notifications) this.lines.push([alertId, true]);
  }

  publishUnpersisted(notifications: readonly AlertNotification[]): void {
    for (const { alertId } of notifications) this.lines.push([alertId, false]);
  }
}

const running: SpoolDrainer[] = [];
afterEach(async () => {
  for (const drainer of running.splice(0)) await drainer.stop();
});

interface Setting {
  readonly maxNewPerMinute?: number;
  /** The startup step that needs the database; with it, the database is away at the start. */
  readonly cold?: (parts: { registry: SensorRegistry; alertManager: Alerts }) => Promise<void>;
}

async function setup({ maxNewPerMinute = 100, cold }: Setting = {}) {
  const [live, drain, spool, directory, clock, metrics, alertManager] = [
    new FakeStore(),
    new FakeStore(),
    new FakeSpool(),
    new FakeDirectory(),
    new FakeClock(NOW_MS),
    new RecordingMetrics(),
    new Alerts(),
  ];
  directory.add('s1');
  alertManager.known.add(1);
  directory.add('s2');
  const logger = silentLogger;
  const registry = new SensorRegistry(
    { registration: 'auto', allow: ['*'], max: 100_000, maxNewPerMinute },
    { directory, clock, logger, metrics },
  );
  const start = new DeferredStartup({
    tryConnect: async () => {},
    run: async () => cold?.({ registry, alertManager }),
  });
  if (cold === undefined) {
    await registry.load();
    await start.now();
  }
  const accounting = new IngestAccounting(metrics);
  const watch = new OutageMonitor({ clock, logger, metrics });
  const lateAfterMs = () => 7 * DAY_MS;
  const replayer = new SpoolReplayer(
    { lateAfterMs },
    {
      ...{ spool, registry, store: drain, clock, logger, watch },
      onSettled: (outcome, letters) => accounting.committed(outcome, letters),
      onAlertsReplayed: (notifications) => alertManager.publish(notifications),
    },
  );
  const spoolWriter = new SpoolWriter({ spool, alertManager, registry, clock, logger, metrics });
  if (cold !== undefined) spoolWriter.beginSuspended();
  const backoff = { baseMs: 100, capMs: 1000 };
  const drainer = new SpoolDrainer(backoff, {
    ...{ spoolWriter, replayer, alertManager, start, watch, clock, logger },
    random: () => 1,
  });
  running.push(drainer);
  drainer.start();
  const writer = new BatchWriter(backoff, {
    ...{ registry, alertManager, store: live, clock, logger, metrics, watch },
    random: () => 1,
    spool: { spoolWriter, afterMs: 5000, lateAfterMs },
  });
  /** Readings `device value`, each a second after the last. */
  let second = 0;
  const batch = (texts: string[], fromMs = NOW_MS) => {
    const made = new IngestBatch(clock.monotonicMs());
    for (const text of texts) {
      const [device = '', value = ''] = text.split(' ');
      const timeUs = (fromMs + second++ * 1000) * 1000;
      const reading = {
        device,
        timeUs,
        location: undefined,
        metrics: new Map([['temperature', Number(value)]]),
      };
      const message = { topic: device, payload: new Uint8Array(3), receivedAtMs: NOW_MS } as InboundMessage;
      made.addReading(reading, message, NOW_MS, registry.find(device));
    }
    accounting.arrived(texts.length, 0);
    return made;
  };
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(Math.min(100, left));
      await settle(4);
    }
  };
  return {
    start,
    registry,
    live,
    drain,
    spool,
    directory,
    clock,
    metrics,
    alertManager,
    writer,
    drainer,
    spoolWriter,
    accounting,
    batch,
    pass,
  };
}

type Harness = Awaited<ReturnType<typeof setup>>;
const fail = (error: Error, ...stores: { auto: FakeStore['auto'] }[]) =>
  stores.forEach((store) => (store.auto = () => error));
const conserved = ({ accounting }: Harness) => {
  const t = accounting.totals();
  expect(t.received).toBe(
    t.stored + t.duplicate + t.merged + t.conflict + t.deadLettered + t.filtered + t.inFlight,
  );
  return t;
};
const times = (batches: readonly StoreBatch[]) => batches.map(({ readings }) => readings.length);

describe('statement 18: the spool while the database is away', () => {
  it('is not asked to keep what operators want: that waits in its table until the spool is done with', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    void harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(5200);
    let carriedOut = 0;
    const commands = { by: 'me', outcomes: [{ id: '7', outcome: 'done' as const }] };
    const obey = () => ({ batch: { ...EMPTY_ALERT_BATCH, commands }, commit: () => void carriedOut++ });
    const before = harness.spool.records.length;
    await harness.writer.commitCommands(obey);
    // The database is back, and what is on disk is not in it yet.
    harness.live.auto = stored;
    await harness.writer.commitCommands(obey);
    expect([carriedOut, harness.spool.records.length]).toEqual([0, before]);
    harness.drain.auto = stored;
    await harness.pass(3000);
    expect(harness.spoolWriter.active).toBe(false);
    // For a role of few connections: what drained needs its own no more.
    expect(harness.drain.disconnects).toBe(1);
    await harness.writer.commitCommands(obey);
    expect(carriedOut).toBe(1);
    expect(harness.live.batches.at(-1)?.alerts.commands).toEqual(commands);
  });

  it('is no reason to move the states of all sensors for one that gets its location', async () => {
    const { registry, writer, pass, live, drain, batch, alertManager } = await setup();
    const placed: string[] = [];
    const reloaded: string[] = [];
    const manager = Object.assign(alertManager, {
      place: (sensors: readonly Sensor[]) => placed.push(...sensors.map(({ key }) => key)) > 0,
      reload: () => {
        reloaded.push('all');
        return { batch: EMPTY_ALERT_BATCH, commit: () => {} };
      },
      follows: () => reloaded.length > 0,
    });
    const { config } = loadConfig({ text: '{}', file: 'none.yaml', env: {} });
    followLocations({
      ...{ registry, writer, live: { config }, alertManager: manager },
    } as unknown as Parameters<typeof followLocations>[0]);
    fail(away, live, drain);
    void writer.write(batch(['s1 1']));
    await pass(5200);
    registry.onPlaced?.([registry.find('s1')!]);
    await pass(200);
    expect([placed, reloaded]).toEqual([['s1'], []]);
  });

  it('drains as soon as the database was seen to be back, however long the pause would be', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    void harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(20_000);
    const tried = harness.drain.batches.length;
    harness.drain.auto = harness.live.auto = stored;
    await settle(20);
    // It waits for its next try.
    expect(harness.drain.batches.length).toBe(tried);
    harness.drainer.retryNow();
    await settle(20);
    expect(harness.spoolWriter.active).toBe(false);
    expect(conserved(harness)).toMatchObject({ stored: 1 });
  });

  it.each([
    ['unreachable', away],
    ['no rights', rights],
    ['an unknown code', unknown],
  ])('holds a batch for spool.after, then keeps it, and the next ones at once: %s', async (_, error) => {
    const harness = await setup();
    fail(error, harness.live, harness.drain);
    const first = harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(4900);
    expect(harness.spool.records).toEqual([]);
    await harness.pass(200);
    expect(await first).toBe('spooled');
    expect(await harness.writer.write(harness.batch(['s1 2']))).toBe('spooled');
    expect(harness.spool.contents.lanes.readings.items + harness.spool.contents.parked.items).toBe(2);
    expect([...(await harness.spool.watermarks()).timesUs]).toEqual([harness.alertManager.committed.at(-1)]);
    expect(conserved(harness)).toMatchObject({ received: 2, inFlight: 2 });
  });

  it('keeps the readings of a sensor in order that sends under two keys', async () => {
    const harness = await setup();
    // Renamed or merged: both keys lead to it, and the engine does not know it yet.
    harness.directory.add('s3', { aliases: ['former'] });
    await harness.registry.load();
    harness.alertManager.prepare = () => Promise.reject(away);
    fail(away, harness.live, harness.drain);
    const first = harness.writer.write(harness.batch(['former 1']));
    await harness.pass(5100);
    await first;
    expect(harness.spool.contents.lanes.unresolved.items).toBe(1);
    // It is read while the first one drains: others wait there still.
    harness.alertManager.known.add(3);
    await harness.writer.write(harness.batch(['s3 2', 's1 3']));
    expect(harness.spool.contents.lanes.unresolved.items).toBe(2);
    expect(['former', 's3', 's1'].map((key) => harness.spoolWriter.holds(key))).toEqual([true, true, false]);
  });

  it('tries the database with a batch that was on its way into the spool', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const append = harness.spool.append.bind(harness.spool);
    harness.spool.append = async (...given) => {
      await new Promise<void>((resolve) => void harness.clock.after(500, resolve));
      return append(...given);
    };
    const written = harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(20_000);
    expect(await written).toBe('spooled');
    expect([harness.spoolWriter.active, harness.spool.contents.lanes.readings.items]).toEqual([true, 1]);
    harness.drain.auto = stored;
    await harness.pass(2000);
    expect([harness.spoolWriter.active, harness.writer.health.state]).toEqual([false, 'ok']);
  });

  it('gives up an answer that does not come', async () => {
    const harness = await setup();
    let aborted = false;
    harness.live.commit = (_: StoreBatch, signal?: AbortSignal) =>
      new Promise<never>((__, reject) => {
        signal?.addEventListener('abort', () => {
          aborted = true;
          reject(away);
        });
      });
    fail(away, harness.drain);
    const written = harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(5100);
    expect(await written).toBe('spooled');
    expect(aborted).toBe(true);
  });

  /** A commit of so many statements, each answered after three seconds: too slow for any deadline as a whole. */
  const slowly =
    ({ clock }: Harness, statements: number): FakeStore['commit'] =>
    (batch: StoreBatch, signal?: AbortSignal, answered?: () => void) =>
      new Promise((resolve, reject) => {
        signal?.addEventListener('abort', () => reject(away));
        const next = (left: number) =>
          clock.after(3000, () => {
            if (left === 0) return resolve(stored(batch));
            answered?.();
            next(left - 1);
          });
        next(statements);
      });

  it('waits for a large batch as long as the database answers each of its statements', async () => {
    const harness = await setup();
    harness.live.commit = slowly(harness, 10);
    fail(away, harness.drain);
    const written = harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(40_000);
    expect(await written).toMatchObject({ kind: 'committed', stored: 1 });
    expect(harness.spoolWriter.active).toBe(false);
  });

  it('drains the alerts of a large batch, which take longer than one answer may', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const written = harness.writer.write(harness.batch(['s1 99']));
    await harness.pass(5100);
    expect(await written).toBe('spooled');
    harness.drain.commit = slowly(harness, 10);
    harness.live.auto = stored;
    await harness.pass(120_000);
    expect([harness.spoolWriter.active, harness.spool.records.length]).toEqual([false, 0]);
  });

  it('publishes alerts at once, stores them first and in order, and the rest beside new batches', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const first = harness.writer.write(harness.batch(['s1 99', 's1 1']));
    await harness.pass(5100);
    await first;
    await harness.writer.write(harness.batch(['s1 99']));
    expect(harness.alertManager.lines.map(([, persisted]) => persisted)).toEqual([false, false]);
    expect(harness.alertManager.committed).toHaveLength(3);

    harness.drain.batches.length = 0;
    harness.live.auto = harness.drain.auto = stored;
    await harness.pass(2000);
    const [alerts, ...rest] = harness.drain.batches;
    expect(alerts?.alerts.notifications.map(({ alertId }) => [alertId, false])).toEqual(
      harness.alertManager.lines.slice(0, 2),
    );
    expect(times(rest).reduce((sum, rows) => sum + rows, 0)).toBe(3);
    expect(harness.spoolWriter.active).toBe(false);
    expect(harness.writer.health).toEqual({ state: 'ok' });
    expect(await harness.writer.write(harness.batch(['s1 3']))).toMatchObject({
      kind: 'committed',
      stored: 1,
    });
    expect(harness.spool.records).toEqual([]);
    expect(conserved(harness)).toMatchObject({ stored: 3, inFlight: 1 });
  });

  it('stores many alert records in few transactions, reads each once, and returns to live batches', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const first = harness.writer.write(harness.batch(['s1 99']));
    await harness.pass(5100);
    await first;
    for (let n = 1; n < 1000; n++) await harness.writer.write(harness.batch(['s1 99']));
    expect(harness.spool.contents.lanes.alerts.records).toBe(1000);
    harness.spool.read = harness.drain.batches.length = 0;
    harness.live.auto = harness.drain.auto = stored;
    // The load goes on: each pass brings another record until the order allows it to go to the database.
    let passes = 0;
    for (; harness.spoolWriter.active && passes < 100; passes++) {
      void harness.writer.write(harness.batch(['s1 99']));
      await harness.pass(100);
    }
    expect(passes).toBeLessThan(30);
    await harness.pass(1000);
    const alerts = harness.drain.batches.filter(({ alerts: { notifications } }) => notifications.length > 0);
    expect(alerts.length).toBeLessThan(40);
    // Once as alerts, and once as readings.
    expect(harness.spool.read).toBeLessThanOrEqual(2 * (1000 + passes));
    const ids = harness.alertManager.lines.filter(([, persisted]) => persisted).map(([id]) => id);
    expect(ids).toHaveLength(1000 + passes);
    expect(ids).toEqual([...ids].sort());
    expect(harness.spool.records).toEqual([]);
  });

  it('evaluates devices that the engine does not know when the database is back, behind their own readings', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    harness.directory.failWith = away;
    const first = harness.writer.write(harness.batch(['s2 99', 'new 99', 's1 99']));
    await harness.pass(5100);
    await first;
    harness.alertManager.known.add(2);
    await harness.writer.write(harness.batch(['s2 99']));
    expect(harness.alertManager.lines).toHaveLength(1);
    expect(harness.spool.contents.lanes.unresolved).toMatchObject({ records: 2, items: 3 });

    harness.directory.failWith = undefined;
    harness.live.auto = harness.drain.auto = stored;
    await harness.pass(2000);
    expect(harness.spoolWriter.active).toBe(false);
    expect(
      harness.alertManager.lines.filter(([, persisted]) => persisted).map(([id]) => id.split('|')[0]),
    ).toEqual(['s1', 's2', 'new', 's2']);
    expect(conserved(harness)).toMatchObject({ stored: 4, inFlight: 0 });
  });

  it('keeps what says whether a device is there for the engine, and counts it as no item', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    harness.directory.failWith = away;
    const seen: [string, boolean, boolean][] = [];
    const evaluate = harness.alertManager.evaluate.bind(harness.alertManager);
    harness.alertManager.evaluate = (rows) => {
      for (const { key, metrics, retained } of rows) seen.push([key, metrics.has(AVAILABILITY), retained]);
      return evaluate(rows);
    };
    const batch = harness.batch(['s2 1']);
    for (const device of ['s2', 'nobody']) {
      const reading = {
        device,
        timeUs: NOW_MS * 1000,
        location: undefined,
        metrics: new Map([[AVAILABILITY, 0]]),
      };
      const message = { topic: 'lwt', payload: new Uint8Array(1), receivedAtMs: NOW_MS, retain: true };
      batch.addReading(reading, message, NOW_MS, undefined);
    }
    const first = harness.writer.write(batch);
    await harness.pass(5100);
    expect(await first).toBe('spooled');
    expect(harness.spool.contents.lanes.unresolved).toMatchObject({ records: 1, items: 1 });
    harness.directory.failWith = undefined;
    harness.live.auto = harness.drain.auto = stored;
    await harness.pass(2000);
    expect(seen).toEqual([
      ['s2', false, false],
      ['s2', true, true],
    ]);
    expect(conserved(harness)).toMatchObject({ stored: 1, inFlight: 0 });
    expect(harness.metrics.scrape().get('fieldwatch_availability_unregistered_total')).toBe(1);
    expect(times(harness.drain.batches)).toEqual([1]);
  });

  it('evaluates the readings of a sensor in order that was registered while its batch arrived', async () => {
    const harness = await setup();
    const early = harness.batch(['new 99', 'other 99']);
    harness.live.auto = stored;
    await harness.writer.write(harness.batch(['new 1']));
    early.rowList.push(...harness.batch(['new 99', 'new 1']).rowList);
    fail(away, harness.live, harness.drain);
    harness.directory.failWith = away;
    const written = harness.writer.write(early);
    await harness.pass(5100);
    expect(await written).toBe('spooled');
    harness.directory.failWith = undefined;
    harness.live.auto = harness.drain.auto = stored;
    await harness.pass(2000);

    const order = (device: string) =>
      early.rowList.filter(({ key }) => key === device).map(({ timeUs }) => timeUs);
    expect(harness.alertManager.committed.slice(1)).toEqual([...order('new'), ...order('other')]);
    expect(harness.alertManager.lines.map(([id, persisted]) => [id.split('|')[0], persisted])).toEqual([
      ['new', false],
      ['new', false],
      ['new', true],
      ['new', true],
      ['other', true],
    ]);
    expect(harness.spool.records).toEqual([]);
  });

  it('statement 8: sets a batch aside that fails for no known reason, and stores its neighbours', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const first = harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(5100);
    await first;
    await harness.writer.write(harness.batch(['s1 13']));
    await harness.writer.write(harness.batch(['s1 2']));
    harness.live.auto = stored;
    harness.drain.auto = (batch) =>
      batch.readings.some(({ metrics }) => metrics.get('temperature') === 13) ? unknown : stored(batch);
    await harness.pass(20_000);
    expect(harness.spool.parked).toHaveLength(1);
    expect(harness.spool.records).toEqual([]);
    expect(harness.spoolWriter.active).toBe(false);
    expect(harness.spoolWriter.health).toMatchObject({ parked: 1 });
    expect(conserved(harness)).toMatchObject({ received: 3, stored: 2, inFlight: 1 });
  });

  it('keeps a row that is refused while it drains as a dead letter, with the same id at every attempt', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const first = harness.writer.write(harness.batch(['s1 1', 's1 2']));
    await harness.pass(5100);
    await first;
    const ids = new Set<string | undefined>();
    let refusals = 0;
    harness.live.auto = stored;
    harness.drain.auto = (batch) => {
      for (const { id } of batch.deadLetters) ids.add(id);
      if (batch.readings.length === 2)
        return { kind: 'row_refused', index: 0, sqlstate: '22003', message: 'too much' };
      return refusals++ === 0 ? away : stored(batch);
    };
    await harness.pass(5000);
    expect(ids.size).toBe(1);
    expect(conserved(harness)).toMatchObject({ stored: 1, deadLettered: 1, inFlight: 0 });
  });

  it('holds batches while it is full, and goes on by itself: there is room', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    harness.spool.failWith = full;
    let written: unknown;
    void harness.writer.write(harness.batch(['s1 99'])).then((outcome) => (written = outcome));
    await harness.pass(8000);
    expect(written).toBeUndefined();
    expect(harness.writer.stuck).toBe(true);
    expect(harness.alertManager.lines).toEqual([]);
    harness.spool.failWith = undefined;
    await harness.pass(3000);
    expect(written).toBe('spooled');
    expect(harness.alertManager.lines).toHaveLength(1);
    expect(harness.writer.stuck).toBe(false);
  });

  it('holds batches while it is full, and goes on by itself: the database is back', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    harness.spool.failWith = full;
    const written = harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(8000);
    harness.live.auto = harness.drain.auto = stored;
    await harness.pass(3000);
    expect(await written).toMatchObject({ kind: 'committed', stored: 1 });
    expect(harness.writer.stuck).toBe(false);
    // It asked now and then, and not as fast as it could.
    expect(harness.live.batches.length).toBeLessThan(50);
  });

  it('keeps what is held at a stop instead of giving it up', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const written = harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(300);
    harness.writer.abandon();
    expect(await written).toBe('spooled');
    expect(harness.spool.contents.lanes.readings.items).toBe(1);
  });

  it('started without the database: evaluates nothing before the alert state is read, then all in order', async () => {
    let back = false;
    const harness = await setup({
      cold: async ({ registry, alertManager }) => {
        if (!back) throw away;
        await registry.load();
        alertManager.known.add(3);
      },
    });
    harness.directory.add('s3');
    fail(away, harness.live, harness.drain);
    harness.alertManager.known.add(1);
    expect(await harness.writer.write(harness.batch(['s1 99', 'new 99']))).toBe('spooled');
    await harness.pass(3000);
    expect(harness.writer.health).toMatchObject({ state: 'failing', code: 'DB_UNREACHABLE' });
    expect(harness.start.done).toBe(false);
    expect(await harness.writer.write(harness.batch(['s1 1', 's2 99']))).toBe('spooled');
    expect(harness.spool.contents.lanes.unresolved).toMatchObject({ records: 2, items: 4 });
    expect(harness.alertManager.committed).toEqual([]);

    back = true;
    await harness.pass(1500);
    // The state is read, and the database away again: it is unknown which readings the last process left unevaluated.
    expect(harness.start.done).toBe(true);
    expect(await harness.writer.write(harness.batch(['s3 1']))).toBe('spooled');
    expect(harness.spool.contents.lanes).toMatchObject({ unresolved: { items: 5 }, readings: { items: 0 } });
    expect(harness.writer.evaluationSuspended).toBe(true);
    harness.live.auto = harness.drain.auto = stored;
    await harness.pass(3000);
    expect(harness.writer.evaluationSuspended).toBe(false);
    expect(harness.writer.health).toEqual({ state: 'ok' });
    expect(harness.alertManager.committed).toEqual([...harness.alertManager.committed].sort((a, b) => a - b));
    expect(harness.alertManager.lines.map(([id, persisted]) => [id.split('|')[0], persisted])).toEqual([
      ['s1', true],
      ['new', true],
      ['s2', true],
    ]);
    expect(conserved(harness)).toMatchObject({ received: 5, stored: 5, inFlight: 0 });
    expect(await harness.writer.write(harness.batch(['s1 2']))).toMatchObject({ kind: 'committed' });
  });

  it.each([
    [true, 0],
    [false, 1],
  ])('lets time decide nothing while evaluation is suspended: %s', async (evaluationSuspended, commits) => {
    const asked: unknown[] = [];
    let tick: ((evaluate: () => EvaluatedBatch) => Promise<void>) | undefined;
    watchTime(
      { start: (commit) => (tick = commit) } as Pick<AlertManager, 'start'> as AlertManager,
      {
        evaluationSuspended,
        commitAlerts: async (evaluate: unknown) => void asked.push(evaluate),
      } as unknown as BatchWriter,
    );
    await tick?.(() => ({ batch: EMPTY_ALERT_BATCH, commit: () => {} }));
    expect(asked).toHaveLength(commits);
  });

  it('lets more new sensors than may register in a minute wait for the next, and refuses none', async () => {
    const harness = await setup({ maxNewPerMinute: 2 });
    fail(away, harness.live, harness.drain);
    harness.directory.failWith = away;
    const first = harness.writer.write(harness.batch(['n1 1', 'n2 1', 'n3 99', 'n4 1', 'n5 1']));
    await harness.pass(5100);
    expect(await first).toBe('spooled');
    harness.directory.failWith = undefined;
    harness.live.auto = harness.drain.auto = stored;
    await harness.pass(5000);
    expect(harness.directory.sensors.size).toBe(2 + 2);
    // What is known goes on meanwhile, its alerts at once.
    expect(await harness.writer.write(harness.batch(['s1 99']))).toBe('spooled');
    await harness.pass(2000);
    expect(conserved(harness)).toMatchObject({ stored: 1, deadLettered: 0, inFlight: 5 });
    expect(harness.alertManager.lines.map(([, persisted]) => persisted)).toEqual([false, true]);
    expect(harness.writer.health).toEqual({ state: 'ok' });
    await harness.pass(130_000);
    expect(conserved(harness)).toMatchObject({ stored: 6, deadLettered: 0, inFlight: 0 });
    expect(harness.spoolWriter.active).toBe(false);
  });

  it.each([
    ['none may register', 0, 5000],
    ['a flood of new names does not end', 1, 3_700_000],
  ])('refuses new sensors as ever where %s', async (_, maxNewPerMinute, afterMs) => {
    const harness = await setup({ maxNewPerMinute });
    fail(away, harness.live, harness.drain);
    harness.directory.failWith = away;
    const names = Array.from({ length: 200 }, (__, i) => `n${i} 1`);
    const first = harness.writer.write(harness.batch(names));
    await harness.pass(5100);
    await first;
    harness.directory.failWith = undefined;
    harness.live.auto = harness.drain.auto = stored;
    for (let passedMs = 0; passedMs < afterMs; passedMs += 1000) {
      harness.clock.advance(1000);
      await settle(4);
    }
    expect(harness.spoolWriter.active).toBe(false);
    const { stored: kept, deadLettered } = conserved(harness);
    expect(kept + deadLettered).toBe(200);
    expect(deadLettered).toBeGreaterThan(100);
  });

  it('takes what time decides for the alerts, too', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const notifications = [{ alertId: 'silent', seq: 1 } as AlertNotification];
    let committed = false;
    const batch = { states: [], raised: [], resolved: [], notifications };
    const done = harness.writer.commitAlerts(() => ({ batch, commit: () => void (committed = true) }));
    await harness.pass(5100);
    await done;
    expect(committed).toBe(true);
    expect(harness.alertManager.lines).toEqual([['silent', false]]);
    expect(harness.spool.contents.lanes.alerts.records).toBe(1);
  });
});

describe('statement 17: late readings', () => {
  it('go through the spool in small transactions, evaluated with their batch; their span is reported', async () => {
    const harness = await setup();
    harness.live.auto = harness.drain.auto = stored;
    const batch = harness.batch(
      ['s1 99', ...Array.from({ length: 1199 }, () => 's1 1')],
      NOW_MS - 8 * DAY_MS,
    );
    const fresh = harness.batch(['s1 5']);
    batch.rowList.push(...fresh.rowList);
    const outcome = await harness.writer.write(batch);
    expect(outcome).toMatchObject({ kind: 'committed', stored: 1 });
    // On disk before they are evaluated: a process that dies here evaluates them when they come again.
    expect(await harness.spool.watermarks()).toEqual(NO_WATERMARKS);
    expect(
      harness.live.batches.map(({ readings, alerts }) => [readings.length, alerts.notifications.length]),
    ).toEqual([[1, 1]]);
    await harness.pass(1000);
    expect(times(harness.drain.batches).filter((rows) => rows > 0)).toEqual([500, 500, 200]);
    expect(harness.spool.records).toEqual([]);
  });

  it('go with their batch where the spool has no room', async () => {
    const harness = await setup();
    harness.live.auto = stored;
    harness.spool.failWith = full;
    const batch = harness.batch(['s1 1'], NOW_MS - 8 * DAY_MS);
    expect(await harness.writer.write(batch)).toMatchObject({ kind: 'committed', stored: 1 });
  });
});
