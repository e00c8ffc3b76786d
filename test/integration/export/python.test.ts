import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { exportCommand } from '../../../src/cli/export/index.ts';
import { runCli } from '../../support/cli.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { PYTHON, describePython } from '../../support/python.ts';

const run = promisify(execFile);
const METRICS = ['temperature', 'humidity', 'rssi', 'co2'];

const PACKAGES = ['pandas', 'pyarrow', 'duckdb', 'polars'];

describePython('what Python reads of an export is what is stored', PACKAGES, () => {
  let database: TestDatabase;
  let db: pg.Client;
  let folder: string;
  beforeAll(async () => {
    database = await openTestDatabase({ migrated: true });
    db = new pg.Client({ connectionString: database.url });
    await db.connect();
    folder = await mkdtemp(join(tmpdir(), 'fieldwatch-python-'));
    await db.query(
      `INSERT INTO sensors (id, key, location) VALUES (1, 'cold-1', 'ä"b'), (2, 'green,2', NULL)`,
    );
    await db.query(`INSERT INTO metrics (id, name) VALUES (1, 'co2')`);
    await db.query(`INSERT INTO sensor_readings (time, sensor_id, temperature, humidity, rssi)
      SELECT '2026-01-01 00:00Z'::timestamptz + n * INTERVAL '61.000007 s', 1 + n % 2, 1.0 / (1 + n), CASE WHEN n % 3 = 0 THEN n * 1e-300 END,
             CASE WHEN n % 5 = 0 THEN -n % 100 END FROM generate_series(0, 2999) n`);
    await db.query(`INSERT INTO sensor_metrics (time, sensor_id, metric_id, value)
      SELECT time, sensor_id, 1, 400.1 + humidity FROM sensor_readings WHERE humidity IS NOT NULL`);
    for (const format of ['csv', 'ndjson', 'parquet', 'arrow'])
      await runCli(exportCommand, ['readings', '-o', join(folder, `all.${format}`)], {
        env: { FIELDWATCH_DATABASE_URL: database.url },
      });
  });
  afterAll(async () => {
    await db.end();
    await database.close();
    await rm(folder, { recursive: true });
  });

  test('pandas, PyArrow, DuckDB and Polars, of each format they read', async () => {
    const { rows } = await db.query<Record<string, unknown>>({
      text: `SELECT s.key, (extract(epoch FROM r.time) * 1000000)::float8 AS us, r.temperature, r.humidity, r.rssi, m.value AS co2
        FROM sensor_readings r JOIN sensors s ON s.id = r.sensor_id
        LEFT JOIN sensor_metrics m ON m.sensor_id = r.sensor_id AND m.time = r.time ORDER BY r.time, r.sensor_id`,
    });
    const expected = rows.map((row) => Object.values(row));
    const script = resolve('test/fixtures/read-export.py');
    const { stdout } = await run(PYTHON, [script, folder, JSON.stringify(METRICS)], { maxBuffer: 1 << 28 });
    const { statistics, ...read } = JSON.parse(stdout) as Record<string, unknown>;
    expect(Object.keys(read)).toHaveLength(9);
    for (const [reader, found] of Object.entries(read)) expect([reader, found]).toEqual([reader, expected]);
    expect(statistics).toMatchObject({ temperature: [1 / 3000, 1, 0], rssi: [-95, 0, 2400] });
  });
});
