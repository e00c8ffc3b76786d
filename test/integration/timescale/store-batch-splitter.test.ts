import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { silentLogger } from '../../../src/adapters/log/logger.ts';
import { createSystemClock } from '../../../src/adapters/system/clock.ts';
import type { ReadingStore, StorableReading } from '../../../src/ports/store.ts';
import { BatchWriter } from '../../../src/services/ingest/batch-writer.ts';
import { IngestBatch } from '../../../src/services/ingest/batch.ts';
import { SensorRegistry } from '../../../src/services/ingest/sensor-registry.ts';
import { FakeDirectory, FakeSource, RecordingMetrics, noAlerting } from '../../support/fakes.ts';
import { type StoreFixture, batchOf, clear, openStore, reading } from '../../support/store-fixtures.ts';

const SENSORS = 8;
const PER_SENSOR = 200;
const LIMIT = 'timescaledb.max_tuples_decompressed_per_dml_transaction';

let db: StoreFixture;
beforeAll(async () => {
  db = await openStore();
});
afterAll(() => db.close());

/** A compressed chunk with one segment of 200 rows for each sensor, all without humidity. */
async function compressed(): Promise<StorableReading[]> {
  await clear(db);
  const readings = Array.from({ length: SENSORS * PER_SENSOR }, (_, i) =>
    reading(1 + (i % SENSORS), i * 1_000_000, { temperature: i / 10 }),
  );
  await db.store.commit(batchOf(readings));
  await db.rows(`SELECT compress_chunk(format('%I.%I', chunk_schema, chunk_name)::regclass)
    FROM timescaledb_information.chunks WHERE hypertable_name = 'sensor_readings'`);
  return readings;
}

/** A store whose statements may decompress so many rows. */
function limited(rows: number): ReadingStore {
  const url = new URL(db.url);
  url.searchParams.set('options', `-c ${LIMIT}=${rows}`);
  return db.another({ url: url.href });
}

async function writerOn(store: ReadingStore) {
  const directory = new FakeDirectory();
  for (let i = 1; i <= SENSORS; i++) directory.add(`s${i}`);
  const [clock, metrics] = [createSystemClock(), new RecordingMetrics()];
  const options = { registration: 'auto' as const, allow: ['*'], max: 100_000, maxNewPerMinute: 100 };
  const registry = new SensorRegistry(options, { directory, clock, logger: silentLogger, metrics });
  await registry.load();
  const deps = { registry, alertManager: noAlerting(), store, clock, logger: silentLogger, metrics };
  const writer = new BatchWriter({ baseMs: 100, capMs: 1000 }, { ...deps, random: Math.random });
  return { writer, metrics, registry };
}

/** Humidity for stored readings: what has to be filled in, and so decompressed. */
function filling(readings: readonly StorableReading[], registry: SensorRegistry): IngestBatch {
  const batch = new IngestBatch(0);
  for (const { sensorId, timeUs } of readings) {
    const device = `s${sensorId}`;
    const message = new FakeSource().deliver(device, 'late');
    batch.addMessage(message);
    const late = {
      device,
      timeUs,
      location: undefined,
      stamped: false,
      metrics: new Map([['humidity', 50]]),
    };
    batch.addReading(late, message, 0, registry.find(device));
  }
  return batch;
}

const filled = async () =>
  (await db.rows('SELECT count(*)::int AS rows, count(humidity)::int AS filled FROM sensor_readings'))[0];

test('statement 7: late values beyond the decompression limit (53400) are stored in smaller pieces', async () => {
  const readings = await compressed();
  // One segment and a half: no transaction may touch two sensors.
  const { writer, metrics, registry } = await writerOn(limited(PER_SENSOR * 1.5));
  const late = readings.slice(0, SENSORS * 20);
  const outcome = await writer.write(filling(late, registry));
  expect(outcome).toMatchObject({ merged: late.length, stored: 0, conflict: 0 });
  expect(await filled()).toEqual({ rows: readings.length, filled: late.length });
  expect(metrics.values.get('fieldwatch_store_failures_total{code=DB_BATCH_TOO_BIG}')).toBeGreaterThan(0);
});

test('statement 7: a row that is beyond the limit on its own becomes a dead letter; the others are stored', async () => {
  const readings = await compressed();
  const { writer, registry } = await writerOn(limited(PER_SENSOR / 2));
  // New rows of a compressed chunk decompress nothing; filling in one value does.
  const late = [
    ...readings.slice(0, 1),
    ...readings.slice(5, 9).map((row) => ({ ...row, timeUs: row.timeUs + 5 })),
  ];
  const batch = filling(late, registry);
  expect(await writer.write(batch)).toMatchObject({ stored: 4, merged: 0 });
  expect(await db.rows('SELECT topic, reason FROM dead_letters')).toEqual([{ topic: 's1', reason: '53400' }]);
  expect(await filled()).toEqual({ rows: readings.length + 4, filled: 4 });
});
