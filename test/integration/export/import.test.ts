import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { silentLogger } from '../../../src/adapters/log/logger.ts';
import { importFiles } from '../../../src/app/import/import-files.ts';
import { exportCommand } from '../../../src/cli/export/index.ts';
import { importCommand } from '../../../src/cli/import.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { runCli } from '../../support/cli.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';

let folder: string;
const open: { database: TestDatabase; db: pg.Pool }[] = [];
afterAll(async () => {
  for (const { database, db } of open) {
    await db.end();
    await database.close();
  }
  await rm(folder, { recursive: true });
});

async function openOne(name: string) {
  const database = await openTestDatabase({ migrated: true });
  const db = new pg.Pool({ connectionString: database.url, max: 1 });
  db.on('error', () => {});
  open.push({ database, db });
  const env = {
    FIELDWATCH_DATABASE_URL: database.url,
    FIELDWATCH_STATE_DIR: join(folder, name),
    FIELDWATCH_SENSORS_MAX_NEW_PER_MINUTE: '1',
  };
  return { database, db, env };
}

let from: Awaited<ReturnType<typeof openOne>>;
let to: Awaited<ReturnType<typeof openOne>>;
const imported = (...args: string[]) => runCli(importCommand, args, { env: to.env });
const file = (name: string) => join(folder, name);

/** A sum over every value that is stored, by the names of sensors and metrics. */
async function checksums(db: pg.Pool): Promise<unknown> {
  const { rows } = await db.query(`SELECT
    (SELECT md5(string_agg(concat_ws('|', s.key, s.location, r.time, r.temperature, r.humidity, r.pressure, r.battery, r.rssi), ';' ORDER BY s.key, r.time))
       FROM sensor_readings r JOIN sensors s ON s.id = r.sensor_id) AS readings,
    (SELECT md5(string_agg(concat_ws('|', s.key, m.name, n.time, n.value), ';' ORDER BY s.key, m.name, n.time))
       FROM sensor_metrics n JOIN sensors s ON s.id = n.sensor_id JOIN metrics m ON m.id = n.metric_id) AS metrics,
    (SELECT count(*)::int FROM sensor_readings) AS count`);
  return rows[0];
}

const DAY_MS = 86_400_000;
/** Older than the refresh policies look back, younger than the retention of readings. */
const START = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS - 10 * DAY_MS);
const iso = (minutes: number) => new Date(START.getTime() + minutes * 60_000).toISOString();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fieldwatch-import-'));
  [from, to] = [await openOne('from'), await openOne('to')];
  const { db } = from;
  await db.query(
    `INSERT INTO sensors (id, key, location) VALUES (5, 'cold-1', 'coldroom'), (6, 'green"house,2', NULL), (7, 'metrics only', 'x, y')`,
  );
  await db.query(`INSERT INTO metrics (id, name) VALUES (3, 'co2'), (4, 'odd "name", with comma')`);
  await db.query(
    `INSERT INTO sensor_readings (time, sensor_id, temperature, humidity, rssi)
     SELECT t, 5 + (n % 2)::int, 1.0 / (1 + n), CASE WHEN n % 3 = 0 THEN n END, CASE WHEN n % 5 = 0 THEN -n % 100 END
       FROM generate_series($1::timestamptz, $1::timestamptz + INTERVAL '5 days', '37.000123 s') WITH ORDINALITY g (t, n)`,
    [START],
  );
  await db.query(
    `INSERT INTO sensor_metrics (time, sensor_id, metric_id, value)
     SELECT time, sensor_id, 3, 400 + rssi FROM sensor_readings WHERE rssi IS NOT NULL
     UNION ALL SELECT time + INTERVAL '1 us', 7, 4, 1e-300 * humidity FROM sensor_readings WHERE humidity IS NOT NULL`,
  );
});

describe('export, then import into an empty database', () => {
  test.each(['csv', 'ndjson', 'parquet', 'arrow'])(
    '%s gives equal checksums, and again with no change',
    async (format) => {
      const path = file(`all.${format}`);
      expect((await runCli(exportCommand, ['readings', '-o', path], { env: from.env })).code).toBe(0);
      await to.db.query('TRUNCATE sensor_readings, sensor_metrics, sensors, metrics, dead_letters CASCADE');
      const first = await imported(path, '--no-refresh', '--json');
      const wanted = await checksums(from.db);
      expect(await checksums(to.db)).toEqual(wanted);
      const figures = JSON.parse(first.out) as Record<string, number>;
      expect(first).toMatchObject({ code: 0, err: '' });
      expect(figures).toMatchObject({ duplicate: 0, conflict: 0, dead_lettered: 0, expired: 0, empty: 0 });
      expect(figures['stored']).toBe(figures['rows']);

      const again = JSON.parse((await imported(path, '--no-refresh', '--json')).out) as Record<
        string,
        number
      >;
      expect(again).toMatchObject({ stored: 0, merged: 0, duplicate: figures['rows'] });
      expect(await checksums(to.db)).toEqual(wanted);
    },
  );

  test('the long form, too', async () => {
    const path = file('long.parquet');
    await runCli(exportCommand, ['readings', '--long', '-o', path], { env: from.env });
    await to.db.query('TRUNCATE sensor_readings, sensor_metrics, sensors, metrics CASCADE');
    expect((await imported(path, '--no-refresh')).code).toBe(0);
    expect(await checksums(to.db)).toEqual(await checksums(from.db));
  });

  test('aggregates of hours that the policies do not look back to are refreshed', async () => {
    const { out } = await imported(file('all.parquet'), '--json');
    expect((JSON.parse(out) as { refreshes: number }).refreshes).toBeGreaterThan(0);
    const { rows } = await to.db.query(`SELECT (SELECT sum(readings)::int FROM sensor_hourly_agg) AS hourly,
      (SELECT sum(readings)::int FROM sensor_daily_agg) AS daily, (SELECT count(*)::int FROM sensor_readings) AS raw`);
    const [{ hourly, daily, raw }] = rows as [{ hourly: number; daily: number; raw: number }];
    expect([hourly, daily]).toEqual([raw, raw]);
    const again = JSON.parse((await imported(file('all.parquet'), '--json')).out) as { refreshes: number };
    expect(again.refreshes).toBe(0);
  });
});

describe('what cannot be stored', () => {
  test('is a dead letter, once, with the row; the others are stored', async () => {
    const path = file('bad.csv');
    const lines = [
      'when,device,temp_c',
      `${iso(1)},new-1,21.5`,
      `soon,new-1,1`,
      `${iso(2)},new-1,warm`,
      `${iso(3)},new-2,`,
      `${iso(4)},new-2,4`,
    ];
    await writeFile(path, lines.join('\n'));
    const args = [path, '--map', 'time=when,sensor=device', '--map', 'temperature=temp_c', '--no-refresh'];
    for (const stored of [2, 0]) {
      const { code, out, err } = await imported(...args, '--json');
      expect(code).toBe(1);
      expect(JSON.parse(out)).toMatchObject({
        rows: 5,
        stored,
        duplicate: 2 - stored,
        dead_lettered: 2,
        empty: 1,
      });
      expect(err).toContain('2 rows are dead letters');
    }
    const { rows } = await to.db.query(
      `SELECT reason, convert_from(payload, 'UTF8') AS payload FROM dead_letters WHERE topic = 'import/bad.csv' ORDER BY reason`,
    );
    expect(rows).toEqual([
      { reason: 'bad_time', payload: '{"when":"soon","device":"new-1","temp_c":"1"}' },
      { reason: 'not_a_number', payload: `{"when":"${iso(2)}","device":"new-1","temp_c":"warm"}` },
    ]);
  });

  test('another value for a stored one is a conflict, and the first stays', async () => {
    const path = file('conflict.ndjson');
    await writeFile(path, JSON.stringify({ time: iso(1), sensor: 'new-1', temperature: 22 }));
    const { code, out } = await imported(path, '--json', '--no-refresh');
    expect([code, (JSON.parse(out) as { conflict: number }).conflict]).toEqual([1, 1]);
    const { rows } = await to.db.query(
      `SELECT temperature FROM sensor_readings r JOIN sensors s ON s.id = r.sensor_id WHERE s.key = 'new-1'`,
    );
    expect(rows).toEqual([{ temperature: 21.5 }]);
  });

  test('what retention would drop is left out', async () => {
    const path = file('old.csv');
    const old = new Date(Date.now() - 100 * DAY_MS).toISOString();
    await writeFile(path, `time,sensor,temperature\n${old},new-3,1\n${iso(5)},new-3,2\n`);
    const { code, out, err } = await imported(path, '--json', '--no-refresh');
    expect([code, JSON.parse(out)]).toMatchObject([1, { stored: 1, expired: 1, dead_lettered: 0 }]);
    expect(err).toContain('older than the retention');
  });
});

describe('an import that is interrupted', () => {
  test('keeps what is committed, and goes on behind it', async () => {
    const path = file('many.csv');
    const count = 35_000;
    const lines = Array.from(
      { length: count },
      (_, at) => `${new Date(START.getTime() + at * 1000).toISOString()},many,${at}`,
    );
    await writeFile(path, `time,sensor,temperature\n${lines.join('\n')}\n`);
    const { config } = loadConfig({ file: undefined, env: to.env });
    const abort = new AbortController();
    const job = {
      files: [{ path, format: 'csv' }],
      table: {
        map: new Map(),
        ignore: new Set<string>(),
        timeUnit: 'auto',
        maxPastUs: Infinity,
        maxFutureUs: 0,
      },
      ...{ restart: false, refresh: false, alerts: false, signal: abort.signal },
      onProgress: () => abort.abort(),
      onResumed: () => undefined,
    } as const;
    await expect(importFiles(config, to.database.url, job, silentLogger)).rejects.toThrow('abort');
    const state = await readdir(join(to.env.FIELDWATCH_STATE_DIR, 'imports'));
    expect(state).toHaveLength(1);

    const resumed: number[] = [];
    const outcome = await importFiles(
      config,
      to.database.url,
      {
        ...job,
        signal: new AbortController().signal,
        onProgress: () => undefined,
        onResumed: (_, row) => resumed.push(row),
      },
      silentLogger,
    );
    expect(resumed[0]).toBeGreaterThanOrEqual(10_000);
    expect(outcome.rows).toBe(count - (resumed[0] ?? 0));
    expect(outcome.stored).toBe(outcome.rows);
    const { rows } = await to.db.query(
      `SELECT count(*)::int AS n, sum(temperature) AS sum FROM sensor_readings r JOIN sensors s ON s.id = r.sensor_id WHERE s.key = 'many'`,
    );
    expect(rows).toEqual([{ n: count, sum: (count * (count - 1)) / 2 }]);
    expect(await readdir(join(to.env.FIELDWATCH_STATE_DIR, 'imports'))).toEqual([]);
  });
});

describe('alerts of what is imported', () => {
  const rows = (more = '') =>
    [20, 35, 36, 20, 40].map((value, at) => `${iso(at)},warm,${value}`).join('\n') + more;
  const alertsOf = async () =>
    (
      await to.db
        .query(`SELECT a.alert_type, a.severity, a.value, a.peak_value AS peak, a.started_at AS started, a.resolved_at AS resolved,
        a.resolve_reason AS reason, a.backfilled FROM sensor_alerts a JOIN sensors s ON s.id = a.sensor_id WHERE s.key = 'warm' ORDER BY a.time`)
    ).rows as unknown[];
  const noticed = async () =>
    (
      await to.db.query(
        `SELECT (SELECT count(*)::int FROM alert_outbox) AS notifications, (SELECT count(*)::int FROM alert_state) AS states`,
      )
    ).rows[0] as unknown;
  const past = {
    ...{ alert_type: 'temperature_high', severity: 'warning', value: 35, peak: 36 },
    ...{ started: new Date(iso(1)), resolved: new Date(iso(3)), reason: 'value', backfilled: true },
  };

  test('are none, unless requested; then those that are over, once, and nothing is notified', async () => {
    const path = file('warm.csv');
    const config = file('rules.yaml');
    await writeFile(path, `time,sensor,temperature\n${rows()}`);
    await writeFile(config, 'alerts: { metrics: { temperature: { max: 30 } } }');
    const args = [path, '--config', config, '--no-refresh', '--json'];
    expect(JSON.parse((await imported(...args)).out)).toMatchObject({ stored: 5, alerts: null });
    expect(await alertsOf()).toEqual([]);

    for (const alerts of [1, 0]) {
      const { out } = await imported(...args, '--alerts', 'backfilled');
      expect(JSON.parse(out)).toMatchObject({ duplicate: 5, alerts });
      expect(await alertsOf()).toEqual([past]);
    }
    expect(await noticed()).toEqual({ notifications: 0, states: 0 });
  });

  test('do not repeat one that a daemon has raised of the same time', async () => {
    const path = file('warm-on.csv');
    const config = file('rules.yaml');
    // The episode that was open at the end of the other file ends in this one: its daemon has it under another start.
    await to.db.query(
      `INSERT INTO sensor_alerts (time, sensor_id, alert_type, message, value, threshold, alert_id, severity, started_at, metric, kind, side)
       SELECT $1, id, 'temperature_high', 'warm', 40, 30, gen_random_uuid(), 'warning', $1, 'temperature', 'threshold', 'high' FROM sensors WHERE key = 'warm'`,
      [iso(4)],
    );
    await writeFile(path, `time,sensor,temperature\n${rows(`\n${iso(5)},warm,20`)}`);
    const { out } = await imported(
      path,
      '--config',
      config,
      '--no-refresh',
      '--json',
      '--alerts',
      'backfilled',
    );
    expect(JSON.parse(out)).toMatchObject({ stored: 1, duplicate: 5, alerts: 0 });
    expect(await alertsOf()).toHaveLength(2);
  });
});

describe('a dry run', () => {
  test('shows columns and rows as they would be stored, and stores nothing', async () => {
    const before = await checksums(to.db);
    const path = file('points.lp');
    const ns = `${START.getTime()}000000`;
    await writeFile(
      path,
      `weather,host=roof,location=out temperature=21.5,co2=400i ${ns}\nweather,host=roof temperature=x ${ns}\n`,
    );
    const { code, out, err } = await imported(path, '--dry-run', '--json');
    expect(code).toBe(1);
    expect(err).toContain('sensor is "host"; time is "time"; location is "location"; metrics ');
    const [row, fault] = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(row).toEqual({
      time: START.toISOString(),
      sensor: 'roof',
      location: 'out',
      stored: 'temperature=21.5 co2=400',
    });
    expect(fault).toMatchObject({ sensor: null, stored: expect.stringContaining('dead letter parse_error') });
    expect(await checksums(to.db)).toEqual(before);
  });
});

describe('what is refused', () => {
  test.each([
    [['none.csv'], /there is no file none.csv/],
    [['package.json', '--format', 'csv'], /no column is the time/],
    [['LICENSE'], /does not say what it is/],
  ])('%j', async (args, message) => {
    await expect(imported(...args)).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringMatching(message),
    });
  });

  test('an invalid map is a fault of usage', async () => {
    expect((await imported('package.json', '--map', 'time')).code).toBe(2);
  });
});
