import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import {
  anomalies,
  dailyStatistics,
  hourlyStatistics,
  movingAverage,
} from '../../../src/queries/statistics.ts';
import type { MetricQuery } from '../../../src/queries/db.ts';
import { bucketStatistics, sourceOf } from '../../../src/queries/bucket-statistics.ts';
import { gapFilled } from '../../../src/queries/gapfill.ts';
import { latestReadings } from '../../../src/queries/latest-readings.ts';
import { latestMetric, recentMetric, recentReadings } from '../../../src/queries/readings.ts';
import { locationFigures } from '../../../src/queries/sensors.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';

/** `10T10:00` is ten o'clock UTC five days ago: recent enough for every retention policy of a real server. */
const DAY_MS = 86_400_000;
const TENTH = Math.floor(Date.now() / DAY_MS) * DAY_MS - 5 * DAY_MS;
const at = (text: string): Date => {
  const [day, time] = text.split('T');
  return new Date(TENTH + (Number(day) - 10) * DAY_MS + Date.parse(`1970-01-01T${time ?? ''}Z`));
};

let database: TestDatabase;
let db: pg.Pool;

const run = (text: string, ...values: unknown[]) => db.query(text, values);

async function reading(time: string, sensor: number, ...values: (number | null)[]): Promise<void> {
  await run(
    'INSERT INTO sensor_readings (time, sensor_id, temperature, humidity, rssi) VALUES ($1, $2, $3, $4, $5)',
    at(time),
    sensor,
    ...values,
  );
}

/**
 * a: greenhouse, 10:00 to 10:03 and 10:10 on the 10th, then 11:00; co2 besides. b: coldroom, two readings a day apart.
 * c: no location, never sends.
 */
beforeAll(async () => {
  database = await openTestDatabase({ migrated: true });
  db = new pg.Pool({ connectionString: database.url, max: 1 });
  // The server that is stopped says goodbye to connections that are being closed.
  db.on('error', () => {});
  await run(`INSERT INTO sensors (id, key, location, tags) VALUES
    (1, 'a', 'greenhouse', '{x,y}'), (2, 'b', 'coldroom', '{}'), (3, 'c', NULL, '{}')`);
  await run(`INSERT INTO metrics (id, name, unit) VALUES (1, 'co2', 'ppm'), (2, 'noise', 'dB')`);
  await reading('10T10:00', 1, 20, 50, -60);
  await reading('10T10:01', 1, 21, null, -61);
  await reading('10T10:02', 1, 22, 51, -62);
  await reading('10T10:03', 1, 23, 52, -63);
  await reading('10T10:10', 1, 30, 53, -64);
  await reading('10T11:00', 1, 10, 54, -65);
  await reading('09T10:00', 2, 4, 80, null);
  await reading('10T10:00', 2, 6, 82, null);
  for (const [time, value] of [
    ['10T10:00', 400],
    ['10T10:02', 500],
    ['10T11:00', 600],
  ] as const)
    await run(
      'INSERT INTO sensor_metrics (time, sensor_id, metric_id, value) VALUES ($1, 1, 1, $2)',
      at(time),
      value,
    );
});
afterAll(async () => {
  await db.end();
  await database.close();
});

const all = (metric: string, change: Partial<MetricQuery> = {}): MetricQuery => ({
  metric,
  from: at('10T00:00'),
  to: at('11T00:00'),
  limit: 100,
  ...change,
});

describe('readings', () => {
  test('recent: newest first, half open, limited', async () => {
    const rows = await recentReadings(db, { from: at('10T10:01'), to: at('10T11:00'), limit: 3 });
    expect(rows.map(({ time, sensor, temperature }) => [time, sensor, temperature])).toEqual([
      [at('10T10:10'), 'a', 30],
      [at('10T10:03'), 'a', 23],
      [at('10T10:02'), 'a', 22],
    ]);
    expect(rows[0]).toEqual({
      time: at('10T10:10'),
      sensor: 'a',
      location: 'greenhouse',
      temperature: 30,
      humidity: 53,
      pressure: null,
      battery: null,
      rssi: -64,
      further: null,
    });
    const [eleven] = await recentReadings(db, { from: at('10T11:00'), to: at('10T12:00') });
    expect(eleven?.further).toEqual({ co2: 600 });
  });

  test('recent: of one sensor, of one location, of a hostile name', async () => {
    const range = { from: at('01T00:00'), to: at('11T00:00'), limit: 100 };
    expect(await recentReadings(db, { ...range, sensor: 'b' })).toHaveLength(2);
    expect(await recentReadings(db, { ...range, location: 'greenhouse' })).toHaveLength(6);
    expect(await recentReadings(db, { ...range, location: 'greenhouse', sensor: 'b' })).toEqual([]);
    expect(await recentReadings(db, { ...range, sensor: `x' OR '1'='1` })).toEqual([]);
  });

  test('recent values of a metric, in a column of its own or not', async () => {
    const humidity = await recentMetric(db, all('humidity', { sensor: 'a' }));
    expect(humidity.map(({ value }) => value)).toEqual([54, 53, 52, 51, 50]);
    const co2 = await recentMetric(db, all('co2'));
    expect(co2.map(({ sensor, value }) => [sensor, value])).toEqual([
      ['a', 600],
      ['a', 500],
      ['a', 400],
    ]);
    expect(await recentMetric(db, all('nothing'))).toEqual([]);
    expect((await recentMetric(db, all('rssi', { limit: 1 })))[0]?.value).toBe(-65);
  });

  test('latest: every sensor, the silent one too', async () => {
    const nowMs = Date.now();
    const rows = await latestReadings(db, { since: at('10T00:00'), nowMs });
    const brief = rows.map(({ sensor, time, metrics }) => [
      sensor,
      time,
      metrics.map(({ metric, value, unit }) => [metric, value, unit]),
    ]);
    expect(brief).toEqual([
      [
        'a',
        at('10T11:00'),
        [
          ['temperature', 10, '°C'],
          ['humidity', 54, '%'],
          ['rssi', -65, 'dBm'],
          ['co2', 600, 'ppm'],
        ],
      ],
      [
        'b',
        at('10T10:00'),
        [
          ['temperature', 6, '°C'],
          ['humidity', 82, '%'],
        ],
      ],
      ['c', null, []],
    ]);
    const older = await latestReadings(db, { since: at('10T10:30'), nowMs, sensor: 'b' });
    expect(older).toMatchObject([{ sensor: 'b', time: null }]);
  });

  test('latest value of a metric', async () => {
    const since = at('10T00:00');
    const co2 = await latestMetric(db, { metric: 'co2', since, limit: 10 });
    expect(co2.map(({ sensor, value }) => [sensor, value])).toEqual([
      ['a', 600],
      ['b', null],
      ['c', null],
    ]);
    const humidity = await latestMetric(db, { metric: 'humidity', since, limit: 10, location: 'coldroom' });
    expect(humidity).toMatchObject([{ sensor: 'b', value: 82, time: at('10T10:00') }]);
  });
});

const HOURS_A = [
  [at('10T11:00'), 'a', 10, 10, 10, 1],
  [at('10T10:00'), 'a', 23.2, 20, 30, 5],
];
const brief = (rows: Awaited<ReturnType<typeof hourlyStatistics>>) =>
  rows.map(({ bucket, sensor, avg, min, max, count }) => [
    bucket,
    sensor,
    Number(avg.toFixed(6)),
    min,
    max,
    count,
  ]);

describe('statistics', () => {
  const daysOfA = [[at('10T00:00'), 'a', 21, 10, 30, 6]];

  test('hourly and daily before any refresh: from the raw rows', async () => {
    expect(brief(await hourlyStatistics(db, all('temperature', { sensor: 'a' })))).toEqual(HOURS_A);
    expect(brief(await dailyStatistics(db, all('temperature', { sensor: 'a' })))).toEqual(daysOfA);
  });

  test('a range that starts within an hour takes the hour whole', async () => {
    const rows = await hourlyStatistics(db, all('temperature', { sensor: 'a', from: at('10T10:02') }));
    expect(brief(rows)).toEqual(HOURS_A);
  });

  test('a metric without a column of its own', async () => {
    expect(brief(await hourlyStatistics(db, all('co2')))).toEqual([
      [at('10T11:00'), 'a', 600, 600, 600, 1],
      [at('10T10:00'), 'a', 450, 400, 500, 2],
    ]);
    expect(brief(await dailyStatistics(db, all('co2')))).toEqual([[at('10T00:00'), 'a', 500, 400, 600, 3]]);
  });

  const refresh = (view: string, to: string) =>
    run(
      'CALL refresh_continuous_aggregate($1, $2::timestamptz, $3::timestamptz)',
      view,
      at('09T00:00'),
      at(to),
    );

  test('the same once hours, then days, come from the aggregates', async () => {
    await refresh('sensor_hourly_agg', '10T11:00');
    expect(brief(await hourlyStatistics(db, all('temperature', { sensor: 'a' })))).toEqual(HOURS_A);
    expect(brief(await dailyStatistics(db, all('temperature', { sensor: 'a' })))).toEqual(daysOfA);
    // What the aggregate holds is not counted again from the raw rows.
    const all2 = await dailyStatistics(db, all('temperature', { from: at('09T00:00') }));
    expect(brief(all2)).toEqual([
      ...daysOfA,
      [at('10T00:00'), 'b', 6, 6, 6, 1],
      [at('09T00:00'), 'b', 4, 4, 4, 1],
    ]);
    await refresh('sensor_hourly_agg', '11T00:00');
    await refresh('sensor_daily_agg', '11T00:00');
    expect(brief(await hourlyStatistics(db, all('temperature', { sensor: 'a' })))).toEqual(HOURS_A);
    expect(brief(await dailyStatistics(db, all('temperature', { from: at('09T00:00') })))).toEqual(
      brief(all2),
    );
    expect(await dailyStatistics(db, all('rssi', { sensor: 'a' }))).toMatchObject([
      { avg: -62.5, min: null, max: null, count: 6 },
    ]);
    expect(await dailyStatistics(db, all('pressure'))).toEqual([]);
  });

  test('per location, alerts included', async () => {
    await run(`INSERT INTO alert_state (sensor_id, metric, kind, side, alert_type, state, severity, seq, last_event_at, last_value, rule_hash)
      VALUES (1, 'temperature', 'threshold', 'high', 'temperature_high', 'firing', 'warning', 1, now(), 1, ''),
        (1, 'humidity', 'threshold', 'high', 'humidity_high', 'pending', 'warning', 1, now(), 1, '')`);
    const rows = await locationFigures(db, all('temperature'));
    const none = { avg: null, stddev: null, min: null, median: null, p95: null, max: null, count: 0 };
    expect(rows).toEqual([
      {
        location: 'coldroom',
        sensors: 1,
        reporting: 1,
        ...none,
        avg: 6,
        min: 6,
        median: 6,
        p95: 6,
        max: 6,
        count: 1,
        firing: 0,
      },
      {
        ...{
          location: 'greenhouse',
          sensors: 1,
          reporting: 1,
          avg: 21,
          min: 10,
          median: 21.5,
          max: 30,
          count: 6,
          firing: 1,
        },
        // The values are 10, 20, 21, 22, 23, 30: a quarter of the way from the fifth to the sixth.
        ...{ stddev: expect.closeTo(Math.sqrt(208 / 5), 9), p95: expect.closeTo(28.25, 9) },
      },
      { location: null, sensors: 1, reporting: 0, ...none, firing: 0 },
    ]);
  });
});

describe('buckets of any width', () => {
  /** One value every half hour around the nights in which Berlin changes its clock. */
  beforeAll(async () => {
    await run(`INSERT INTO sensors (id, key, location) VALUES (20, 'dst', 'berlin')`);
    await run(`INSERT INTO sensor_readings (time, sensor_id, temperature)
      SELECT t, 20, 1 FROM generate_series('2026-03-27 23:00Z'::timestamptz, '2026-03-30 21:59Z', INTERVAL '30 min') t
      UNION ALL SELECT t, 20, 1 FROM generate_series('2025-10-24 22:00Z'::timestamptz, '2025-10-27 22:59Z', INTERVAL '30 min') t`);
  });
  afterAll(() => run('DELETE FROM sensor_readings WHERE sensor_id = 20'));

  const counts = async (
    from: string,
    to: string,
    bucket: Parameters<typeof bucketStatistics>[1]['bucket'],
    zone = 'Europe/Berlin',
  ) => {
    const range = { from: new Date(from), to: new Date(to) };
    const rows = await bucketStatistics(db, {
      ...all('temperature', { ...range, sensor: 'dst' }),
      limit: undefined,
      bucket,
      zone,
    });
    return rows.map(({ bucket: start, count }) => [start.toISOString().slice(0, 16), count]).reverse();
  };

  test('a day of the zone has 23, 24 or 25 hours, and is taken whole', async () => {
    const day = { unit: 'days', count: 1 } as const;
    expect(await counts('2026-03-28T12:00Z', '2026-03-30T22:00Z', day)).toEqual([
      ['2026-03-27T23:00', 48],
      ['2026-03-28T23:00', 46],
      ['2026-03-29T22:00', 48],
    ]);
    expect(await counts('2025-10-25T12:00Z', '2025-10-27T23:00Z', day)).toEqual([
      ['2025-10-24T22:00', 48],
      ['2025-10-25T22:00', 50],
      ['2025-10-26T23:00', 48],
    ]);
  });

  test('months are of the zone; an hour that comes twice is two; six hours are of the clock', async () => {
    expect(await counts('2025-10-01T00:00Z', '2026-04-01T00:00Z', { unit: 'months', count: 1 })).toEqual([
      ['2025-09-30T22:00', 146],
      ['2026-02-28T23:00', 142],
    ]);
    expect(await counts('2025-10-26T00:00Z', '2025-10-26T02:00Z', { unit: 'ms', count: 3_600_000 })).toEqual([
      ['2025-10-26T00:00', 2],
      ['2025-10-26T01:00', 2],
    ]);
    expect(await counts('2026-03-28T23:00Z', '2026-03-29T22:00Z', { unit: 'ms', count: 21_600_000 })).toEqual(
      [
        ['2026-03-28T23:00', 10],
        ['2026-03-29T04:00', 12],
        ['2026-03-29T10:00', 12],
        ['2026-03-29T16:00', 12],
      ],
    );
  });

  test('hours of a zone with half an hour begin with its own', async () => {
    expect(
      await counts(
        '2026-03-28T00:00Z',
        '2026-03-28T01:30Z',
        { unit: 'ms', count: 3_600_000 },
        'Asia/Kolkata',
      ),
    ).toEqual([
      ['2026-03-27T23:30', 2],
      ['2026-03-28T00:30', 2],
    ]);
  });

  test('the aggregates are used where their borders are those of the buckets', () => {
    const of = (zone: string, unit: 'ms' | 'days', count: number) =>
      sourceOf({ ...all('temperature'), bucket: { unit, count }, zone });
    expect(of('UTC', 'days', 7)).toBe('days');
    expect(of('Europe/Berlin', 'days', 1)).toBe('hours');
    expect(of('Europe/Berlin', 'ms', 7_200_000)).toBe('hours');
    expect(of('Asia/Kolkata', 'days', 1)).toBe('readings');
    expect(of('UTC', 'ms', 900_000)).toBe('readings');
  });

  test('are the same from readings and from the aggregates, a metric without a column included', async () => {
    for (const metric of ['temperature', 'co2'])
      for (const [unit, count, zone] of [
        ['days', 1, 'UTC'],
        ['days', 1, 'Europe/Berlin'],
        ['ms', 3_600_000, 'UTC'],
      ] as const) {
        const query = {
          ...all(metric, { from: at('09T00:00'), sensor: 'a' }),
          bucket: { unit, count },
          zone,
        };
        const rows = await bucketStatistics(db, query);
        expect(rows.reduce((sum, row) => sum + row.count, 0)).toBe(metric === 'co2' ? 3 : 6);
      }
  });
});

describe('series', () => {
  test('a gap at an edge is filled by the last value before the range, and the first after it', async () => {
    const rows = await gapFilled(db, {
      ...all('temperature', { sensor: 'a', from: at('10T10:04'), to: at('10T10:14') }),
      bucket: { unit: 'ms', count: 120_000 },
      zone: 'UTC',
    });
    expect(rows.map(({ bucket, locf, interpolated }) => [bucket, locf, interpolated])).toEqual([
      // From 23 at 10:03 to 30 at 10:10, and on to 10 at 11:00.
      [at('10T10:04'), 23, 24],
      [at('10T10:06'), 23, 26],
      [at('10T10:08'), 23, 28],
      [at('10T10:10'), 30, 30],
      [at('10T10:12'), 30, 29.2],
    ]);
    const co2 = await gapFilled(db, {
      ...all('co2', { from: at('10T10:01'), to: at('10T10:03') }),
      ...{ bucket: { unit: 'ms', count: 60_000 }, zone: 'Asia/Kolkata' },
    });
    expect(co2.map(({ locf, interpolated }) => [locf, interpolated])).toEqual([
      [400, 450],
      [500, 500],
    ]);
  });

  test('gaps are filled by carrying forward and by a straight line', async () => {
    const rows = await gapFilled(db, {
      ...all('temperature', { sensor: 'a', from: at('10T09:58'), to: at('10T10:12') }),
      bucket: { unit: 'ms', count: 120_000 },
      zone: 'UTC',
    });
    expect(rows.map(({ bucket, avg, locf, interpolated }) => [bucket, avg, locf, interpolated])).toEqual([
      [at('10T09:58'), null, null, null],
      [at('10T10:00'), 20.5, 20.5, 20.5],
      [at('10T10:02'), 22.5, 22.5, 22.5],
      [at('10T10:04'), null, 22.5, 24.375],
      [at('10T10:06'), null, 22.5, 26.25],
      [at('10T10:08'), null, 22.5, 28.125],
      [at('10T10:10'), 30, 30, 30],
    ]);
    const co2 = await gapFilled(db, {
      ...all('co2', { from: at('10T10:00'), to: at('10T10:03') }),
      bucket: { unit: 'ms', count: 60_000 },
      zone: 'UTC',
    });
    expect(co2.map(({ avg, interpolated }) => [avg, interpolated])).toEqual([
      [400, 400],
      [null, 450],
      [500, 500],
    ]);
  });

  test('too many buckets are refused before the query', async () => {
    const bucket = { unit: 'ms', count: 1000 } as const;
    const query = { ...all('temperature', { from: new Date(0) }), bucket, zone: 'UTC' };
    await expect(gapFilled(db, query)).rejects.toMatchObject({ code: 'QUERY_TOO_LARGE', kind: 'config' });
  });

  test('the moving average has its whole window at the start of the range', async () => {
    const rows = await movingAverage(db, {
      ...all('temperature', { sensor: 'a', from: at('10T10:02'), to: at('10T10:11') }),
      windowMs: 120_000,
    });
    expect(rows.map(({ time, value, average, count }) => [time, value, average, count])).toEqual([
      [at('10T10:10'), 30, 30, 1],
      [at('10T10:03'), 23, 22, 3],
      [at('10T10:02'), 22, 21, 3],
    ]);
  });

  test('anomalies: beyond z of the own mean, furthest first; constants and small samples give no verdict', async () => {
    const query = { ...all('temperature'), z: 1.2, minValues: 5 };
    const rows = await anomalies(db, query);
    expect(rows.map(({ time, sensor, value }) => [time, sensor, value])).toEqual([
      [at('10T11:00'), 'a', 10],
      [at('10T10:10'), 'a', 30],
    ]);
    // mean 21, population variance (1+0+1+4+81+121)/6
    expect(rows[0]?.mean).toBeCloseTo(21, 9);
    expect(rows[0]?.sigma).toBeCloseTo(Math.sqrt(208 / 6), 9);
    expect(rows[0]?.z).toBeCloseTo(-11 / Math.sqrt(208 / 6), 9);
    expect(await anomalies(db, { ...query, minValues: 7 })).toEqual([]);
    expect(await anomalies(db, { ...query, z: 1.9 })).toEqual([]);
  });
});
