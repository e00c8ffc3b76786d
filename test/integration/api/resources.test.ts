import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { silentLogger } from '../../../src/adapters/log/logger.ts';
import { createPool, readerOf } from '../../../src/adapters/timescale/connection/pool.ts';
import type { AlertDetail, AlertList } from '../../../src/api/contract/alerts.ts';
import type { DeadLetterList } from '../../../src/api/contract/dead-letters.ts';
import type { Problem } from '../../../src/api/contract/problem.ts';
import type { Readings } from '../../../src/api/contract/readings.ts';
import type { Sensor, SensorFacets, SensorList } from '../../../src/api/contract/sensors.ts';
import type { Status } from '../../../src/api/contract/status.ts';
import type { ChunkList, Storage } from '../../../src/api/contract/storage.ts';
import { RESOURCES } from '../../../src/api/resource/index.ts';
import { configSchema } from '../../../src/config/schema/index.ts';
import { withDefaults } from '../../../src/config/walk.ts';
import type { Db } from '../../../src/queries/db.ts';
import { sensorPath } from '../../../src/web/rest/client.ts';
import { daemonAtRest } from '../../support/api-daemon.ts';
import { type ApiServer, startApiServer } from '../../support/api-server.ts';
import { openTestDatabase, type TestDatabase } from '../../support/embedded-db.ts';

const HOUR_MS = 3_600_000;
/** Half an hour ago, on the minute: recent enough for every list. */
const NOW_MS = Math.floor(Date.now() / 60_000) * 60_000;
const ago = (minutes: number): Date => new Date(NOW_MS - minutes * 60_000);

/** Markup, controls, reading direction, and as long as a name may be. */
const HOSTILE = `<img src=x onerror=alert(1)>"'\u202e\u0007/../%2e%2e/'; DROP TABLE sensors; --${'ä'.repeat(900)}`;
const ALERT = '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a10';
const OLD_ALERT = '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a11';
const LETTER = '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a12';

let database: TestDatabase;
let pool: pg.Pool;
let db: Db;
let server: ApiServer;
let queries = 0;

const run = (text: string, ...values: unknown[]) => pool.query(text, values);

beforeAll(async () => {
  database = await openTestDatabase({ migrated: true });
  pool = await createPool({ url: database.url, applicationName: 'test', max: 1 }, silentLogger);
  const reader = readerOf(pool);
  db = {
    query: (text, values) => {
      queries += 1;
      return reader.query(text, values);
    },
  };
  await seed();
  const config = configSchema.parse(
    withDefaults(configSchema, {
      alerts: {
        metrics: { temperature: { max: 8, for: '5m', levels: [{ severity: 'critical', max: 12 }] } },
      },
    }),
  );
  server = await startApiServer(RESOURCES, {
    db,
    daemon: daemonAtRest({
      alertRules: () => config.alerts,
      unitOf: (metric) => (metric === 'energy' ? 'MJ' : undefined),
    }),
  });
});
afterAll(async () => {
  await server.stop();
  await pool.end();
  await database.close();
});

/**
 * freezer: a reading a minute over three hours, and a critical alert that rose from a warning · room: silent for two days · never: only
 * values of a meter · the hostile one: one reading, and a metric without a column.
 */
async function seed(): Promise<void> {
  await run(
    `INSERT INTO sensors (id, key, name, location, type, tags) VALUES
    (1, 'freezer', 'Freezer, left', 'coldroom', 'freezer', '{cold,door}'), (2, 'room', NULL, 'lab', 'room', '{}'),
    (3, 'never', NULL, NULL, NULL, '{}'), (4, $1, $1, $1, $1, ARRAY[$1])`,
    HOSTILE,
  );
  await run(`INSERT INTO sensor_aliases (key, sensor_id) VALUES ('freezer-old', 1)`);
  await run(`INSERT INTO metrics (id, name) VALUES (1, 'co2'), (2, $1)`, HOSTILE.slice(0, 200));
  await run(
    `INSERT INTO sensor_readings (time, sensor_id, temperature, humidity, battery)
     SELECT t, 1, 4 + extract(minute FROM t) / 10, 60, CASE WHEN extract(minute FROM t) = 0 THEN 90 END
     FROM generate_series($1::timestamptz, $2::timestamptz, INTERVAL '1 minute') t`,
    ago(180),
    ago(1),
  );
  await run(
    `INSERT INTO sensor_metrics (time, sensor_id, metric_id, value)
     SELECT t, 1, 1, 400 FROM generate_series($1::timestamptz, $2::timestamptz, INTERVAL '1 minute') t`,
    ago(180),
    ago(1),
  );
  await run('INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES ($1, 2, 21)', ago(2 * 1440));
  await run('INSERT INTO sensor_readings (time, sensor_id) VALUES ($1, 4)', ago(2));
  await run('INSERT INTO sensor_metrics (time, sensor_id, metric_id, value) VALUES ($1, 4, 2, 7)', ago(2));
  await run(`INSERT INTO metrics (id, name, unit, kind) VALUES (3, 'energy', 'MJ', 'counter')`);
  for (const [minutes, value] of [
    [30, 5],
    [20, 8],
    [10, 1],
  ] as const)
    await run(
      'INSERT INTO sensor_metrics (time, sensor_id, metric_id, value) VALUES ($1, 3, 3, $2)',
      ago(minutes),
      value,
    );
  await run(
    `INSERT INTO alert_state (sensor_id, alert_type, metric, kind, side, state, alert_id, severity, since, started_at, fired_at, threshold,
       peak_value, seq, last_event_at, last_value, rule_hash, detail) VALUES
     (1, 'temperature_high', 'temperature', 'threshold', 'high', 'firing', $1, 'critical', NULL, $2, $3, 12, 13, 2, $3, 13, 'x',
       '{"deferred": "silence"}'),
     (1, 'humidity_high', 'humidity', 'threshold', 'high', 'pending', NULL, 'warning', $3, $3, NULL, 55, 60, 0, $3, 60, 'x', '{}')`,
    ALERT,
    ago(60),
    ago(40),
  );
  const alertRow = `INSERT INTO sensor_alerts (time, sensor_id, alert_type, message, value, threshold, alert_id, severity, started_at,
      metric, kind, side, resolved_at, resolved_value, resolve_reason)
    VALUES ($1, $2, 'temperature_high', $3, 9, 8, $4, $5, $6, 'temperature', 'threshold', 'high', $7, $8, $9)`;
  await run(alertRow, ago(55), 1, 'freezer: too warm', ALERT, 'warning', ago(60), null, null, null);
  await run(alertRow, ago(40), 1, 'freezer: far too warm', ALERT, 'critical', ago(60), null, null, null);
  await run(
    alertRow,
    ago(900),
    4,
    `${HOSTILE}: too warm`,
    OLD_ALERT,
    'warning',
    ago(910),
    ago(800),
    7,
    'value',
  );
  await run(
    `INSERT INTO alert_outbox (alert_id, seq, event, payload, sent_at) SELECT $1, n, event, jsonb_build_object('severity', severity,
       'message', event, 'value', 9, 'eventTimeMs', floor(extract(epoch FROM at::timestamptz) * 1000)), now()
     FROM (VALUES (1, 'firing', 'warning', $2), (2, 'escalated', 'critical', $3)) v(n, event, severity, at)`,
    ALERT,
    ago(55).toISOString(),
    ago(40).toISOString(),
  );
  await run(
    `INSERT INTO alert_deliveries (alert_id, seq, sink, event, alert_type, done_at, outcome, route) VALUES ($1, 1, 'ops', 'firing', 't', now(), 'sent', 'notify.routes[0]')`,
    ALERT,
  );
  await run(
    `INSERT INTO alert_commands (kind, sensor_id, alert_type, alert_id, asked_by, comment, applied_at, outcome)
     VALUES ('ack', 1, 'temperature_high', $1, 'ann', 'door was open', $2, 'done')`,
    ALERT,
    ago(30),
  );
  await run(
    `INSERT INTO system_alerts (alert_id, alert_type, subject, severity, message, started_at, seq)
     VALUES ('7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a13', 'policy_runs', 'sensor_readings retention', 'warning', 'stalled', $1, 1)`,
    ago(10),
  );
  await run(
    `INSERT INTO silences (matchers, starts_at, ends_at, created_by, comment) VALUES
     ('{"sensor": "freez*"}', now() - INTERVAL '1 hour', now() + INTERVAL '1 hour', 'ann', 'defrosting'),
     ('{"location": "lab"}', now() - INTERVAL '2 hours', now() - INTERVAL '1 hour', 'ann', '')`,
  );
  await run(
    `INSERT INTO dead_letters (received_at, id, topic, payload, reason, detail) VALUES
     ($1, $2, $3, '\\xff00', 'parse_error', 'broken'), ($4, gen_random_uuid(), 'a/b', 'plain', 'no_device', NULL)`,
    ago(5),
    LETTER,
    HOSTILE,
    ago(4),
  );
}

async function get<Body>(path: string): Promise<Body> {
  const response = await server.fetch(`/api/v1${path}`);
  const text = await response.text();
  expect([path, response.status, response.status === 200 ? '' : text]).toEqual([path, 200, '']);
  return JSON.parse(text) as Body;
}

async function problem(path: string): Promise<Problem> {
  const response = await server.fetch(`/api/v1${path}`);
  expect(response.headers.get('content-type')).toContain('application/problem+json');
  return (await response.json()) as Problem;
}

const PARAMS: Readonly<Record<string, string>> = { ':key': 'freezer', ':alertId': ALERT, ':id': LETTER };
const QUERY: Readonly<Record<string, string>> = {
  '/storage/chunks': '?relation=sensor_readings',
  '/analysis/pattern': '?metric=temperature&tz=Europe/Berlin',
  '/analysis/resample': '?metric=temperature&fill=linear',
  '/analysis/outliers': '?metric=temperature&minValues=2&threshold=0.1',
  '/analysis/use': '?metric=energy&bucket=1d',
};
/** Resources of the daemon and not of the database, or without JSON. */
const ELSEWHERE = ['/config', '/events', '/session', '/learn/:id', '/sensors/:key/export'];

test('the use of a counter goes on behind a reset', async () => {
  const { items } = await get<{ items: { use: number; resets: number }[] }>(
    '/analysis/use?metric=energy&bucket=1d',
  );
  const sum = (key: 'use' | 'resets') => items.reduce((total, row) => total + row[key], 0);
  expect([sum('use'), sum('resets')]).toEqual([4, 1]);
});

describe('every resource that is read', () => {
  const reads = RESOURCES.filter(({ method, path }) => method === 'GET' && !ELSEWHERE.includes(path));

  test.each(reads.map((each) => [each.path, each] as const))(
    '%s answers as its schema says',
    async (path, { answer }) => {
      const place = path.replace(/:\w+/g, (name) => PARAMS[name] ?? name) + (QUERY[path] ?? '');
      const body = await get<unknown>(place);
      expect(answer!.parse(body)).toEqual(body);
    },
  );

  test.each(reads.map(({ path }) => [path]))('%s is not sent again where the client has it', async (path) => {
    if (path === '/status') return;
    const place = `/api/v1${path.replace(/:\w+/g, (name) => PARAMS[name] ?? name)}${QUERY[path] ?? ''}`;
    const etag = (await server.fetch(place)).headers.get('etag');
    expect(etag).toMatch(/^W?\/?"/);
  });
});

describe('analyses', () => {
  const chosen = 'sensor=freezer&from=2h';

  test('have what was asked for', async () => {
    const described = await get<{ items: object[] }>(`/analysis/describe?${chosen}&metric=temperature`);
    expect(described.items).toMatchObject([{ metric: 'temperature', unit: '°C', sensor: null, sensors: 1 }]);
    const { items } = await get<{ items: object[] }>(`/analysis/missing?${chosen}&tz=Europe/Berlin`);
    expect(items).toMatchObject([{ sensor: 'freezer', gaps: expect.any(Array), days: expect.any(Array) }]);
  });

  test('say which name, width or zone is invalid', async () => {
    expect(await problem('/analysis/describe?sensor=freezr')).toMatchObject({
      status: 404,
      remedy: 'Did you mean "freezer"?',
    });
    expect(await problem('/analysis/describe?metric=tempereture')).toMatchObject({
      status: 404,
      code: 'METRIC_UNKNOWN',
    });
    for (const wrong of ['bucket=1', 'tz=Europe/Berln'])
      expect(await problem(`/analysis/resample?metric=temperature&${wrong}`)).toMatchObject({ status: 400 });
    expect(await problem('/analysis/outliers?metric=temperature&window=x')).toMatchObject({ status: 400 });
    expect(await problem('/analysis/resample?metric=temperature&bucket=1s')).toMatchObject({
      status: 422,
      code: 'QUERY_TOO_LARGE',
    });
  });
});

describe('sensors', () => {
  test('states, newest values with units, and a spark', async () => {
    const { items, total, next } = await get<SensorList>('/sensors?spark=true');
    expect([total, next]).toEqual([4, null]);
    const states = Object.fromEntries(items.map(({ key, state, openAlerts }) => [key, [state, openAlerts]]));
    expect(states).toEqual({
      freezer: ['alert', 1],
      room: ['silent', 0],
      never: ['never', 0],
      [HOSTILE]: ['ok', 0],
    });
    const freezer = items.find(({ key }) => key === 'freezer')!;
    expect(freezer.latest.map(({ metric, unit }) => [metric, unit])).toEqual([
      ['temperature', '°C'],
      ['humidity', '%'],
      ...(freezer.latest.some(({ metric }) => metric === 'battery') ? [['battery', '%']] : []),
      ['co2', 'ppm'],
    ]);
    expect(freezer.lastSeen).toBe(ago(1).toISOString());
    expect(freezer.spark!.values).toHaveLength(24);
    expect(freezer.spark!.values.slice(-3).filter((value) => value !== null).length).toBeGreaterThan(1);
  });

  test.each([
    ['search=LEFT', ['freezer']],
    ['search=cold', ['freezer']],
    ['location=lab', ['room']],
    ['type=freezer', ['freezer']],
    ['tag=door', ['freezer']],
    ['state=silent&state=never', ['never', 'room']],
    ['sort=lastSeen', ['freezer', HOSTILE, 'room', 'never']],
    ['search=nothing', []],
  ])('%s', async (query, keys) => {
    expect((await get<SensorList>(`/sensors?${query}`)).items.map(({ key }) => key)).toEqual(keys);
  });

  test.each(['key', 'lastSeen'])('pages by %s have each sensor once', async (sort) => {
    const seen: string[] = [];
    for (let cursor = ''; ;) {
      const { items, next } = await get<SensorList>(`/sensors?limit=1&sort=${sort}${cursor}`);
      seen.push(...items.map(({ key }) => key));
      if (next === null) break;
      cursor = `&cursor=${next}`;
    }
    expect(seen.length).toBe(4);
    expect(new Set(seen).size).toBe(4);
  });

  test('what they can be filtered by', async () => {
    const facets = await get<SensorFacets>('/sensors/facets');
    expect(facets.locations).toEqual([HOSTILE, 'coldroom', 'lab']);
    expect(facets.states).toEqual({ ok: 1, alert: 1, silent: 1, never: 1, retired: 0 });
  });

  test('one, with its limits and alerts, also by its former key', async () => {
    const sensor = await get<Sensor>('/sensors/freezer-old');
    expect([sensor.key, sensor.aliases, sensor.firstSeen]).toEqual([
      'freezer',
      ['freezer-old'],
      ago(180).toISOString(),
    ]);
    expect(
      sensor.limits.map(({ alertType, severity, bound, boundUnit, forS }) => [
        alertType,
        severity,
        bound,
        boundUnit,
        forS,
      ]),
    ).toEqual([
      ['temperature_high', 'warning', 8, '°C', 300],
      ['temperature_high', 'critical', 12, '°C', 300],
    ]);
    expect(sensor.alerts.map(({ alertType, state }) => [alertType, state])).toEqual([
      ['temperature_high', 'firing'],
      ['humidity_high', 'pending'],
    ]);
  });

  test('an unknown one is not found, with the one that was meant', async () => {
    const { status, code, remedy } = await problem('/sensors/freezr');
    expect([status, code, remedy]).toEqual([404, 'SENSOR_UNKNOWN', 'Did you mean "freezer"?']);
  });

  test('a hostile name is a value everywhere', async () => {
    const path = `/sensors/${encodeURIComponent(HOSTILE)}`;
    const sensor = await get<Sensor>(path);
    expect([sensor.key, sensor.name, sensor.location, sensor.tags]).toEqual([
      HOSTILE,
      HOSTILE,
      HOSTILE,
      [HOSTILE],
    ]);
    expect(sensor.latest.map(({ metric, value }) => [metric, value])).toEqual([[HOSTILE.slice(0, 200), 7]]);
    const metric = encodeURIComponent(HOSTILE.slice(0, 200));
    expect((await get<Readings>(`${path}/readings?metric=${metric}`)).metrics[0]?.mean).toEqual([7]);
    const filtered = await get<SensorList>(
      `/sensors?location=${encodeURIComponent(HOSTILE)}&search=${encodeURIComponent('DROP TABLE')}`,
    );
    expect(filtered.items.map(({ key }) => key)).toEqual([HOSTILE]);
    expect((await run('SELECT count(*)::int AS n FROM sensors')).rows).toEqual([{ n: 4 }]);
  });

  test.each([
    ['/sensors/a%00b', 'SENSOR_UNKNOWN'],
    ['/sensors/a%00b/readings', 'SENSOR_UNKNOWN'],
    ['/analysis/describe?sensor=freezer&sensor=%00', 'SENSOR_UNKNOWN'],
    ['/analysis/describe?location=%00', 'LOCATION_UNKNOWN'],
    ['/analysis/describe?metric=%00', 'METRIC_UNKNOWN'],
  ])('a name that no database can hold is an unknown one: %s', async (path, code) => {
    expect(await problem(path)).toMatchObject({ status: 404, code });
  });

  test.each(['/alerts?sensor=%00', '/dead-letters?topic=%00', '/app-metrics?name=%00'])(
    'what no database can hold is a fault of the request: %s',
    async (path) => {
      expect(await problem(path)).toMatchObject({ status: 400, code: 'API_BAD_REQUEST' });
    },
  );
});

describe('readings', () => {
  const range = `from=${ago(120).toISOString()}&to=${ago(60).toISOString()}`;

  test('each as it was measured, where they are no more than the points', async () => {
    const { stepS, source, metrics } = await get<Readings>(
      `/sensors/freezer/readings?${range}&metric=temperature&metric=co2`,
    );
    expect([stepS, source, metrics.map(({ metric, unit, time }) => [metric, unit, time.length])]).toEqual([
      0,
      'raw',
      [
        ['temperature', '°C', 60],
        ['co2', 'ppm', 60],
      ],
    ]);
    expect(metrics[0]!.time[0]).toBe(ago(120).getTime());
  });

  test('a unit that the database states is that of every answer', async () => {
    const { metrics } = await get<Readings>('/sensors/never/readings?metric=energy&from=1h');
    const { latest } = await get<Sensor>('/sensors/never');
    const { items } = await get<{ items: { unit: string }[] }>('/analysis/describe?metric=energy');
    expect([metrics[0]?.unit, latest[0]?.unit, items[0]?.unit]).toEqual(['MJ', 'MJ', 'MJ']);
  });

  test('buckets have mean, least and greatest, and gaps are missing buckets', async () => {
    const { stepS, metrics } = await get<Readings>(
      `/sensors/freezer/readings?${range}&metric=temperature&step=600`,
    );
    const [{ time, mean, min, max }] = metrics as [Readings['metrics'][0]];
    expect(stepS).toBe(600);
    expect(time.every((ms) => ms % 600_000 === 0)).toBe(true);
    const rows = await run(
      `SELECT avg(temperature) AS mean, min(temperature) AS min, max(temperature) AS max FROM sensor_readings
        WHERE sensor_id = 1 AND time >= $1 AND time < $2 GROUP BY time_bucket('10 minutes', time) ORDER BY time_bucket('10 minutes', time)`,
      new Date(Math.floor(ago(120).getTime() / 600_000) * 600_000),
      ago(60),
    );
    expect(mean.map((value, at) => [value, min[at], max[at]])).toEqual(
      rows.rows.map((row: { mean: number; min: number; max: number }) =>
        [row.mean, row.min, row.max].map((value) => Number(value.toPrecision(9))),
      ),
    );
    const room = await get<Readings>('/sensors/room/readings?from=7d&step=3600');
    expect(room.metrics[0]!.time).toEqual([Math.floor(ago(2 * 1440).getTime() / HOUR_MS) * HOUR_MS]);
  });

  test('figures of hours as far as they reach, and readings after them', async () => {
    const path = '/sensors/freezer/readings?from=6h&metric=temperature&step=3600';
    const before = await get<Readings>(path);
    await run(
      `CALL refresh_continuous_aggregate('sensor_hourly_agg', $1::timestamptz, $2::timestamptz)`,
      ago(24 * 60),
      ago(60),
    );
    const after = await get<Readings>(path);
    expect(before.source).toBe('hourly');
    expect(after.metrics[0]!.time).toEqual(before.metrics[0]!.time);
    after.metrics[0]!.mean.forEach((value, at) => expect(value).toBeCloseTo(before.metrics[0]!.mean[at]!, 6));
  });

  test('without metrics: those of its newest readings', async () => {
    const { metrics } = await get<Readings>('/sensors/freezer/readings?from=3h&points=10');
    expect(metrics.map(({ metric }) => metric)).toEqual(
      expect.arrayContaining(['temperature', 'humidity', 'co2']),
    );
  });

  test('a long answer comes in pieces and is the same', async () => {
    const path = '/sensors/freezer/readings?from=3h&step=3&metric=temperature&metric=humidity&metric=co2';
    const response = await server.fetch(`/api/v1${path}`);
    expect(response.headers.get('content-length')).toBeNull();
    const body = (await response.json()) as Readings;
    // A reading a minute: each has a bucket of three seconds of its own.
    expect(new Set(body.metrics.map(({ time }) => time.length)).size).toBe(1);
    expect(body.metrics[0]!.time.length).toBeGreaterThan(170);
  });

  test.each([
    ['from=yesterday', 400],
    ['from=1h&to=2h', 400],
    ['step=1&from=90d', 422],
    ['points=0', 400],
    ['nonsense=1', 400],
  ])('%s is refused', async (query, status) => {
    expect((await problem(`/sensors/freezer/readings?${query}`)).status).toBe(status);
  });

  test('a metric that is not there has no values', async () => {
    expect((await get<Readings>('/sensors/freezer/readings?metric=nothing')).metrics).toEqual([]);
  });
});

test('a key that is longer than any leads nowhere, and is not repeated', async () => {
  const { status, code, detail } = await problem(`/sensors/${'x'.repeat(5000)}`);
  expect([status, code, detail.length < 300]).toEqual([404, 'API_NOT_FOUND', true]);
});

describe('exports', () => {
  const range = `from=${ago(120).toISOString()}&to=${ago(60).toISOString()}`;
  const file = async (path: string) => {
    const response = await server.fetch(`/api/v1/sensors/${path}`);
    expect(response.status).toBe(200);
    return { headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
  };
  const stored = async () =>
    (
      await run(
        `SELECT r.time, r.temperature, n.value AS co2 FROM sensor_readings r JOIN sensor_metrics n USING (sensor_id, time)
          WHERE sensor_id = 1 AND time >= $1 AND time < $2 ORDER BY time`,
        ago(120),
        ago(60),
      )
    ).rows as { time: Date; temperature: number; co2: number }[];

  test('CSV has every reading as it is stored', async () => {
    const { headers, bytes } = await file(`freezer-old/export?${range}&metric=temperature&metric=co2`);
    const [header, ...lines] = bytes.toString().trimEnd().split('\n');
    expect(header).toBe('time,sensor,location,temperature,co2');
    expect(lines).toEqual(
      (await stored()).map(
        ({ time, temperature, co2 }) =>
          `${time.toISOString().replace('Z', '000Z')},freezer,coldroom,${temperature},${co2}`,
      ),
    );
    expect(headers.get('content-disposition')).toMatch(
      /^attachment; filename="freezer_[\dT-]+Z_[\dT-]+Z\.csv"$/,
    );
  });

  test('Parquet has the same values', async () => {
    const { bytes } = await file(`freezer/export?${range}&metric=temperature&metric=co2&format=parquet`);
    const copy = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    const rows = await parquetReadObjects({ file: copy, compressors });
    expect(rows.map(({ time, temperature, co2 }) => [(time as Date).getTime(), temperature, co2])).toEqual(
      (await stored()).map(({ time, temperature, co2 }) => [time.getTime(), temperature, co2]),
    );
  });

  test.each(['csv', 'parquet'])('%s of what a plot shows', async (format) => {
    const query = `${range}&metric=temperature&metric=co2&step=600`;
    const { metrics } = await get<Readings>(`/sensors/freezer/readings?${query}`);
    const { bytes } = await file(`freezer/export?${query}&rows=buckets&format=${format}`);
    const shown = metrics.flatMap(({ metric, unit, time, mean, min, max }) =>
      time.map((ms, at) => [ms, 'freezer', metric, unit, mean[at], min[at], max[at], 600]),
    );
    const short = (value: unknown) => Number(Number(value).toPrecision(9));
    const rows =
      format === 'csv'
        ? bytes
            .toString()
            .trimEnd()
            .split('\n')
            .slice(1)
            .map((line) => line.split(','))
            .map(([time = '', ...rest]) => [Date.parse(time), ...rest])
        : (
            await parquetReadObjects({
              file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
              compressors,
            })
          ).map(({ time, ...rest }) => [(time as Date).getTime(), ...Object.values(rest)]);
    expect(
      rows.map(([time, sensor, metric, unit, ...figures]) => [
        time,
        sensor,
        metric,
        unit,
        ...figures.map(short),
      ]),
    ).toEqual(shown);
  });

  test('a hostile name is a cell, and no part of a path; a reading without the metrics is left out', async () => {
    const metric = HOSTILE.slice(0, 200);
    const path = `${encodeURIComponent(HOSTILE)}/export?from=1h&metric=`;
    const { headers, bytes } = await file(path + encodeURIComponent(metric));
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
    const time = ago(2).toISOString().replace('Z', '000Z');
    expect(bytes.toString()).toBe(
      `time,sensor,location,${quoted(metric)}\n${time},${quoted(HOSTILE)},${quoted(HOSTILE)},7\n`,
    );
    expect(headers.get('content-disposition')).toMatch(/^attachment; filename="[\w-]{1,120}\.csv"$/);
    expect((await file(`${path}temperature`)).bytes.toString()).toBe('time,sensor,location,temperature\n');
  });
});

describe('alerts', () => {
  test('an episode is one item, with its highest severity', async () => {
    const { items } = await get<AlertList>('/alerts');
    expect(
      items.map(({ alertType, severity, state, deferredBy, unit, system }) => [
        alertType,
        severity,
        state,
        deferredBy,
        unit,
        system,
      ]),
    ).toEqual([
      ['policy_runs', 'warning', 'firing', null, null, true],
      ['temperature_high', 'critical', 'firing', 'silence', '°C', false],
    ]);
  });

  test.each([
    ['state=pending', ['humidity_high']],
    ['state=resolved', ['temperature_high']],
    ['state=all', ['policy_runs', 'temperature_high', 'temperature_high']],
    ['state=all&from=1h', ['policy_runs', 'temperature_high']],
    ['sensor=freezer', ['temperature_high']],
    ['location=coldroom', ['temperature_high']],
    ['type=room', []],
    ['severity=warning', ['policy_runs']],
    ['severity=warning&severity=critical', ['policy_runs', 'temperature_high']],
    ['acked=true', []],
    ['alertType=policy_runs', ['policy_runs']],
  ])('%s', async (query, types) => {
    expect((await get<AlertList>(`/alerts?${query}`)).items.map(({ alertType }) => alertType)).toEqual(types);
  });

  test('pages have each episode once', async () => {
    const seen: (string | null)[] = [];
    for (let cursor = ''; ;) {
      const { items, next } = await get<AlertList>(`/alerts?state=all&limit=1${cursor}`);
      seen.push(...items.map(({ alertId }) => alertId));
      if (next === null) break;
      cursor = `&cursor=${next}`;
    }
    expect(seen).toEqual(['7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a13', ALERT, OLD_ALERT]);
  });

  test('one with its course, its notifications, the silence that matches, and the range to draw', async () => {
    const { transitions, deliveries, silences, curve } = await get<AlertDetail>(`/alerts/${ALERT}`);
    expect(transitions.map(({ event, at, by, comment }) => [event, at, by, comment])).toEqual([
      ['started', ago(60).toISOString(), null, null],
      ['firing', ago(55).toISOString(), null, null],
      ['escalated', ago(40).toISOString(), null, null],
      ['acked', ago(30).toISOString(), 'ann', 'door was open'],
    ]);
    expect(deliveries.map(({ sink, outcome, route }) => [sink, outcome, route])).toEqual([
      ['ops', 'sent', 'notify.routes[0]'],
    ]);
    expect(silences.map(({ comment }) => comment)).toEqual(['defrosting']);
    expect(curve).toMatchObject({ metric: 'temperature', from: ago(90).toISOString() });
  });

  test('the course of one whose notifications are gone comes from its rows', async () => {
    const { transitions, sensor } = await get<AlertDetail>(`/alerts/${OLD_ALERT}`);
    expect([sensor, transitions.map(({ event }) => event)]).toEqual([
      HOSTILE,
      ['started', 'firing', 'resolved'],
    ]);
  });

  test('an unknown one, and what is no id', async () => {
    expect(await problem('/alerts/7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6aff')).toMatchObject({
      status: 404,
      code: 'ALERT_UNKNOWN',
    });
    expect((await problem('/alerts/1')).status).toBe(400);
    expect((await problem('/alerts?cursor=abc')).status).toBe(400);
  });
});

describe('the rest', () => {
  test('silences that are not over, or all', async () => {
    expect((await get<{ items: unknown[] }>('/silences')).items).toHaveLength(1);
    const { next } = await get<{ next: string }>('/silences?all=true&limit=1');
    const { items } = await get<{ items: { comment: string }[] }>(
      `/silences?all=true&limit=1&cursor=${next}`,
    );
    expect(items.map(({ comment }) => comment)).toEqual(['']);
  });

  test('dead letters with their payload as text or as bytes', async () => {
    const { items } = await get<DeadLetterList>('/dead-letters');
    expect(items.map(({ reason, payload }) => [reason, payload])).toEqual([
      ['no_device', { encoding: 'utf8', text: 'plain' }],
      ['parse_error', { encoding: 'base64', text: '/wA=' }],
    ]);
    expect(
      (await get<DeadLetterList>(`/dead-letters?topic=${encodeURIComponent(HOSTILE)}`)).items,
    ).toHaveLength(1);
    const { next } = await get<DeadLetterList>('/dead-letters?limit=1');
    expect((await get<DeadLetterList>(`/dead-letters?limit=1&cursor=${next}`)).items[0]?.id).toBe(LETTER);
    expect(await problem(`/dead-letters/${ALERT}`)).toMatchObject({
      status: 404,
      code: 'DEAD_LETTER_UNKNOWN',
    });
  });

  test('storage and its chunks', async () => {
    const { relations, sizeBytes } = await get<Storage>('/storage');
    expect(relations.map(({ relation }) => relation)).toEqual(
      expect.arrayContaining(['sensor_readings', 'sensor_daily_agg']),
    );
    expect(sizeBytes).toBeGreaterThan(0);
    expect(relations.find(({ relation }) => relation === 'sensor_readings')).toMatchObject({
      dropAfterS: 90 * 86_400,
      kind: 'hypertable',
    });
    const { items, next } = await get<ChunkList>('/storage/chunks?relation=sensor_readings&limit=1');
    expect(items[0]).toMatchObject({ relation: 'sensor_readings', state: 'row' });
    const second = await get<ChunkList>(`/storage/chunks?relation=sensor_readings&limit=1&cursor=${next}`);
    expect(Date.parse(second.items[0]!.to)).toBeLessThanOrEqual(Date.parse(items[0]!.from));
    expect(await problem('/storage/chunks?relation=pg_authid')).toMatchObject({
      status: 404,
      code: 'RELATION_UNKNOWN',
    });
  });

  test('status: the verdict, and figures of the database', async () => {
    const status = await get<Status>('/status');
    expect(status.verdict).toMatchObject({ ok: false, severity: 'critical' });
    expect(status.verdict.sentence).toBe('1 critical alert is open, and 2 further reasons.');
    expect(status.alerts).toEqual({
      critical: 1,
      warning: 1,
      info: 0,
      unacknowledged: 2,
      silenced: 1,
      pending: 1,
    });
    expect(status.sensors).toEqual({ total: 4, alert: 1, silent: 1, never: 1 });
    expect(status.deadLetters).toEqual({ lastDay: 2 });
  });

  test('a list that is requested again within two seconds reads the sensors once', async () => {
    await get('/sensors?search=nothing');
    const before = queries;
    await Promise.all(Array.from({ length: 5 }, () => get('/sensors?search=nothing')));
    expect(queries - before).toBeLessThan(5);
  });
});

test('a sensor that has come since the list was read is found at once', async () => {
  await get<SensorList>('/sensors');
  await run("INSERT INTO sensors (id, key) VALUES (990, 'fresh')");
  await run(
    "INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES (now() - INTERVAL '3 days', 990, 21)",
  );
  const { key, state, latest } = await get<Sensor>('/sensors/fresh');
  expect([key, state, latest[0]?.value]).toEqual(['fresh', 'silent', 21]);
});

// Last: the lists have them for two seconds.
test.each(['.', '..'])('a device that is called %s has a path nevertheless', async (key) => {
  await run('INSERT INTO sensors (id, key) VALUES (1000, $1)', key);
  try {
    expect((await get<Sensor>(`/${sensorPath(key)}`)).key).toBe(key);
  } finally {
    await run('DELETE FROM sensors WHERE key = $1', key);
  }
});
