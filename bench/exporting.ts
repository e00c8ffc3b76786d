import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { AtomicFile } from '../src/adapters/frame/atomic-file.ts';
import { createMetrics } from '../src/adapters/http/metrics.ts';
import { silentLogger } from '../src/adapters/log/logger.ts';
import { createSystemClock } from '../src/adapters/system/clock.ts';
import { openCopySource } from '../src/adapters/timescale/copy-out.ts';
import { createReadingStore } from '../src/adapters/timescale/reading-store.ts';
import { writeExport } from '../src/app/export/write.ts';
import { importFiles } from '../src/app/import/import-files.ts';
import { loadConfig } from '../src/config/load.ts';
import { EMPTY_ALERT_BATCH } from '../src/core/alert/model.ts';
import { planExport } from '../src/queries/export/plan.ts';
import type { StorableReading } from '../src/ports/store.ts';
import type { BenchOptions } from './options.ts';
import type { Figure } from './report.ts';
import { median } from './stats.ts';

const run = promisify(execFile);
const CSV_TARGET = 0.8;
const PARQUET_ROWS = 400_000;
const MEGABYTES = 250;
const IMPORT_TARGET = 0.7;
const SENSORS = 500;
const ALL = { from: new Date(0), to: new Date('2255-01-01') };

/** The statement that the export sends for CSV, over everything at once. */
const REFERENCE = `COPY (SELECT x.time, s.key, s.location, x.temperature, x.humidity, x.pressure, x.battery, x.rssi
  FROM sensor_readings x LEFT JOIN sensors s ON s.id = x.sensor_id ORDER BY x.time, x.sensor_id) TO STDOUT (FORMAT csv)`;
const TABLE = 'COPY (SELECT * FROM sensor_readings) TO STDOUT (FORMAT csv)';

const insert = (rows: number, startMs: number): string => `
INSERT INTO sensor_readings SELECT to_timestamp(${startMs / 1000} + 5 * (n / ${SENSORS})), 1 + n % ${SENSORS},
  round((20 + 5 * sin(n / 100000.0) + random() * 0.3)::numeric, 2)::float8, round((40 + random() * 10)::numeric, 2)::float8,
  round((1013 + random())::numeric, 2)::float8, round((80 + random() * 10)::numeric, 1)::float8, -60 - (random() * 20)::int
FROM generate_series(0, ${rows - 1}) n`;

/** (export) Everything that is stored, through a pipe, against psql and cat; and the same rows read back, against the store. */
export async function benchExporting(
  url: string,
  { sizes }: BenchOptions,
  progress: (text: string) => void,
): Promise<readonly Figure[]> {
  const db = new pg.Client({ connectionString: url });
  await db.connect();
  const folder = await mkdtemp(join(tmpdir(), 'fieldwatch-bench-export-'));
  try {
    await db.query('TRUNCATE sensor_readings, sensors CASCADE');
    await db.query(
      `INSERT INTO sensors (id, key, location) SELECT i, 'sensor-' || i, 'hall-' || i % 20 FROM generate_series(1, ${SENSORS}) i`,
    );
    progress(`(export) storing ${sizes.exportRows} rows`);
    const startMs = Math.floor(Date.now() / 86_400_000) * 86_400_000 - 6 * 86_400_000;
    await db.query(insert(sizes.exportRows, startMs));
    await db.query('ANALYZE sensor_readings');
    const exported = await exportFigures(url, sizes, progress);
    return [...exported, await importFigure(url, { db, folder, sizes, startMs, progress })];
  } finally {
    await db.query('TRUNCATE sensor_readings, sensors CASCADE');
    await db.end();
    await rm(folder, { recursive: true });
  }
}

interface Run {
  readonly rows: number;
  readonly ms: number;
  readonly megabytes: number;
}

const perSecond = ({ rows, ms }: Run): number => (rows * 1000) / ms;

async function exportFigures(
  url: string,
  { exportRows, runs }: BenchOptions['sizes'],
  progress: (text: string) => void,
): Promise<readonly Figure[]> {
  const kinds = ['reference', 'table', 'csv', 'parquet'] as const;
  const measured = new Map<(typeof kinds)[number], Run[]>(kinds.map((kind) => [kind, []]));
  await piped(url, 'reference', exportRows); // the first reader of new rows writes to them, too
  for (let round = 0; round < runs; round++)
    for (const kind of round % 2 === 0 ? kinds : kinds.toReversed()) {
      progress(`(export) ${kind}, run ${round + 1} of ${runs}`);
      measured.get(kind)?.push(await piped(url, kind, exportRows));
    }
  const figures = (kind: (typeof kinds)[number]) => (measured.get(kind) ?? []).map(perSecond);
  const [reference, table] = [figures('reference'), figures('table')];
  const of = (kind: 'csv' | 'parquet', what: string, against: readonly number[], target: object): Figure => {
    const own = figures(kind);
    return {
      ...{ part: 'export', measure: `export, ${kind}`, unit: 'rows/s', value: median(own), runs: own },
      reference: { what, unit: 'rows/s', value: median(against), runs: against },
      ratio: median(own) / median(against),
      ...target,
    };
  };
  const memory = kinds
    .slice(2)
    .flatMap((kind) => (measured.get(kind) ?? []).map(({ megabytes }) => megabytes));
  return [
    of('csv', 'psql, same statement | cat', reference, { target: CSV_TARGET }),
    of('csv', 'psql, COPY of the table | cat', table, {}),
    of('parquet', 'wanted', [PARQUET_ROWS], { target: 1 }),
    {
      ...{ part: 'export', measure: 'export, resident memory at most', unit: 'MB' },
      ...{ value: Math.max(...memory), runs: memory },
      reference: { what: 'wanted', unit: 'MB', value: MEGABYTES, runs: [MEGABYTES] },
      ratio: MEGABYTES / Math.max(...memory),
      target: 1,
    },
  ];
}

async function piped(
  url: string,
  kind: 'reference' | 'table' | 'csv' | 'parquet',
  rows: number,
): Promise<Run> {
  if (kind === 'reference' || kind === 'table') {
    const startedAt = performance.now();
    const env = { ...process.env, FW_SQL: kind === 'table' ? TABLE : REFERENCE, FW_URL: url };
    await run('sh', ['-c', 'psql -X -q "$FW_URL" -c "SET jit = off" -c "$FW_SQL" | cat > /dev/null'], {
      env,
    });
    return { rows, ms: performance.now() - startedAt, megabytes: 0 };
  }
  const script = fileURLToPath(new URL('export-run.js', import.meta.url));
  const env = { ...process.env, FW_URL: url, FW_NODE: process.execPath, FW_SCRIPT: script };
  const { stderr } = await run('sh', ['-c', `"$FW_NODE" "$FW_SCRIPT" "$FW_URL" ${kind} | cat > /dev/null`], {
    env,
  });
  const found = JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '') as Run;
  if (found.rows !== rows) throw new Error(`(export) ${found.rows} rows of ${rows}`);
  return found;
}

interface ImportBench {
  readonly db: pg.Client;
  readonly folder: string;
  readonly sizes: BenchOptions['sizes'];
  readonly startMs: number;
  readonly progress: (text: string) => void;
}

const BATCH = 10_000;

async function importFigure(url: string, bench: ImportBench): Promise<Figure> {
  const { db, folder, sizes, startMs, progress } = bench;
  await db.query('TRUNCATE sensor_readings');
  await db.query(insert(sizes.importRows, startMs));
  const path = join(folder, 'readings.csv');
  const file = await AtomicFile.create(path);
  const source = await openCopySource({ url });
  const plan = await planExport(source, { dataset: 'readings', ...ALL, textOnly: true });
  await writeExport(source, plan, { format: 'csv' }, (bytes) => file.write(bytes));
  await file.commit();
  await source.close();
  const { rows } = await db.query<Stored>(
    `SELECT extract(epoch FROM time)::float8 * 1e6 AS "timeUs", sensor_id AS "sensorId", temperature, humidity, pressure, battery, rssi
       FROM sensor_readings ORDER BY time, sensor_id`,
  );
  const own: number[] = [];
  const reference: number[] = [];
  for (let round = 0; round < sizes.runs; round++) {
    progress(`(export) import and store, run ${round + 1} of ${sizes.runs}`);
    const sides = [
      async () => own.push((sizes.importRows * 1000) / (await importOnce(url, path, folder))),
      async () => reference.push((sizes.importRows * 1000) / (await storeOnce(url, rows))),
    ];
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      await db.query('TRUNCATE sensor_readings');
      await side();
    }
  }
  return {
    ...{ part: 'export', measure: 'import, csv', unit: 'rows/s', value: median(own), runs: own },
    reference: { what: 'store.commit', unit: 'rows/s', value: median(reference), runs: reference },
    ratio: median(own) / median(reference),
    target: IMPORT_TARGET,
  };
}

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
      ...{ restart: true, refresh: false, signal: new AbortController().signal },
      ...{ onProgress: () => undefined, onResumed: () => undefined },
    },
    silentLogger,
  );
  return performance.now() - startedAt;
}

interface Stored {
  readonly timeUs: number;
  readonly sensorId: number;
  readonly temperature: number;
  readonly humidity: number;
  readonly pressure: number;
  readonly battery: number;
  readonly rssi: number;
}

/** The same rows by `store.commit`; making them ready is not counted. */
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

const storable = ({ timeUs, sensorId, ...metrics }: Stored): StorableReading => ({
  timeUs: Math.round(timeUs),
  sensorId,
  metrics: new Map(Object.entries(metrics)),
});
