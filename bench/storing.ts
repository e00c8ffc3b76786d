import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { createMetrics } from '../src/adapters/http/metrics.ts';
import { silentLogger } from '../src/adapters/log/logger.ts';
import { createSystemClock } from '../src/adapters/system/clock.ts';
import { createReadingStore } from '../src/adapters/timescale/ingest/reading-store.ts';
import { EMPTY_ALERT_BATCH } from '../src/core/alert/model.ts';
import { BinaryRows } from '../src/core/ingest/copy-binary.ts';
import type { ReadingStore } from '../src/ports/store.ts';
import { seededRandom } from '../src/simulator/random.ts';
import type { BenchOptions } from './options.ts';
import type { Figure } from './report.ts';
import { median } from './stats.ts';
import { type SampleReading, type Timeline, readingsOf } from './workload.ts';

const TARGET = 0.85;
const WARM_UP_PAIRS = 3;
const COPY =
  'COPY sensor_readings (time, sensor_id, temperature, humidity, pressure, battery, rssi) FROM STDIN BINARY';

/**
 * (b) `store.commit` against a COPY of bytes that were encoded beforehand: same shape, same hypertable, same driver,
 * one transaction each. They alternate batch by batch, each going first every other time, so that a growing table and
 * a busy machine meet both alike; every batch has times of its own, so none is a duplicate.
 */
export async function benchStoring(
  url: string,
  { sizes, seed }: BenchOptions,
  timeline: Timeline,
): Promise<readonly Figure[]> {
  const store = createReadingStore(
    { url },
    { clock: createSystemClock(), logger: silentLogger, metrics: createMetrics() },
  );
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const random = seededRandom(seed);
  const figures = [];
  try {
    for (const rows of [10_000, 1000] as const) {
      const make = () => readingsOf(rows, timeline.take(rows), random);
      for (let i = 0; i < WARM_UP_PAIRS; i++) await onePair(store, client, make, i);
      const pairs = [];
      for (let i = 0; i < sizes.storePairs[rows]; i++) pairs.push(await onePair(store, client, make, i));
      figures.push(figureOf(rows, pairs));
    }
  } finally {
    await store.close();
    await client.end();
  }
  return figures;
}

interface Pair {
  readonly oursMs: number;
  readonly rawMs: number;
}

async function onePair(
  store: ReadingStore,
  client: pg.Client,
  make: () => SampleReading[],
  round: number,
): Promise<Pair> {
  const readings = make();
  const bytes = encoded(make());
  const ours = () => timed(() => commit(store, readings));
  const raw = () => timed(() => copy(client, bytes));
  if (round % 2 === 0) return { oursMs: await ours(), rawMs: await raw() };
  const rawMs = await raw();
  return { oursMs: await ours(), rawMs };
}

function figureOf(rows: 10_000 | 1000, pairs: readonly Pair[]): Figure {
  const runs = pairs.map(({ oursMs }) => (rows * 1000) / oursMs);
  const rawRuns = pairs.map(({ rawMs }) => (rows * 1000) / rawMs);
  const [value, raw] = [median(runs), median(rawRuns)];
  return {
    part: 'b',
    measure: `storing, batches of ${rows.toLocaleString('en-US')}`,
    unit: 'rows/s',
    value,
    runs,
    reference: { what: 'raw COPY', unit: 'rows/s', value: raw, runs: rawRuns },
    ratio: value / raw,
    ...(rows === 10_000 ? { target: TARGET } : {}),
  };
}

function encoded(readings: readonly SampleReading[]): Uint8Array {
  const rows = new BinaryRows({ initialRows: readings.length });
  readings.forEach(({ timeUs, sensorId, metrics }, index) => rows.reading(index, timeUs, sensorId, metrics));
  return rows.finish();
}

async function commit(store: ReadingStore, readings: readonly SampleReading[]): Promise<void> {
  const result = await store.commit({ readings, deadLetters: [], alerts: EMPTY_ALERT_BATCH, retry: false });
  if (result.kind !== 'committed' || result.stored !== readings.length) {
    throw new Error(`(b) the store did not store a whole batch: ${JSON.stringify(result)}`);
  }
}

async function copy(client: pg.Client, bytes: Uint8Array): Promise<void> {
  const stream = client.query(copyFrom(COPY));
  await new Promise<void>((resolve, reject) => {
    stream.on('error', reject);
    stream.once('finish', resolve);
    stream.end(bytes);
  });
}

async function timed(run: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await run();
  return performance.now() - startMs;
}
