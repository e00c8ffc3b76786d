import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import type { BenchOptions } from './options.ts';
import type { Figure } from './report.ts';
import { storeSample } from './sample.ts';
import { median } from './stats.ts';

const run = promisify(execFile);
const CSV_TARGET = 0.8;
const PARQUET_ROWS = 400_000;
const MEGABYTES = 250;

/** The statement that the export sends for CSV, over everything at once. */
const REFERENCE = `COPY (SELECT x.time, s.key, s.location, x.temperature, x.humidity, x.pressure, x.battery, x.rssi
  FROM sensor_readings x LEFT JOIN sensors s ON s.id = x.sensor_id ORDER BY x.time, x.sensor_id) TO STDOUT (FORMAT csv)`;
const TABLE = 'COPY (SELECT * FROM sensor_readings) TO STDOUT (FORMAT csv)';

/** (export) Everything that is stored, through a pipe, against psql and cat. */
export async function benchExporting(
  url: string,
  { sizes }: BenchOptions,
  progress: (text: string) => void,
): Promise<readonly Figure[]> {
  const db = new pg.Client({ connectionString: url });
  await db.connect();
  try {
    progress(`(export) storing ${sizes.exportRows} rows`);
    await storeSample(db, sizes.exportRows);
    await db.query('ANALYZE sensor_readings');
    return await exportFigures(url, sizes, progress);
  } finally {
    await db.query('TRUNCATE sensor_readings, sensors CASCADE');
    await db.end();
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
