import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { tableFromIPC } from 'apache-arrow';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import pg from 'pg';
import { type OnRows, openCopySource } from '../../../src/adapters/timescale/connection/copy-out.ts';
import { MANIFEST, exportPartitions } from '../../../src/app/export/partitions.ts';
import { alertsCommand } from '../../../src/cli/alerts/index.ts';
import { deadLettersCommand } from '../../../src/cli/dead-letters/index.ts';
import { exportCommand } from '../../../src/cli/export/index.ts';
import { metricsCommand } from '../../../src/cli/metrics.ts';
import { readingsCommand } from '../../../src/cli/readings/index.ts';
import { sensorsCommand } from '../../../src/cli/sensors/index.ts';
import { storageCommand } from '../../../src/cli/storage/index.ts';
import { planExport } from '../../../src/queries/export/plan.ts';
import { exportFrames } from '../../../src/queries/export/read.ts';
import { runCli } from '../../support/cli.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';

let database: TestDatabase;
let db: pg.Pool;
let folder: string;
let env: Record<string, string>;
const run = (text: string, ...values: unknown[]) => db.query(text, values);
const exported = (...args: string[]) => runCli(exportCommand, args, { env });
const linesOf = (text: string) => text.trimEnd().split('\n');

/** Three days, long over: cold-1 every ten minutes, green"house,2 once a day, with microseconds. */
const ROWS = 3 * 144 + 3;

beforeAll(async () => {
  database = await openTestDatabase({ migrated: true });
  db = new pg.Pool({ connectionString: database.url, max: 1 });
  db.on('error', () => {});
  env = { FIELDWATCH_DATABASE_URL: database.url };
  folder = await mkdtemp(join(tmpdir(), 'fieldwatch-export-'));
  await run(
    `INSERT INTO sensors (id, key, location) VALUES (1, 'cold-1', 'coldroom'), (2, 'green"house,2', NULL)`,
  );
  await run(`INSERT INTO sensor_aliases (key, sensor_id) VALUES ('formerly', 1)`);
  await run(`INSERT INTO metrics (id, name) VALUES (7, 'co2'), (8, 'select "x"; --'), (9, 'never')`);
  await run(`INSERT INTO sensor_readings (time, sensor_id, temperature, rssi)
    SELECT t, 1, extract(hour FROM t) + 0.5, -60 FROM generate_series('2026-01-01 00:00Z'::timestamptz, '2026-01-03 23:50Z', '10 min') t`);
  await run(`INSERT INTO sensor_readings (time, sensor_id, humidity)
    SELECT t, 2, 61.25 FROM generate_series('2026-01-01 12:00:00.000001Z'::timestamptz, '2026-01-03 13:00Z', '1 day') t`);
  await run(`INSERT INTO sensor_metrics (time, sensor_id, metric_id, value) VALUES
    ('2026-01-02 00:00Z', 1, 7, 412), ('2026-01-02 00:00Z', 1, 8, 1e300), ('2026-01-02 00:05Z', 2, 7, 413.5)`);
  await run(`CALL refresh_continuous_aggregate('sensor_hourly_agg', NULL, '2026-01-05')`);
  await run(`CALL refresh_continuous_aggregate('sensor_daily_agg', NULL, '2026-01-05')`);
  await run(`INSERT INTO sensor_alerts (time, sensor_id, alert_type, message, value, threshold, alert_id) VALUES
    ('2026-01-02 03:00Z', 1, 'temperature_high', 'a, "b"', 9.4, 8, gen_random_uuid()), ('2026-01-02 04:00Z', 2, 'humidity_low', NULL, NULL, NULL, NULL)`);
  await run(`INSERT INTO dead_letters (received_at, topic, payload, reason) VALUES
    ('2026-01-01 00:00Z', 'a/b', '\\x00ff', 'parse_error'), ('2026-01-01 01:00Z', 'a/c', 'x', 'no_device')`);
});
afterAll(async () => {
  await db.end();
  await database.close();
  await rm(folder, { recursive: true });
});

describe('readings', () => {
  test('CSV: every row and every metric, as the server writes them, in the order of time', async () => {
    const { code, out, err } = await exported('readings');
    const lines = linesOf(out);
    expect([code, lines.length]).toEqual([0, 1 + ROWS + 1]);
    expect(lines[0]).toBe(
      'time,sensor,location,temperature,humidity,pressure,battery,rssi,co2,"select ""x""; --"',
    );
    expect(lines[1]).toBe('2026-01-01 00:00:00+00,cold-1,coldroom,0.5,,,,-60,,');
    expect(lines).toContain('2026-01-01 12:00:00.000001+00,"green""house,2",,,61.25,,,,,');
    expect(lines).toContain('2026-01-02 00:00:00+00,cold-1,coldroom,0.5,,,,-60,412,1e+300');
    expect(lines).toContain('2026-01-02 00:05:00+00,"green""house,2",,,,,,,413.5,');
    const times = lines.slice(1).map((line) => line.split(',')[0] ?? '');
    expect(times).toEqual([...times].sort());
    expect(err).toMatch(/^436 rows in [0-9.]+ s\n$/);
  });

  test('NDJSON, Parquet and Arrow have the same values', async () => {
    for (const format of ['ndjson', 'parquet', 'arrow']) {
      const { code, err } = await exported('readings', '-o', join(folder, `all.${format}`));
      expect([code, err]).toEqual([0, expect.stringContaining('436 rows')]);
    }
    const json = linesOf(await readFile(join(folder, 'all.ndjson'), 'utf8')).map(
      (line) => JSON.parse(line) as Record<string, unknown>,
    );
    const rows = await parquetReadObjects({
      file: await asyncBufferFromFile(join(folder, 'all.parquet')),
      compressors,
      parsers: { timestampFromMicroseconds: (us: bigint) => us },
    });
    const table = tableFromIPC(await readFile(join(folder, 'all.arrow')));
    const microseconds = (row: Record<string, unknown>) => {
      const text = String(row['time']);
      return BigInt(Date.parse(`${text.slice(0, 19)}Z`)) * 1000n + BigInt(text.slice(20, 26));
    };
    const filled = (row: Record<string, unknown>) =>
      Object.fromEntries(Object.entries(row).filter(([name, value]) => value !== null && name !== 'time'));
    expect(rows.map(filled)).toEqual(json.map(filled));
    expect(rows.map(({ time }) => time as bigint)).toEqual(json.map(microseconds));
    expect(table.numRows).toBe(json.length);
    const values = table.batches.flatMap((batch) =>
      Array.from({ length: batch.numRows }, (_, row) => batch.getChild('co2')?.get(row) as number | null),
    );
    expect(values).toEqual(rows.map((row) => row['co2']));
    const sums = await run('SELECT sum(temperature) AS t, count(*)::int AS n FROM sensor_readings');
    expect(rows.reduce((sum, row) => sum + ((row['temperature'] as number | null) ?? 0), 0)).toBeCloseTo(
      (sums.rows[0] as { t: number }).t,
      6,
    );
  });

  test('--long: a row a value, with the names of all metrics', async () => {
    const { out } = await exported(
      'readings',
      '--long',
      '--since',
      '2026-01-02',
      '--until',
      '2026-01-02T00:06Z',
    );
    expect(linesOf(out)).toEqual([
      'time,sensor,location,metric,value',
      '2026-01-02 00:00:00+00,cold-1,coldroom,rssi,-60',
      '2026-01-02 00:00:00+00,cold-1,coldroom,temperature,0.5',
      '2026-01-02 00:00:00+00,cold-1,coldroom,co2,412',
      '2026-01-02 00:00:00+00,cold-1,coldroom,"select ""x""; --",1e+300',
      '2026-01-02 00:05:00+00,"green""house,2",,co2,413.5',
    ]);
    const json = await exported(
      'readings',
      '--long',
      '--format',
      'ndjson',
      '--since',
      '2026-01-02',
      '--until',
      '2026-01-02T00:06Z',
    );
    expect(linesOf(json.out).map((line) => (JSON.parse(line) as { metric: string }).metric)).toEqual([
      ...['rssi', 'temperature', 'co2', 'select "x"; --', 'co2'],
    ]);
  });

  test('a sensor, by a former key too, a location and metrics', async () => {
    const since = ['--since', '2026-01-02', '--until', '2026-01-02T00:10Z'];
    const chosen = await exported(
      'readings',
      ...since,
      '--sensor',
      'formerly',
      '--metric',
      'co2',
      '--metric',
      'rssi',
    );
    expect(linesOf(chosen.out)).toEqual([
      'time,sensor,location,co2,rssi',
      '2026-01-02 00:00:00+00,cold-1,coldroom,412,-60',
    ]);
    const narrow = await exported('readings', ...since, '--metric', 'co2');
    expect(linesOf(narrow.out)).toHaveLength(3);
    const placed = await exported('readings', ...since, '--location', 'coldroom', '--format', 'ndjson');
    expect(linesOf(placed.out)).toHaveLength(1);
    const core = await exported('readings', '--metric', 'humidity');
    expect(linesOf(core.out)).toHaveLength(1 + 3);
  });

  test('metrics: those of the narrow table alone', async () => {
    const long = await exported('metrics');
    expect(linesOf(long.out)).toHaveLength(1 + 3);
    const wide = await exported('metrics', '--wide');
    expect(linesOf(wide.out)).toEqual([
      'time,sensor,location,co2,"select ""x""; --"',
      '2026-01-02 00:00:00+00,cold-1,coldroom,412,1e+300',
      '2026-01-02 00:05:00+00,"green""house,2",,413.5,',
    ]);
  });

  test('no rows: a header, and a word on standard error', async () => {
    const { code, out, err } = await exported('readings', '--since', '2020-01-01', '--until', '2020-02-01');
    expect([code, out, err]).toEqual([
      0,
      'time,sensor,location,temperature,humidity,pressure,battery,rssi\n',
      'no rows\n',
    ]);
  });
});

describe('other datasets', () => {
  test('hourly and daily, wide and long', async () => {
    const hourly = await exported(
      'hourly',
      '--sensor',
      'cold-1',
      '--metric',
      'temperature',
      '--format',
      'ndjson',
    );
    const hours = linesOf(hourly.out).map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(hours).toHaveLength(72);
    expect(hours[1]).toMatchObject({
      hour: '2026-01-01T01:00:00.000000Z',
      avg_temp: 1.5,
      count_temp: 6,
      readings: 6,
    });
    const daily = await exported('daily', '--long', '--sensor', 'cold-1');
    expect(linesOf(daily.out).slice(0, 3)).toEqual([
      'day,sensor,location,metric,avg,min,max,sum,count',
      expect.stringMatching(/^2026-01-01 00:00:00\+00,cold-1,coldroom,temperature,12,0\.5,23\.5,1728,144$/),
      '2026-01-01 00:00:00+00,cold-1,coldroom,rssi,-60,,,-8640,144',
    ]);
  });

  test('alerts and dead letters', async () => {
    const alerts = await exported('alerts');
    expect(linesOf(alerts.out)).toHaveLength(3);
    expect(alerts.out).toContain('temperature_high,warning,"a, ""b""",9.4,8');
    const letters = linesOf((await exported('dead-letters', '--format', 'ndjson')).out);
    expect(letters.map((line) => JSON.parse(line) as object)).toMatchObject([
      { topic: 'a/b', payload: '00ff', payload_bytes: 2 },
      { topic: 'a/c', payload: '78' },
    ]);
    expect((await exported('dead-letters')).out).toContain(',parse_error,,00ff,2,,');
  });
});

describe('what is refused', () => {
  test.each([
    [
      ['readings', '--sensor', 'cold-2'],
      /no sensor is registered under the key "cold-2"; did you mean "cold-1"\?/,
    ],
    [
      ['readings', '--metric', 'temprature'],
      /no metric has the name "temprature"; did you mean "temperature"\?/,
    ],
    [
      ['readings', '--location', 'cold-room'],
      /no sensor has the location "cold-room"; did you mean "coldroom"\?/,
    ],
    [['hourly', '--metric', 'co3'], /no metric has the name "co3"/],
    [['alerts', '--wide'], /alerts have no wide and long form/],
    [['dead-letters', '--sensor', 'cold-1'], /dead letters are of no sensor/],
    [['readings', '--partition', 'day'], /--partition needs a folder/],
    [['readings', '--since', '1d', '--until', '2d'], /is not before --until/],
  ])('%j', async (args, message) => {
    await expect(exported(...args)).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringMatching(message),
    });
  });

  test('a file that is there, unless --overwrite; a folder; the wrong terminal', async () => {
    const path = join(folder, 'there.csv');
    await writeFile(path, 'x');
    await expect(exported('readings', '-o', path)).rejects.toMatchObject({ message: `${path} exists` });
    expect(await readFile(path, 'utf8')).toBe('x');
    expect((await exported('readings', '-o', path, '--overwrite')).code).toBe(0);
    expect(linesOf(await readFile(path, 'utf8'))).toHaveLength(1 + 436);
    await expect(exported('readings', '-o', folder)).rejects.toThrow('is a folder');
    const terminal = runCli(exportCommand, ['readings', '--format', 'parquet'], { env, isTTY: true });
    await expect(terminal).rejects.toThrow('parquet is not for a terminal');
  });

  test('an unknown dataset is a fault of usage', async () => {
    expect((await exported('reading')).code).toBe(2);
  });
});

describe('--partition day', () => {
  const partitioned = (to: string, ...more: string[]) =>
    exported('readings', '--format', 'csv', '--partition', 'day', '-o', to, ...more);

  test('a file a day; what is complete is skipped, what is gone or cut is written again', async () => {
    const to = join(folder, 'days');
    const first = await partitioned(to);
    expect(first.err).toContain('3 files');
    const names = ['readings-2026-01-01.csv', 'readings-2026-01-02.csv', 'readings-2026-01-03.csv'];
    expect((await readdir(to)).sort()).toEqual([MANIFEST, ...names]);
    const texts = await Promise.all(names.map((name) => readFile(join(to, name), 'utf8')));
    expect(texts.flatMap((text) => linesOf(text).slice(1))).toEqual(
      linesOf((await exported('readings')).out).slice(1),
    );

    const before = await stat(join(to, names[0] as string));
    await rm(join(to, names[1] as string));
    await writeFile(join(to, names[2] as string), 'cut');
    const second = await partitioned(to);
    expect(second.err).toContain('2 files');
    expect(second.err).toContain('1 day complete before');
    expect(await Promise.all(names.map((name) => readFile(join(to, name), 'utf8')))).toEqual(texts);
    expect((await stat(join(to, names[0] as string))).mtimeMs).toBe(before.mtimeMs);
    expect((await partitioned(to)).err).toMatch(/^nothing new: 0 files .*, 3 days complete before\n$/);
  });

  test('a folder of another export is refused', async () => {
    const to = join(folder, 'other');
    await partitioned(to, '--since', '2026-01-03');
    await expect(partitioned(to, '--since', '2026-01-03', '--sensor', 'cold-1')).rejects.toMatchObject({
      code: 'EXPORT_FOLDER',
    });
    expect((await partitioned(to, '--since', '2026-01-03', '--sensor', 'cold-1', '--overwrite')).code).toBe(
      0,
    );
  });

  test('interrupted, it keeps the days that are complete, and goes on with the others', async () => {
    const to = join(folder, 'interrupted');
    const source = await openCopySource({ url: database.url });
    const plan = await planExport(source, {
      dataset: 'readings',
      from: new Date(0),
      to: new Date('2100-01-01'),
    });
    let statements = 0;
    const failing = {
      copyOut: (sql: string, onRows?: OnRows) => {
        if (sql.includes('2026-01-02') && ++statements > 1) throw new Error('interrupted');
        return source.copyOut(sql, onRows);
      },
    };
    const job = {
      folder: to,
      request: { dataset: 'readings', format: 'csv', shape: null, sensors: [], location: null, metrics: [] },
      format: { format: 'csv' },
      startedAtMs: Date.now(),
      overwrite: false,
    } as const;
    await expect(exportPartitions(failing, plan, job)).rejects.toThrow('interrupted');
    expect((await readdir(to)).sort()).toEqual([MANIFEST, 'readings-2026-01-01.csv']);
    await source.close();
    expect((await partitioned(to)).err).toContain('1 day complete before');
  });

  test('a day that is not over is written again', async () => {
    const to = join(folder, 'today');
    await run(`INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES (now(), 1, 1)`);
    const today = ['--since', '1h'];
    expect((await partitioned(to, ...today)).err).toContain('1 row');
    await run(`INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES (now(), 1, 2)`);
    expect((await partitioned(to, ...today)).err).toContain('2 rows');
    await run(`DELETE FROM sensor_readings WHERE time > now() - INTERVAL '1 day'`);
  });
});

describe('the source', () => {
  test('frames are of the wanted size, and a reader that stops early ends the connection', async () => {
    const source = await openCopySource({ url: database.url });
    const range = { from: new Date(0), to: new Date('2100-01-01') };
    const plan = await planExport(source, { dataset: 'readings', ...range });
    const sizes = [];
    for await (const frame of exportFrames(source, plan, { rowsPerFrame: 100 })) sizes.push(frame.rows);
    expect(sizes).toEqual([100, 100, 100, 100, 36]);
    for await (const bytes of source.copyOut('COPY (SELECT generate_series(1, 300000)) TO STDOUT')) {
      expect(bytes.length).toBeGreaterThan(0);
      break;
    }
    await expect(source.query('SELECT 1', [])).rejects.toThrow();
    await source.close();
  });

  test('an error of the server is one of ours, and the connection goes on', async () => {
    const source = await openCopySource({ url: database.url });
    const read = async () => {
      const sql = 'COPY (SELECT 1 / (3 - g) FROM generate_series(1, 5) g) TO STDOUT';
      for await (const piece of source.copyOut(sql)) expect(piece.length).toBeGreaterThan(0);
    };
    await expect(read()).rejects.toMatchObject({ code: expect.stringMatching(/^DB_/) });
    expect((await source.query('SELECT 1 AS one', [])).rows).toEqual([{ one: 1 }]);
    await source.close();
  });

  test('a row larger than a piece comes whole', async () => {
    const source = await openCopySource({ url: database.url });
    let bytes = 0;
    for await (const piece of source.copyOut(
      `COPY (SELECT repeat('x', 1000000) FROM generate_series(1, 3)) TO STDOUT`,
    ))
      bytes += piece.length;
    expect(bytes).toBe(3 * 1_000_001);
    await source.close();
  });
});

describe('lists have as many rows as --limit says', () => {
  test.each([
    [readingsCommand, 'recent --since 2026-01-01 --csv'],
    [readingsCommand, 'recent --since 2026-01-01 --metric temperature'],
    [readingsCommand, 'latest --since 2026-01-01'],
    [readingsCommand, 'hourly --since 2026-01-01'],
    [readingsCommand, 'daily --since 2026-01-01'],
    [readingsCommand, 'moving-average --since 2026-01-01'],
    [readingsCommand, 'gapfill --since 2026-01-01 --until 2026-01-02 --bucket 1h'],
    [readingsCommand, 'locations --since 2026-01-01 --metric co2'],
    [alertsCommand, 'list --since 2026-01-01'],
    [alertsCommand, 'list --open'],
    [deadLettersCommand, 'list --since 2026-01-01 --json'],
    [sensorsCommand, 'list'],
    [metricsCommand, 'list'],
    [storageCommand, 'chunks sensor_readings'],
  ] as const)('%p %s', async (command, words) => {
    const rowsAt = async (limit: string) => {
      const { out, err } = await runCli(command, [...words.split(' '), '--limit', limit], { env });
      // It was asked for, and is no news.
      expect(err).toBe('');
      return linesOf(out).length - (words.includes('--json') ? 0 : 1);
    };
    expect(await rowsAt('1')).toBe(1);
    const all = await rowsAt('0');
    expect(all).toBeGreaterThan(1);
    expect(await rowsAt('100000')).toBe(all);
  });
});
