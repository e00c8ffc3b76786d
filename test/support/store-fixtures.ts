import pg from 'pg';
import { createSystemClock } from '../../src/adapters/system/clock.ts';
import { type StoreOptions, createReadingStore } from '../../src/adapters/timescale/ingest/reading-store.ts';
import { type AlertBatch, EMPTY_ALERT_BATCH } from '../../src/core/alert/model.ts';
import type { DeadLetter, ReadingStore, StorableReading, StoreBatch } from '../../src/ports/store.ts';
import { openTestDatabase } from './embedded-db.ts';
import { RecordingMetrics } from './fakes.ts';
import { QuietLogger } from './quiet-logger.ts';

/** 2026-01-01 00:00 UTC in microseconds: `reading` counts from here. */
export const START_US = 1_767_225_600_000_000;

export const reading = (sensorId: number, us: number, metrics: Record<string, number>): StorableReading => ({
  sensorId,
  timeUs: START_US + us,
  metrics: new Map(Object.entries(metrics)),
});

/** `n` readings of as many sensors, each at its own time. */
export const series = (n: number, fromSensor = 1): StorableReading[] =>
  Array.from({ length: n }, (_, i) => reading(fromSensor + i, i, { temperature: i / 10, humidity: 50 }));

export const batchOf = (
  readings: readonly StorableReading[],
  more: { deadLetters?: readonly DeadLetter[]; alerts?: Partial<AlertBatch>; retry?: boolean } = {},
): StoreBatch => ({
  readings,
  deadLetters: more.deadLetters ?? [],
  alerts: { ...EMPTY_ALERT_BATCH, ...more.alerts },
  retry: more.retry ?? false,
});

export interface StoreFixture {
  readonly url: string;
  readonly store: ReadingStore;
  readonly metrics: RecordingMetrics;
  /** Each on its own short connection, so that the embedded database is not held. */
  rows<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** One more store on the same database, closed with the fixture. */
  another(options?: Partial<StoreOptions>): ReadingStore;
  close(): Promise<void>;
}

export async function openStore(options: Partial<StoreOptions> = {}): Promise<StoreFixture> {
  const database = await openTestDatabase({ migrated: true });
  const pool = new pg.Pool({ connectionString: database.url, max: 2 });
  pool.on('error', () => undefined);
  const stores: ReadingStore[] = [];
  const metrics = new RecordingMetrics();
  const another = (more: Partial<StoreOptions> = {}) => {
    const deps = { clock: createSystemClock(), logger: new QuietLogger(), metrics };
    const store = createReadingStore({ url: database.url, ...options, ...more }, deps);
    stores.push(store);
    return store;
  };
  return {
    url: database.url,
    store: another(),
    metrics,
    another,
    rows: async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
      (await pool.query<Row>(text, values)).rows,
    close: async () => {
      await Promise.all(stores.map((store) => store.close()));
      await pool.end();
      await database.close();
    },
  };
}

const CLEARED = ['sensor_readings', 'sensor_metrics', 'sensor_alerts', 'alert_state', 'alert_watermarks', 'alert_outbox', 'alert_deliveries', 'notify_sinks', 'notify_groups', 'dead_letters', 'sensors', 'sensor_aliases']; // prettier-ignore

/** Empties what the tests of one file write, cheaper than a new database; of tables that have rows, each costs 10 ms. */
export async function clear(fixture: Pick<StoreFixture, 'rows'>): Promise<void> {
  const filled = CLEARED.map((name) => `SELECT '${name}' AS name WHERE EXISTS (SELECT FROM ${name})`);
  const names = (await fixture.rows<{ name: string }>(filled.join(' UNION ALL '))).map(({ name }) => name);
  if (names.includes('sensors')) names.push('sensor_aliases'); // refers to it
  if (names.length > 0) await fixture.rows(`TRUNCATE ${[...new Set(names)].join(', ')}`);
}
