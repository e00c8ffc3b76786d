import { afterEach, expect } from '@jest/globals';
import { silentLogger } from '../../../src/adapters/log/logger.ts';
import { watermarksOf } from '../../../src/core/alert/engine/watermarks.ts';
import type { AlertNotification } from '../../../src/core/alert/model.ts';
import { FieldwatchError } from '../../../src/core/errors.ts';
import { OutageMonitor } from '../../../src/services/ingest/outage-monitor.ts';
import type { InboundMessage } from '../../../src/ports/messages.ts';
import type { StoreBatch } from '../../../src/ports/store.ts';
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

export const away = new FieldwatchError('away', { code: 'DB_UNREACHABLE', kind: 'transient' });
export const rights = new FieldwatchError('no rights', { code: 'DB_RIGHTS', kind: 'auth' });
export const unknown = new FieldwatchError('ZZ999', { code: 'DB_UNKNOWN', kind: 'transient' });
export const full = new FieldwatchError('full', { code: 'SPOOL_FULL', kind: 'transient' });
export const DAY_MS = 86_400_000;
export const NOW_MS = Date.UTC(2026, 0, 1);

/** An engine for which each reading of 99 fires; it knows `known` and the sensors that it has prepared. */
export class Alerts implements AlertEvaluator {
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

export const running: SpoolDrainer[] = [];
afterEach(async () => {
  for (const drainer of running.splice(0)) await drainer.stop();
});

export interface Setting {
  readonly maxNewPerMinute?: number;
  /** The startup step that needs the database; with it, the database is away at the start. */
  readonly cold?: (parts: { registry: SensorRegistry; alertManager: Alerts }) => Promise<void>;
}

export async function setup({ maxNewPerMinute = 100, cold }: Setting = {}) {
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

export type Harness = Awaited<ReturnType<typeof setup>>;
export const fail = (error: Error, ...stores: { auto: FakeStore['auto'] }[]) =>
  stores.forEach((store) => (store.auto = () => error));
export const conserved = ({ accounting }: Harness) => {
  const t = accounting.totals();
  expect(t.received).toBe(
    t.stored + t.duplicate + t.merged + t.conflict + t.deadLettered + t.filtered + t.inFlight,
  );
  return t;
};
export const times = (batches: readonly StoreBatch[]) => batches.map(({ readings }) => readings.length);

/** A commit of so many statements, each answered after three seconds: too slow for any deadline as a whole. */
export const slowly =
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
