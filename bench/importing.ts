import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { AtomicFile } from '../src/adapters/frame/atomic-file.ts';
import { createMetrics } from '../src/adapters/http/metrics.ts';
import { silentLogger } from '../src/adapters/log/logger.ts';
import { createSystemClock } from '../src/adapters/system/clock.ts';
import { openCopySource } from '../src/adapters/timescale/connection/copy-out.ts';
import { createReadingStore } from '../src/adapters/timescale/ingest/reading-store.ts';
import { writeExport } from '../src/app/export/write.ts';
import { importFiles } from '../src/app/import/import-files.ts';
import { loadConfig } from '../src/config/load.ts';
import { EMPTY_ALERT_BATCH } from '../src/core/alert/model.ts';
import { openMonitor } from '../src/library/monitor.ts';
import type { StorableReading } from '../src/ports/store.ts';
import { planExport } from '../src/queries/export/plan.ts';
import type { BenchOptions } from './options.ts';
import type { Figure } from './report.ts';
import { storeSample } from './sample.ts';
import { median } from './stats.ts';

const IMPORT_TARGET = 0.7;
const RECORD_TARGET = 0.9;
const BATCH = 10_000;
const CALL = 50_000;
const ALL = { from: new Date(0), to: new Date('2255-01-01') };

type Side = 'import' | 'record' | 'store';
type Progress = (text: string) => void;

/** (import, record) The same rows into an empty table: from a CSV file, by `recordBatch` of the library, and by `store.commit`. */
export async function benchImporting(
  url: string,
  { sizes, parts }: BenchOptions,
  progress: Progress,
): Promise<readonly Figure[]> {
  const sides = (['import', 'record'] as const).filter((side) => parts.has(side));
  const db = new pg.Client({ connectionString: url });
  await db.connect();
  const folder = await mkdtemp(join(tmpdir(), 'fieldwatch-bench-import-'));
  try {
    progress(`(import) storing ${sizes.importRows} rows`);
    await storeSample(db, sizes.importRows);
    const path = join(folder, 'readings.csv');
    await writeCsv(url, path);
    const { rows } = await db.query<Stored>(
      `SELECT extract(epoch FROM r.time)::float8 * 1e6 AS "timeUs", r.sensor_id AS "sensorId", s.key, r.temperature, r.humidity, r.pressure,
         r.battery, r.rssi FROM sensor_readings r JOIN sensors s ON s.id = r.sensor_id ORDER BY r.time, r.sensor_id`,
    );
    const run: Record<Side, () => Promise<number>> = {
      import: () => importOnce(url, path, folder),
      record: () => recordOnce(url, rows),
      store: () => storeOnce(url, rows),
    };
    const perSecond: Record<Side, number[]> = { import: [], record: [], store: [] };
    const order: readonly Side[] = [...sides, 'store'];
    // The first run compiles: it does not count.
    for (let round = -1; round < sizes.runs; round++)
      for (const side of round % 2 === 0 ? order : order.toReversed()) {
        progress(`(${side}) run ${round + 1} of ${sizes.runs}`);
        await db.query('TRUNCATE sensor_readings');
        const ms = await run[side]();
        if (round >= 0) perSecond[side].push((rows.length * 1000) / ms);
      }
    return sides.map((side) => figureOf(side, perSecond));
  } finally {
    await db.query('TRUNCATE sensor_readings, sensors CASCADE');
    await db.end();
    await rm(folder, { recursive: true });
  }
}

function figureOf(side: 'import' | 'record', measured: Readonly<Record<Side, readonly number[]>>): Figure {
  const [own, reference] = [measured[side], measured.store];
  return {
    ...{ part: side, measure: side === 'import' ? 'import, csv' : 'recordBatch', unit: 'rows/s' },
    ...{ value: median(own), runs: own },
    reference: { what: 'store.commit', unit: 'rows/s', value: median(reference), runs: reference },
    ratio: median(own) / median(reference),
    target: side === 'import' ? IMPORT_TARGET : RECORD_TARGET,
  };
}

async function writeCsv(url: string, path: string): Promise<void> {
  const file = await AtomicFile.create(path);
  const source = await openCopySource({ url });
  const plan = await planExport(source, { dataset: 'readings', ...ALL, textOnly: true });
  await writeExport(source, plan, { format: 'csv' }, (bytes) => file.write(bytes));
  await file.commit();
  await source.close();
}

/** Milliseconds of `recordBatch`, in calls of 50,000 readings; making these is not counted, nor is it for the store. */
async function recordOnce(url: string, rows: readonly Stored[]): Promise<number> {
  const monitor = await openMonitor({ database: url });
  let ms = 0;
  let total = 0;
  for (let at = 0; at < rows.length; at += CALL) {
    const readings = rows.slice(at, at + CALL).map(recorded);
    const startedAt = performance.now();
    const { stored } = await monitor.recordBatch(readings);
    ms += performance.now() - startedAt;
    total += stored;
  }
  await monitor.close();
  if (total !== rows.length) throw new Error(`(record) ${total} rows of ${rows.length}`);
  return ms;
}

const recorded = ({ timeUs, key, temperature, humidity, pressure, battery, rssi }: Stored) => ({
  sensor: key,
  time: timeUs / 1000,
  metrics: { temperature, humidity, pressure, battery, rssi },
});

async function importOnce(url: string, path: string, folder: string): Promise<number> {
  const { config } = loadConfig({
    file: undefined,
    env: { FIELDWATCH_DATABASE_URL: url, FIELDWATCH_STATE_DIR: folder },
  });
  const startedAt = performance.now();
  await importFiles(
    config,
    url,
    {
      files: [{ path, format: 'csv' }],
      table: {
        map: new Map(),
        ignore: new Set(),
        timeUnit: 'auto',
        maxPastUs: Infinity,
        maxFutureUs: Infinity,
      },
      ...{ restart: true, refresh: false, alerts: false, signal: new AbortController().signal },
      ...{ onProgress: () => undefined, onResumed: () => undefined },
    },
    silentLogger,
  );
  return performance.now() - startedAt;
}

interface Stored {
  readonly timeUs: number;
  readonly sensorId: number;
  readonly key: string;
  readonly temperature: number;
  readonly humidity: number;
  readonly pressure: number;
  readonly battery: number;
  readonly rssi: number;
}

/** Stores the rows by `store.commit`; making them ready is not counted. */
async function storeOnce(url: string, rows: readonly Stored[]): Promise<number> {
  const store = createReadingStore(
    { url },
    { clock: createSystemClock(), logger: silentLogger, metrics: createMetrics() },
  );
  let ms = 0;
  for (let at = 0; at < rows.length; at += BATCH) {
    const readings = rows.slice(at, at + BATCH).map(storable);
    const startedAt = performance.now();
    await store.commit({ readings, deadLetters: [], alerts: EMPTY_ALERT_BATCH, retry: false, sensorSeq: 0 });
    ms += performance.now() - startedAt;
  }
  await store.close();
  return ms;
}

const storable = ({
  timeUs,
  sensorId,
  temperature,
  humidity,
  pressure,
  battery,
  rssi,
}: Stored): StorableReading => ({
  timeUs: Math.round(timeUs),
  sensorId,
  metrics: new Map(Object.entries({ temperature, humidity, pressure, battery, rssi })),
});
