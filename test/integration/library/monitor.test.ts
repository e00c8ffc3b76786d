import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import {
  type AlertEvent,
  type Monitor,
  type MonitorOptions,
  type ReadingInput,
  openMonitor,
  startDaemon,
} from '../../../src/index.ts';
import { loadFrame, saveFrame } from '../../../src/frame.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { eventually as holdsEventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';

let db: TestDatabase;
let client: pg.Client;
const opened: Monitor[] = [];
beforeAll(async () => {
  db = await openTestDatabase({ migrated: true });
  client = new pg.Client({ connectionString: db.url });
  await client.connect();
});
afterEach(async () => {
  for (const monitor of opened.splice(0)) await monitor.close();
  await client.query(
    'TRUNCATE share_members, alert_shards, alert_handover, sensor_readings, sensor_metrics, sensor_alerts, alert_state, alert_outbox, alert_watermarks, dead_letters',
  );
});
afterAll(async () => {
  await client.end();
  await db.close();
});

/** Waits until the expectations hold; the last failure is that of the test. */
async function eventually(expectations: () => void | Promise<void>): Promise<void> {
  let failure: unknown;
  const holds = async () => {
    try {
      await expectations();
      return true;
    } catch (error) {
      failure = error;
      return false;
    }
  };
  await holdsEventually('the expectations', holds, { withinMs: 30_000 }).catch(() => {
    throw failure;
  });
}

const HOT = { metrics: { temperature: { max: 30, hysteresis: 1 } } };

/** What comes by way of another program is some tenths of a second late. */
const SHARED = { ...HOT, allowed_lateness: '2s' };

async function open(options: Partial<MonitorOptions> = {}): Promise<Monitor> {
  const monitor = await openMonitor({ database: db.url, ...options });
  opened.push(monitor);
  return monitor;
}

const rows = async <Row extends pg.QueryResultRow>(sql: string) => (await client.query<Row>(sql)).rows;
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000);
const alertsOf = (sensor: string) =>
  rows<{ alert_type: string; resolved: boolean }>(
    `SELECT alert_type, resolved_at IS NOT NULL AS resolved FROM sensor_alerts a JOIN sensors s ON s.id = a.sensor_id
      WHERE s.key = '${sensor}' ORDER BY time`,
  );

describe('a program alone', () => {
  test('figures of the program itself are stored and found by name, host and tag', async () => {
    const monitor = await open({});
    await monitor.recordMetric('web-1', 'queue_length', 12, { queue: 'orders', shard: 3 });
    await monitor.recordMetric('web-2', 'queue_length', 7);
    expect(await monitor.appMetrics({ name: 'queue_length', tags: { queue: 'orders' } })).toEqual([
      {
        time: expect.any(Date),
        host: 'web-1',
        metric: 'queue_length',
        value: 12,
        tags: { queue: 'orders', shard: '3' },
      },
    ]);
    expect(await monitor.appMetrics({ host: 'web-2' })).toMatchObject([{ value: 7, tags: {} }]);
    expect(await monitor.appMetrics({ name: 'queue_length', to: minutesAgo(60) })).toEqual([]);
    await expect(monitor.recordMetric('web-1', 'x', NaN)).rejects.toMatchObject({
      code: 'METRIC_VALUE_INVALID',
    });
    await monitor.close();
  });

  test('the use of a counter', async () => {
    const monitor = await open({});
    const values = [100, 104, 2, 5];
    const startMs = minutesAgo(40).getTime();
    for (const [n, energy] of values.entries())
      await monitor.recordReading({ sensor: 'meter', time: startMs + n * 60_000, metrics: { energy } });
    const use = await monitor.use({ metric: 'energy', from: minutesAgo(60), bucket: '1y' });
    expect(use).toMatchObject([
      { sensor: 'meter', use: 9, resets: 1, overflows: 0, last: 5, rate: expect.closeTo(9 / 180, 6) },
    ]);
    await expect(monitor.use({ metric: 'energy', from: 0, bucket: 'often' })).rejects.toMatchObject({
      code: 'BUCKET_INVALID',
    });
    await monitor.recordReading({ sensor: 'meter', metrics: { power: 3 } });
    await expect(monitor.use({ metric: 'power', from: minutesAgo(60) })).rejects.toMatchObject({
      code: 'METRIC_NOT_COUNTER',
    });
    await monitor.close();
  });

  test('registers, records, and reads back: sensors, readings, figures, alerts', async () => {
    const monitor = await open({ alerts: HOT });
    expect(await monitor.evaluatedBy()).toBe('program');
    expect(
      await monitor.registerSensor({ sensor: 'cellar', name: 'Wine', location: 'basement', tags: ['wine'] }),
    ).toEqual({ sensor: 'cellar', name: 'Wine', type: null, location: 'basement', tags: ['wine'] });
    expect(await monitor.registerSensor({ sensor: 'cellar', type: 'climate' })).toMatchObject({
      name: 'Wine',
      type: 'climate',
    });
    const at = minutesAgo(10);
    expect(
      await monitor.recordReading({ sensor: 'cellar', time: at, metrics: { temperature: 12, co2: 600 } }),
    ).toEqual({ stored: 1, duplicate: 0, merged: 0, conflict: 0, deadLettered: 0 });
    expect(
      await monitor.recordReading({ sensor: 'cellar', time: at, metrics: { temperature: 12, co2: 600 } }),
    ).toMatchObject({ stored: 0, duplicate: 1 });
    expect(
      await monitor.recordReading({ sensor: 'cellar', time: at, metrics: { humidity: 70 } }),
    ).toMatchObject({
      merged: 1,
    });
    await monitor.recordReading({ sensor: 'cellar', metrics: { temperature: 31 } });

    const summary = await monitor.summary('cellar', 1);
    expect(summary).toMatchObject({ sensor: 'cellar', name: 'Wine', tags: ['wine'], alerts: 1, open: 1 });
    const [temperature, humidity, co2] = summary.metrics;
    expect(temperature).toMatchObject({
      ...{ metric: 'temperature', unit: '°C', count: 2, avg: 21.5, min: 12, max: 31, first: 12, last: 31 },
      stddev: expect.closeTo(13.435, 3),
    });
    expect(humidity).toMatchObject({ metric: 'humidity', count: 1, stddev: null });
    expect(co2).toMatchObject({ metric: 'co2', unit: 'ppm', avg: 600 });

    const trends = await monitor.hourlyTrends('cellar', 1);
    expect(
      trends.filter(({ metric }) => metric === 'temperature').reduce((n, each) => n + each.count, 0),
    ).toBe(2);
    expect(new Set(trends.map(({ metric }) => metric))).toEqual(new Set(['temperature', 'humidity', 'co2']));
    const figures = (metric: string) =>
      trends
        .filter((each) => each.metric === metric)
        .map(({ avg, min, max, count }) => [avg, min, max, count]);
    expect(figures('co2')).toEqual([[600, 600, 600, 1]]);
    expect(figures('humidity')).toEqual([[70, 70, 70, 1]]);
    expect(await monitor.recentAlerts({ sensor: 'cellar', hours: 1 })).toEqual([
      expect.objectContaining({ alertType: 'temperature_high', value: 31, threshold: 30, state: 'firing' }),
    ]);
    expect(await monitor.latest({ sensor: 'cellar' })).toEqual(
      expect.arrayContaining([expect.objectContaining({ metric: 'temperature', value: 31, unit: '°C' })]),
    );
    const stored = [];
    for await (const reading of monitor.readings({ sensor: 'cellar', from: minutesAgo(60) }))
      stored.push(reading);
    expect(stored).toEqual([
      { sensor: 'cellar', time: at, metrics: { temperature: 12, humidity: 70, co2: 600 } },
      { sensor: 'cellar', time: expect.any(Date), metrics: { temperature: 31 } },
    ]);
  });

  test('a key that cannot be stored registers no other one in its place', async () => {
    const monitor = await open({});
    const before = await rows('SELECT count(*)::int AS n FROM sensors');
    for (const sensor of ['', 'x\0y', 'x\ud800', 'x'.repeat(300), 5 as unknown as string])
      await expect(monitor.registerSensor([{ sensor: 'beside' }, { sensor }])).rejects.toMatchObject({
        code: 'SENSOR_REFUSED',
      });
    expect(await rows('SELECT count(*)::int AS n FROM sensors')).toEqual(before);
    for (const name of ['', 'x\0y', 'x'.repeat(300)])
      await expect(monitor.recordMetric('host', name, 1)).rejects.toMatchObject({
        code: 'METRIC_NAME_INVALID',
      });
  });

  test('all that is stored, of a range of any length', async () => {
    const monitor = await open({});
    const at = minutesAgo(5);
    await monitor.recordReading({ sensor: 'ever', time: at, metrics: { temperature: 1 } });
    const found = [];
    const ever = { sensor: 'ever', from: '0001-01-01T00:00:00Z', to: '+200000-01-01T00:00:00Z' };
    for await (const reading of monitor.readings(ever)) found.push(reading);
    expect(found).toEqual([{ sensor: 'ever', time: at, metrics: { temperature: 1 } }]);
  });

  test('an unknown sensor is an error with the one that was meant', async () => {
    const monitor = await open();
    await monitor.registerSensor([{ sensor: 'freezer-1' }, { sensor: 'oven' }]);
    await expect(monitor.summary('freezr-1')).rejects.toMatchObject({
      code: 'SENSOR_UNKNOWN',
      remedy: 'Did you mean "freezer-1"?',
    });
  });

  test('a batch of any length: duplicates, conflicts and what cannot be stored cost the others nothing', async () => {
    const monitor = await open({ settings: { ingest: { batch: { max_rows: 100 } } } });
    const start = minutesAgo(600).getTime();
    let pulled = 0;
    let ahead = 0;
    let committed = 0;
    async function* source(): AsyncGenerator<ReadingInput> {
      for (let at = 0; at < 1050; at++) {
        pulled++;
        ahead = Math.max(ahead, pulled - committed);
        yield { sensor: `s${at % 7}`, time: start + at * 1000, metrics: { temperature: at % 20, level: at } };
      }
      yield { sensor: 's0', time: start, metrics: { temperature: 0, level: 0 } };
      yield { sensor: 's0', time: start, metrics: { temperature: 99 } };
      yield { sensor: 's0', metrics: { temperature: Number.NaN } };
      yield { sensor: '', metrics: { temperature: 1 } };
      yield { sensor: 's0', time: 'yesterday', metrics: { temperature: 1 } };
      yield { sensor: 's0', time: '1969-01-01T00:00:00Z', metrics: { temperature: 1 } };
      yield null as unknown as ReadingInput;
    }
    const sum = (outcome: object) =>
      Object.values(outcome).reduce((total: number, each: number) => total + each, 0);
    const outcome = await monitor.recordBatch(source(), {
      onProgress: (until) => (committed = sum(until)),
    });
    expect(outcome).toEqual({ stored: 1050, duplicate: 1, merged: 0, conflict: 1, deadLettered: 5 });
    expect(sum(outcome)).toBe(pulled + 7);
    // One batch that is written, and one that is gathered.
    expect(ahead).toBeLessThanOrEqual(201);
    expect(
      (await rows<{ reason: string }>('SELECT reason FROM dead_letters')).map(({ reason }) => reason).sort(),
    ).toEqual([...['bad_time', 'conflict', 'no_device', 'no_metrics', 'parse_error', 'time_out_of_range']]);
    expect(await rows('SELECT count(*)::int AS n FROM sensor_readings')).toEqual([{ n: 1050 }]);
    expect(await rows('SELECT count(*)::int AS n FROM sensor_metrics')).toEqual([{ n: 1050 }]);
  });

  test('one reading that cannot be stored is an error, and a dead letter', async () => {
    const monitor = await open();
    await expect(monitor.recordReading({ sensor: 'x', metrics: {} })).rejects.toMatchObject({
      ...{ name: 'FieldwatchError', code: 'READING_REFUSED', kind: 'data' },
      message: expect.stringContaining('no_metrics'),
    });
    expect(await rows('SELECT topic, reason FROM dead_letters')).toEqual([
      { topic: 'program/program', reason: 'no_metrics' },
    ]);
  });

  test('a source that fails, or is ended: what was taken of it is stored', async () => {
    const monitor = await open({ settings: { ingest: { batch: { max_rows: 10 } } } });
    const start = minutesAgo(60).getTime();
    const readings = (count: number) =>
      Array.from({ length: count }, (_, at) => ({
        sensor: 'f',
        time: start + at,
        metrics: { temperature: 1 },
      }));
    async function* failing() {
      yield* readings(25);
      throw new Error('the file ends here');
    }
    await expect(monitor.recordBatch(failing())).rejects.toThrow('the file ends here');
    expect(await rows('SELECT count(*)::int AS n FROM sensor_readings')).toEqual([{ n: 25 }]);
    const ending = new AbortController();
    await expect(
      monitor.recordBatch(readings(100), {
        signal: ending.signal,
        onProgress: () => ending.abort(new Error('enough')),
      }),
    ).rejects.toThrow('enough');
    expect(await monitor.recordBatch(readings(25))).toMatchObject({ stored: 0, duplicate: 25 });
  });

  test('thresholds are in force when they are set, also for what is open', async () => {
    const monitor = await open({ alerts: {} });
    const heard: AlertEvent[] = [];
    const alerts = monitor.on('alert', (alert) => heard.push(alert));
    await alerts.ready;
    await monitor.recordReading({ sensor: 'oven', metrics: { temperature: 200 } });
    expect(await alertsOf('oven')).toEqual([]);
    await monitor.setThresholds('oven', { temperature: { max: 180 } });
    await monitor.recordReading({ sensor: 'oven', metrics: { temperature: 201 } });
    expect(await alertsOf('oven')).toEqual([{ alert_type: 'temperature_high', resolved: false }]);
    await eventually(() => expect(heard).toHaveLength(1));
    expect(heard[0]).toMatchObject({ event: 'firing', sensor: 'oven', value: 201, threshold: 180 });
    await monitor.setThresholds('oven', {});
    await eventually(async () =>
      expect(await alertsOf('oven')).toEqual([{ alert_type: 'temperature_high', resolved: true }]),
    );
    await eventually(() => expect(heard.map(({ event }) => event)).toEqual(['firing', 'resolved']));
    alerts();
    await expect(monitor.setThresholds('oven', { temperature: { max: 1, min: 2 } })).rejects.toMatchObject({
      code: 'RULES_INVALID',
    });
    // What was refused has changed nothing.
    await monitor.setThresholds('oven', { temperature: { max: 180 } });
  });

  test('rules by location follow what is registered', async () => {
    const monitor = await open({
      alerts: { overrides: [{ location: 'attic', metrics: { temperature: { max: 40 } } }] },
    });
    await monitor.recordReading({ sensor: 'loft', metrics: { temperature: 45 } });
    await monitor.registerSensor({ sensor: 'loft', location: 'attic' });
    await monitor.recordReading({ sensor: 'loft', metrics: { temperature: 46 } });
    expect(await alertsOf('loft')).toHaveLength(1);
  });

  test('a database that is away is an error with its code, after the time that was given', async () => {
    await expect(
      openMonitor({ database: `postgres://u@127.0.0.1:${await freePort()}/x`, retryForMs: 10 }),
    ).rejects.toMatchObject({ name: 'FieldwatchError', code: 'DB_UNREACHABLE' });
    const monitor = await open({ retryForMs: 10 });
    await monitor.recordReading({ sensor: 'a', metrics: { temperature: 1 } });
    await client.query('ALTER TABLE dead_letters RENAME TO letters_elsewhere');
    try {
      await expect(monitor.recordReading({ sensor: 'a', metrics: {} })).rejects.toMatchObject({
        kind: 'schema',
      });
    } finally {
      await client.query('ALTER TABLE letters_elsewhere RENAME TO dead_letters');
    }
    expect(await monitor.recordReading({ sensor: 'a', metrics: { temperature: 2 } })).toMatchObject({
      stored: 1,
    });
  });

  test('options with faults are refused with all of them', async () => {
    await expect(
      openMonitor({
        database: db.url,
        alerts: { metrics: { temperature: { mx: 3 } as object } },
        settings: { metricz: {} },
      }),
    ).rejects.toMatchObject({
      name: 'ConfigError',
      code: 'CONFIG_INVALID',
      faults: [{ path: 'metricz' }, { path: 'alerts.metrics.temperature.mx' }],
    });
  });

  test('after its end nothing is left of it, and it refuses', async () => {
    const monitor = await open({ alerts: HOT });
    await monitor.recordReading({ sensor: 'a', metrics: { temperature: 31 } });
    await monitor.close();
    await monitor.close();
    const calls: readonly (() => Promise<unknown>)[] = [
      () => monitor.recordReading({ sensor: 'a', metrics: { temperature: 31 } }),
      () => monitor.recordBatch([]),
      () => monitor.registerSensor({ sensor: 'b' }),
      () => monitor.setThresholds('a', {}),
      () => monitor.summary('a'),
      () => monitor.latest(),
      () => monitor.recordMetric('h', 'n', 1),
      () => monitor.analyze.describe({ from: 0 }),
      () => monitor.evaluatedBy(),
      () => loadFrame(monitor),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'MONITOR_CLOSED' });
    expect(() => monitor.on('alert', () => undefined)).toThrow('closed');
    expect(await rows('SELECT member FROM share_members')).toEqual([]);
    expect(await rows('SELECT DISTINCT owner FROM alert_shards')).toEqual([{ owner: null }]);
  });
});

describe('several programs', () => {
  test('with the same rules evaluate each reading once, whichever of them records it', async () => {
    const first = await open({ alerts: SHARED, name: 'first' });
    const second = await open({ alerts: SHARED, name: 'second' });
    const sensors = Array.from({ length: 20 }, (_, at) => `p${at}`);
    for (const [at, sensor] of sensors.entries()) {
      await (at % 2 === 0 ? first : second).recordReading({ sensor, metrics: { temperature: 40 } });
      await (at % 2 === 0 ? second : first).recordReading({ sensor, metrics: { temperature: 20 } });
    }
    await eventually(async () => {
      for (const sensor of sensors)
        expect(await alertsOf(sensor)).toEqual([{ alert_type: 'temperature_high', resolved: true }]);
      expect(await rows('SELECT id FROM alert_handover')).toEqual([]);
    });
  });
});

async function firstOf<Item>(items: AsyncIterable<Item>): Promise<Item | undefined> {
  for await (const item of items) return item;
  return undefined;
}

describe('hourly trends', () => {
  const HOUR_MS = 3_600_000;
  const hour = (ago: number) => new Date((Math.floor(Date.now() / HOUR_MS) - ago) * HOUR_MS);

  test('of the aggregates and of the readings since, each metric in one query of them', async () => {
    const monitor = await open();
    const at = (ago: number, minute: number) => new Date(hour(ago).getTime() + minute * 60_000);
    for (const [ago, value] of [
      [30, 10],
      [29, 20],
      [2, 40],
    ] as const)
      await monitor.recordBatch([
        { sensor: 'mill', time: at(ago, 1), metrics: { temperature: value, rssi: -value, co2: value * 10 } },
        { sensor: 'mill', time: at(ago, 2), metrics: { temperature: value + 2, co2: value * 10 + 20 } },
      ]);
    for (const view of ['sensor_hourly_agg', 'sensor_metrics_hourly_agg'])
      await client.query(`CALL refresh_continuous_aggregate('${view}', $1::timestamptz, $2::timestamptz)`, [
        hour(31),
        hour(28),
      ]);
    const query = jest.spyOn(pg.Client.prototype, 'query');
    const trends = await monitor.hourlyTrends('mill', 7);
    const texts = query.mock.calls.map(([given]) => inspect(given));
    query.mockRestore();
    expect(texts.filter((text) => /sensor_(readings|metrics|hourly_agg)/.test(text))).toHaveLength(1);
    expect(
      trends.map(({ hour: bucket, metric, avg, min, max, count }) => [bucket, metric, avg, min, max, count]),
    ).toEqual(
      [
        [30, 10, -10, 100],
        [29, 20, -20, 200],
        [2, 40, -40, 400],
      ].flatMap(([ago = 0, temperature = 0, rssi = 0, co2 = 0]) => [
        [hour(ago), 'co2', co2 + 10, co2, co2 + 20, 2],
        // The aggregate keeps no extremes of rssi.
        [hour(ago), 'rssi', rssi, ...(ago === 2 ? [rssi, rssi] : [null, null]), 1],
        [hour(ago), 'temperature', temperature + 1, temperature, temperature + 2, 2],
      ]),
    );
    expect((await monitor.hourlyTrends('mill', 7, { metrics: ['rssi'] })).map(({ avg }) => avg)).toEqual([
      -10, -20, -40,
    ]);
    await expect(monitor.hourlyTrends('mill', 7, { metrics: ['rsi'] })).rejects.toMatchObject({
      ...{ code: 'METRIC_UNKNOWN', remedy: 'Did you mean "rssi"?' },
    });
  });
});

/** An argument that the types do not admit. */
const wrong = (given?: unknown) => given as never;

describe('arguments of programs without types', () => {
  const cases: [string, (monitor: Monitor) => unknown, RegExp][] = [
    ['registerSensor()', (m) => m.registerSensor(wrong()), /^registerSensor: sensor: /],
    ['registerSensor(null)', (m) => m.registerSensor(wrong(null)), /^registerSensor: sensor: /],
    ['registerSensor([null])', (m) => m.registerSensor([wrong(null)]), /^registerSensor: sensor/],
    [
      'registerSensor, tags',
      (m) => m.registerSensor({ sensor: 'a', tags: wrong('b') }),
      /^registerSensor: sensor/,
    ],
    [
      'registerSensor, a zero character',
      (m) => m.registerSensor({ sensor: 'a', name: '\0' }),
      /^registerSensor: sensor/,
    ],
    ['setThresholds()', (m) => m.setThresholds(wrong(), wrong()), /^setThresholds: sensor: expected string/],
    [
      'setThresholds(key)',
      (m) => m.setThresholds('a', wrong()),
      /^setThresholds: thresholds: expected object/,
    ],
    ['summary()', (m) => m.summary(wrong()), /^summary: sensor: expected string, received undefined/],
    [
      'summary(object)',
      (m) => m.summary(wrong({ sensor: 'a' })),
      /^summary: sensor: expected string, received object/,
    ],
    ['hourlyTrends()', (m) => m.hourlyTrends(wrong()), /^hourlyTrends: sensor: expected string/],
    [
      'hourlyTrends, null',
      (m) => m.hourlyTrends('a', 7, wrong(null)),
      /^hourlyTrends: options: expected object/,
    ],
    [
      'hourlyTrends, metrics',
      (m) => m.hourlyTrends('a', 7, { metrics: wrong('co2') }),
      /options\.metrics: expected array/,
    ],
    ['recentAlerts(null)', (m) => m.recentAlerts(wrong(null)), /^recentAlerts: query: expected object/],
    ['recentAlerts, sensor', (m) => m.recentAlerts({ sensor: wrong(5) }), /query\.sensor: expected string/],
    ['recentAlerts, limit', (m) => m.recentAlerts({ limit: -1 }), /query\.limit: /],
    ['latest(null)', (m) => m.latest(wrong(null)), /^latest: query: expected object/],
    ['readings()', (m) => firstOf(m.readings(wrong())), /^readings: query: expected object/],
    ['use()', (m) => m.use(wrong()), /^use: query: expected object/],
    ['use, no metric', (m) => m.use(wrong({ from: 0 })), /query\.metric: expected string/],
    [
      'recordMetric, tags',
      (m) => m.recordMetric('h', 'n', 1, wrong(null)),
      /^recordMetric: tags: expected object/,
    ],
    ['appMetrics(null)', (m) => m.appMetrics(wrong(null)), /^appMetrics: query: expected object/],
    ['recordBatch, options', (m) => m.recordBatch([], wrong(null)), /^recordBatch: options: expected object/],
    [
      'on, event',
      async (m) => m.on(wrong('alerts'), () => undefined),
      /^event: "alerts" is not one of its values/,
    ],
    ['on, listener', async (m) => m.on('alert', wrong()), /^on: listener: expected a function/],
    ['analyze.describe()', (m) => m.analyze.describe(wrong()), /^analyze\.describe: input: expected object/],
    [
      'analyze.pattern, no metric',
      (m) => m.analyze.pattern(wrong({ from: 0 })),
      /input\.metric: expected string/,
    ],
    [
      'analyze.outliers, sensor',
      (m) => m.analyze.outliers({ from: 0, metric: 'a', sensor: wrong(5) }),
      /input\.sensor: expected a string/,
    ],
    ['loadFrame(monitor, null)', (m) => loadFrame(m, wrong(null)), /^loadFrame: input: expected object/],
    ['loadFrame, metrics', (m) => loadFrame(m, { metrics: wrong('co2') }), /input\.metrics: expected array/],
    [
      'saveFrame, options',
      (m) => saveFrame(m, new Uint8Array(), wrong(null)),
      /^saveFrame: options: expected object/,
    ],
  ];

  test('are refused by ARGUMENT_INVALID, which names the argument and its shape', async () => {
    const monitor = await open({ alerts: HOT });
    for (const [what, call, message] of cases) {
      const error: unknown = await Promise.resolve(call(monitor)).then(
        () => 'no error',
        (thrown: unknown) => thrown,
      );
      expect([what, error]).toEqual([
        what,
        expect.objectContaining({ code: 'ARGUMENT_INVALID', message: expect.stringMatching(message) }),
      ]);
    }
  });

  test.each([[null], [undefined], [5], [{}], [{ sensor: 'a' }], [{ sensor: 'a', metrics: null }]])(
    'recordReading(%j) is refused with the form of a reading',
    async (reading) => {
      const monitor = await open();
      await expect(monitor.recordReading(wrong(reading))).rejects.toMatchObject({
        code: 'READING_REFUSED',
        message: expect.stringMatching(/expected \{ sensor: string, metrics: |no_device/),
      });
    },
  );

  test('numbers of hours and days are TIME_INVALID', async () => {
    const monitor = await open();
    for (const given of [NaN, 0, -1, Infinity, wrong('5'), wrong(Symbol('s')), wrong(null)])
      for (const call of [
        () => monitor.summary('a', given),
        () => monitor.hourlyTrends('a', given),
        () => monitor.recentAlerts({ hours: given }),
      ])
        await expect(call()).rejects.toMatchObject({ code: 'TIME_INVALID' });
  });
});

test('a name that no database can hold is an unknown one', async () => {
  const monitor = await open();
  await monitor.recordReading({ sensor: 'known', metrics: { temperature: 20, co2: 5 } });
  const from = minutesAgo(60);
  const BAD = 'kno\0wn';
  const sensorUnknown = [
    () => monitor.summary(BAD),
    () => monitor.hourlyTrends(BAD),
    () => monitor.recentAlerts({ sensor: BAD }),
    () => monitor.latest({ sensor: BAD }),
    () => firstOf(monitor.readings({ sensor: BAD, from })),
    () => monitor.use({ sensor: BAD, metric: 'co2', from }),
    () => monitor.analyze.describe({ sensor: ['known', BAD], from }),
  ];
  for (const call of sensorUnknown)
    await expect(call()).rejects.toMatchObject({
      ...{ code: 'SENSOR_UNKNOWN', message: `no sensor is registered under the key ${JSON.stringify(BAD)}` },
    });
  await expect(monitor.analyze.describe({ location: BAD, from })).rejects.toMatchObject({
    code: 'LOCATION_UNKNOWN',
  });
  for (const call of [
    () => monitor.hourlyTrends('known', 7, { metrics: ['co2', BAD] }),
    () => monitor.analyze.describe({ metrics: ['co2', BAD], from }),
    () => monitor.use({ metric: BAD, from }),
  ])
    await expect(call()).rejects.toMatchObject({ code: 'METRIC_UNKNOWN' });
  for (const input of [{ sensor: ['known', BAD] }, { location: BAD }, { metrics: [BAD] }])
    await expect(loadFrame(monitor, input)).rejects.toMatchObject({ code: 'EXPORT_UNKNOWN_NAME' });
});

describe('while a daemon runs', () => {
  const daemonOf = async () =>
    startDaemon(`
database: { url: "${db.url}" }
embedded: { mqtt_port: ${await freePort()} }
state_dir: ${process.env['TMPDIR'] ?? '/tmp'}/fieldwatch-monitor-test-${process.pid}
alerts: { metrics: { temperature: { max: 50 } } }
http: { enabled: false }
scheduler: { enabled: false }
spool: { enabled: false }
`);

  test('hands over what it records, also while the daemon is stopped; rules of its own are refused', async () => {
    const daemon = await daemonOf();
    try {
      const monitor = await open();
      expect(await monitor.evaluatedBy()).toBe('daemon');
      await monitor.recordReading({ sensor: 'furnace', metrics: { temperature: 60 } });
      await eventually(async () => expect(await alertsOf('furnace')).toHaveLength(1));
      await expect(openMonitor({ database: db.url, alerts: HOT })).rejects.toMatchObject({
        code: 'EVALUATED_BY_DAEMON',
      });
      await daemon.stop();
      await monitor.recordReading({ sensor: 'furnace', metrics: { temperature: 20 } });
      await monitor.recordReading({ sensor: 'kiln', metrics: { temperature: 70 } });
      expect(await alertsOf('kiln')).toEqual([]);
    } finally {
      await daemon.stop();
    }
    const next = await daemonOf();
    try {
      await eventually(async () => {
        expect(await alertsOf('furnace')).toEqual([{ alert_type: 'temperature_high', resolved: true }]);
        expect(await alertsOf('kiln')).toEqual([{ alert_type: 'temperature_high', resolved: false }]);
        expect(await rows('SELECT id FROM alert_handover')).toEqual([]);
      });
    } finally {
      await next.stop();
    }
  });

  test('a daemon that starts takes over from a program with rules of its own', async () => {
    const monitor = await open({ alerts: HOT });
    await monitor.recordReading({ sensor: 'boiler', metrics: { temperature: 40 } });
    expect(await alertsOf('boiler')).toHaveLength(1);
    const daemon = await daemonOf();
    try {
      await monitor.recordReading({ sensor: 'boiler', metrics: { temperature: 41 } });
      await monitor.recordReading({ sensor: 'boiler', metrics: { temperature: 55 } });
      await eventually(async () => {
        expect(await rows('SELECT id FROM alert_handover')).toEqual([]);
        expect(await monitor.evaluatedBy()).toBe('daemon');
        // Its rules have ended the alert of the program's, and raised their own.
        expect((await alertsOf('boiler')).map(({ resolved }) => resolved)).toEqual([true, false]);
      });
    } finally {
      await daemon.stop();
    }
  });
});
