import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { createSystemClock } from '../../../src/adapters/system/clock.ts';
import { createCatalog } from '../../../src/adapters/timescale/policy/catalog.ts';
import { AdvisoryLeaderLock } from '../../../src/adapters/timescale/policy/leader-lock.ts';
import { migrate } from '../../../src/adapters/timescale/migrate/migrate.ts';
import { loadMigrations } from '../../../src/adapters/timescale/migrate/migrations.ts';
import { storeKinds } from '../../../src/adapters/timescale/ingest/metric-kinds.ts';
import { createStatementExecutor } from '../../../src/adapters/timescale/policy/statement-executor.ts';
import { kindsOf } from '../../../src/app/options.ts';
import { configSchema } from '../../../src/config/schema/index.ts';
import { assess } from '../../../src/core/policy/assess.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import { planSeries } from '../../../src/core/series-plan.ts';
import { planExport } from '../../../src/queries/export/plan.ts';
import { counterUse } from '../../../src/queries/counters.ts';
import type { CounterUse } from '../../../src/queries/rows.ts';
import { forgetMetrics } from '../../../src/queries/metrics.ts';
import { type SeriesColumns, bucketedSeries, hasAtMost } from '../../../src/queries/series.ts';
import { sparks } from '../../../src/queries/sparks.ts';
import { dailyStatistics, hourlyStatistics } from '../../../src/queries/statistics.ts';
import { LateRefresh } from '../../../src/services/policy/late-refresh.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { eventually } from '../../support/eventually.ts';
import { RecordingMetrics } from '../../support/fakes.ts';
import { planWith } from '../../support/policy-plan.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

const DAYS = 30;
const DAY_MS = 86_400_000;
const HOUR_MS = DAY_MS / 24;
const all = loadMigrations();
const before = all.filter(({ version }) => version < 23);

let db: TestDatabase;
let client: pg.Client;
const rows = async <Row = Record<string, unknown>>(text: string, values: unknown[] = []) =>
  (await client.query(text, values)).rows as Row[];

beforeAll(async () => {
  db = await openTestDatabase();
  client = new pg.Client({ connectionString: db.url });
  await client.connect();
  // As an earlier version leaves it: a month of values, the older chunks compressed.
  await migrate(client, { migrations: before });
  await rows(`INSERT INTO sensors (key, location) VALUES ('meter-1', 'cellar'), ('meter-2', NULL)`);
  await rows(`INSERT INTO metrics (name) VALUES ('power'), ('co2')`);
  await rows(`INSERT INTO sensor_metrics (time, sensor_id, metric_id, value)
    SELECT t, s, m, 100 * s + 10 * m + extract(hour FROM t)
    FROM generate_series(now() - INTERVAL '${DAYS} days', now() - INTERVAL '1 minute', INTERVAL '3 hours') t,
      generate_series(1, 2) s, generate_series(1, 2) m`);
  await rows(`SELECT compress_chunk(format('%I.%I', chunk_schema, chunk_name)::regclass)
    FROM timescaledb_information.chunks WHERE hypertable_name = 'sensor_metrics' AND range_end < now() - INTERVAL '7 days'`);
});
afterAll(async () => {
  await client.end();
  await db.close();
});

/** Runs the daemon's refresh until `failsAfter` statements are done, or until nothing is left. */
async function fill(failsAfter = Infinity): Promise<string[]> {
  const done: string[] = [];
  const own = { clock: createSystemClock(), logger: new QuietLogger(), metrics: new RecordingMetrics() };
  const [catalog, inner] = [createCatalog({ url: db.url }), createStatementExecutor({ url: db.url })];
  const executor = {
    run: async (sql: string) => {
      if (done.length >= failsAfter) throw new Error('gone');
      const result = await inner.run(sql);
      done.push(sql);
      return result;
    },
  };
  const inTurn = new AdvisoryLeaderLock({ url: db.url }, own, 'late');
  let isOver = false;
  const lock = {
    tryHold: () => inTurn.tryHold(),
    release: async () => {
      await inTurn.release();
      isOver = true;
    },
  };
  const refresh = new LateRefresh({
    ...{ ...own, catalog, executor, lock, plan: planWith(), random: Math.random, gatherMs: 1 },
  });
  refresh.start();
  await eventually('the refresh has done what it could', () => isOver);
  await refresh.stop();
  await inner.close();
  await catalog.close();
  return done;
}

/** Rows of an aggregate that are not what the values give. */
const wrong = (view: string, bucket: string) =>
  rows(`SELECT * FROM (SELECT ${bucket} AS bucket, sensor_id, metric_id, count_value, sum_value, min_value, max_value, first_value,
        last_value, first_time, last_time FROM ${view}) a
    FULL JOIN (SELECT time_bucket('1 ${bucket}', time) AS bucket, sensor_id, metric_id, count(*) AS n, sum(value), min(value),
        max(value), first(value, time), last(value, time), min(time) AS since, max(time) AS until
      FROM sensor_metrics WHERE time < time_bucket('1 ${bucket}', now() - INTERVAL '6 days') GROUP BY 1, 2, 3) r
      USING (bucket, sensor_id, metric_id)
    WHERE bucket < time_bucket('1 ${bucket}', now() - INTERVAL '6 days')
      AND (a.count_value, a.sum_value, a.min_value, a.max_value, a.first_value, a.last_value, a.first_time, a.last_time)
        IS DISTINCT FROM (r.n, r.sum, r.min, r.max, r.first, r.last, r.since, r.until)`);

test('a database with values, some compressed: the aggregates are made empty, and filled in by the daemon, resumed where it was interrupted', async () => {
  expect(await migrate(client)).toMatchObject({ from: 22, to: all.length });
  expect(await rows('SELECT FROM sensor_metrics_hourly_agg')).toEqual([]);
  const first = await fill(2);
  expect(first).toHaveLength(2);
  const second = await fill();
  expect(second.length).toBeGreaterThan(2);
  expect([...first, ...second].filter((sql) => sql.includes('daily'))).toHaveLength(1);
  // Nothing is done again, and no statement takes more than a week of hours.
  expect(second.filter((sql) => first.includes(sql))).toEqual([]);
  expect(await wrong('sensor_metrics_hourly_agg', 'hour')).toEqual([]);
  expect(await wrong('sensor_metrics_daily_agg', 'day')).toEqual([]);
  expect(await fill()).toEqual([]);
}, 120_000);

test('the policies verify what was made', async () => {
  const catalog = createCatalog({ url: db.url });
  const ours = CHECKS.filter(({ name }) => !['compression', 'segments', 'runs', 'refresh'].includes(name));
  const { findings } = await assess(catalog, planWith(), ours);
  await catalog.close();
  expect(findings).toEqual([]);
});

describe('what is read', () => {
  beforeAll(async () => {
    // As the policy does, less the newest hours: these are read from the values.
    await rows(
      `CALL refresh_continuous_aggregate('sensor_metrics_hourly_agg', now() - INTERVAL '3 days', now() - INTERVAL '2 hours')`,
    );
  });
  const query = (metric: string, days: number) => ({
    ...{
      metric,
      from: new Date(Date.now() - days * DAY_MS),
      to: new Date(Date.now() + HOUR_MS),
      limit: 100_000,
    },
  });

  test('hourly and daily statistics are those of the values, of both sources', async () => {
    const stored = await rows<{ bucket: Date; sensor: string; avg: number; count: number }>(`
      SELECT time_bucket('1 day', v.time) AS bucket, s.key AS sensor, avg(value) AS avg, min(value), max(value), count(*)::float8 AS count
      FROM sensor_metrics v JOIN sensors s ON s.id = v.sensor_id WHERE metric_id = 1 GROUP BY 1, 2 ORDER BY 1 DESC, 2`);
    const daily = await dailyStatistics(client, query('power', DAYS + 1));
    expect(daily.map(({ location: _, ...row }) => row)).toEqual(
      stored.map((row) => ({ ...row, avg: expect.closeTo(row.avg, 9) })),
    );
    const hourly = await hourlyStatistics(client, { ...query('power', DAYS + 1), sensor: 'meter-1' });
    expect(hourly).toHaveLength(
      daily.reduce((sum, row) => sum + (row.sensor === 'meter-1' ? row.count : 0), 0),
    );
    expect(await hourlyStatistics(client, query('nothing', 10))).toEqual([]);
  });

  test('of figures that outlived the values: five years of a metric are one plot', async () => {
    await rows(`INSERT INTO sensor_metrics (time, sensor_id, metric_id, value)
      SELECT now() - n * INTERVAL '100 days', 1, 1, n FROM generate_series(2, 18) n`);
    for (const view of ['sensor_metrics_hourly_agg', 'sensor_metrics_daily_agg'])
      await rows(
        `CALL refresh_continuous_aggregate('${view}', now() - INTERVAL '1850 days', now() - INTERVAL '150 days')`,
      );
    await rows(`SELECT drop_chunks('sensor_metrics', older_than => INTERVAL '90 days')`);
    const nowMs = Date.now();
    const kept = { raw: 90 * DAY_MS, hourly: 365 * DAY_MS, daily: 1825 * DAY_MS };
    const plan = planSeries({ fromMs: nowMs - 1820 * DAY_MS, toMs: nowMs, points: 500 }, kept, nowMs);
    expect(plan.source).toBe('daily');
    let series: SeriesColumns | undefined;
    for await (const each of bucketedSeries(client, 1, ['power'], plan)) series = each;
    const old = series!.time.filter((ms) => ms < nowMs - 100 * DAY_MS);
    expect(old).toHaveLength(17);
    expect(series!.mean.slice(0, 17)).toEqual(Array.from({ length: 17 }, (_, n) => 18 - n));
    // The newest, too, which no aggregate has yet.
    expect(series!.time.at(-1)).toBeGreaterThan(nowMs - 8 * DAY_MS);
    expect(await hasAtMost(client, 1, ['power'], { fromMs: nowMs - 10 * DAY_MS, toMs: nowMs }, 100)).toBe(
      true,
    );
    expect(await hasAtMost(client, 1, ['power'], { fromMs: nowMs - 20 * DAY_MS, toMs: nowMs }, 100)).toBe(
      false,
    );
  });

  test('the curve of a day', async () => {
    const day = await sparks(
      client,
      [
        { id: 1, metric: 'power' },
        { id: 2, metric: 'co2' },
      ],
      Date.now(),
    );
    for (const id of [1, 2])
      expect(day.get(id)?.values.filter((value) => value !== null).length).toBeGreaterThan(6);
  });

  test('exports have them as columns and as rows', async () => {
    const statement = async (shape: 'wide' | 'long', metrics?: readonly string[]) => {
      const range = { from: new Date(Date.now() - 25 * DAY_MS), to: new Date(Date.now() - 20 * DAY_MS) };
      const plan = await planExport(client, { dataset: 'hourly', shape, metrics, ...range });
      const [span] = plan.spans;
      const sql = plan
        .statement(span!, 'csv')
        .replace(/^COPY \(/, '')
        .replace(/\) TO STDOUT.*$/s, '');
      return {
        columns: plan.columns.map(({ name }) => name),
        found: await client.query({ text: sql, rowMode: 'array' }),
      };
    };
    const wide = await statement('wide', ['power', 'co2']);
    expect(wide.columns).toEqual([
      'hour', 'sensor', 'location',
      ...['power', 'co2'].flatMap((name) => ['avg', 'min', 'max', 'sum', 'count', 'first', 'last'].map((kind) => `${kind}_${name}`)),
    ]); // prettier-ignore
    expect(wide.found.rows.length).toBeGreaterThan(60);
    const [row] = wide.found.rows as unknown[][];
    expect(row!.slice(1, 3)).toEqual(['meter-1', 'cellar']);
    expect(Number(row![10]) - Number(row![3])).toBe(10); // co2 above power
    const both = await statement('wide');
    expect(both.columns).toEqual(expect.arrayContaining(['avg_temp', 'avg_co2', 'readings']));
    expect(both.found.rows).toHaveLength(wide.found.rows.length);
    const long = await statement('long');
    expect(long.columns).toEqual([
      'hour',
      'sensor',
      'location',
      'metric',
      'avg',
      'min',
      'max',
      'sum',
      'count',
    ]);
    expect(long.found.rows).toHaveLength(2 * wide.found.rows.length);
  });
});

describe('use of a counter', () => {
  /** The definition of counter_agg of the toolkit: delta is the last value less the first, with the value before each fall added. */
  const counterAgg = (values: readonly number[]) => {
    const falls = values.flatMap((value, n) => (n > 0 && value < values[n - 1]! ? [values[n - 1]!] : []));
    return {
      delta: values.at(-1)! - values[0]! + falls.reduce((sum, value) => sum + value, 0),
      resets: falls.length,
    };
  };
  const STEP_MS = 20 * 60_000;
  const START_MS = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 60 * DAY_MS;
  const STEPS = (60 * DAY_MS) / STEP_MS;
  /** Rises by up to 5, and starts again at about every hundredth value, once in an hour at most. */
  function energy(): readonly number[] {
    let [seed, total, last] = [11, 5000, -10];
    const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    return Array.from({ length: STEPS }, (_, n) => {
      const starts = random() < 0.01 && n - last > 6;
      if (starts) last = n;
      total = starts ? random() : total + 5 * random();
      return total;
    });
  }
  const values = energy();
  const whole = { from: new Date(START_MS), to: new Date(), zone: 'UTC' };
  const store = async (metric: string, of: readonly number[]) => {
    const [{ id }] = (await rows<{ id: number }>(
      `INSERT INTO metrics (name, kind) VALUES ($1, 'counter') RETURNING id`,
      [metric],
    )) as [{ id: number }];
    await rows(
      `INSERT INTO sensor_metrics (time, sensor_id, metric_id, value) SELECT to_timestamp(t / 1000.0), 2, $1, v FROM unnest($2::float8[], $3::float8[]) AS x (t, v)`,
      [id, of.map((_, n) => START_MS + n * STEP_MS), of],
    );
    for (const view of ['hourly', 'daily'])
      await rows(
        `CALL refresh_continuous_aggregate('sensor_metrics_${view}_agg', now() - INTERVAL '61 days', now() - INTERVAL '2 hours')`,
      );
  };
  const total = (found: readonly CounterUse[], key: 'use' | 'resets' | 'overflows') =>
    found.reduce((sum, row) => sum + row[key], 0);

  test('is what counter_agg gives, by values and by figures of hours', async () => {
    await store('energy', values);
    const expected = counterAgg(values);
    expect(expected.resets).toBeGreaterThan(20);
    const daily = await counterUse(client, {
      ...whole,
      metric: 'energy',
      bucket: { unit: 'days', count: 1 },
    });
    expect(daily.length).toBeGreaterThan(59);
    expect(total(daily, 'use')).toBeCloseTo(expected.delta, 6);
    expect(total(daily, 'resets')).toBe(expected.resets);
    const exact = await counterUse(client, {
      ...whole,
      metric: 'energy',
      bucket: { unit: 'ms', count: 15 * 60_000 },
    });
    expect(total(exact, 'use')).toBeCloseTo(expected.delta, 6);
    // A day of the older half, made of hours, and the same of its values with the one before them.
    const day = daily.at(-10)!;
    const first = (day.bucket.getTime() - START_MS) / STEP_MS;
    const own = counterAgg(values.slice(first - 1, first + DAY_MS / STEP_MS));
    expect(day.use).toBeCloseTo(own.delta, 6);
    expect(day.resets).toBe(own.resets);
    expect(day.rate).toBeCloseTo(own.delta / 86_400, 6);
  });

  test('an overflow is no start from zero', async () => {
    const wrapped = values.map((_, n) => (900 + 7 * n) % 1000);
    await store('rain_mm', wrapped);
    const bucket = { unit: 'days', count: 1 } as const;
    const reset = await counterUse(client, { ...whole, metric: 'rain_mm', bucket });
    expect(total(reset, 'use')).toBeLessThan(7 * (STEPS - 1));
    await rows(`UPDATE metrics SET wraps_at = 1000 WHERE name = 'rain_mm'`);
    const found = await counterUse(client, { ...whole, metric: 'rain_mm', bucket });
    expect(total(found, 'use')).toBe(7 * (STEPS - 1));
    expect([total(found, 'resets'), total(found, 'overflows')]).toEqual([
      0,
      Math.floor((900 + 7 * (STEPS - 1)) / 1000),
    ]);
  });

  test('a gauge has none', async () => {
    await expect(
      counterUse(client, { ...whole, metric: 'co2', bucket: { unit: 'days', count: 1 } }),
    ).rejects.toMatchObject({ code: 'METRIC_NOT_COUNTER' });
  });

  test('names that are there get the kind that is configured', async () => {
    const kinds = () =>
      rows(`SELECT name, kind, wraps_at FROM metrics WHERE name IN ('co2', 'rain_mm') ORDER BY 1`);
    await storeKinds(
      client,
      kindsOf({ ...configSchema.parse({}).metrics, counters: ['co*'], wraps_at: { co2: 8 } }),
    );
    expect(await kinds()).toEqual([
      { name: 'co2', kind: 'counter', wraps_at: 8 },
      { name: 'rain_mm', kind: 'gauge', wraps_at: null },
    ]);
    await storeKinds(client, kindsOf(configSchema.parse({}).metrics));
    expect(await kinds()).toEqual([
      { name: 'co2', kind: 'gauge', wraps_at: null },
      { name: 'rain_mm', kind: 'counter', wraps_at: null },
    ]);
  });
});

test('a metric that is forgotten leaves no figures', async () => {
  const of = (metric: number) => rows(`SELECT FROM sensor_metrics_daily_agg WHERE metric_id = ${metric}`);
  expect(await of(1)).not.toEqual([]);
  await forgetMetrics(client, ['power'], { dryRun: true });
  expect(await of(1)).not.toEqual([]);
  await forgetMetrics(client, ['power'], { dryRun: false });
  expect(await of(1)).toEqual([]);
  expect(await of(2)).not.toEqual([]);
  expect(await rows('SELECT FROM sensor_metrics_hourly_agg WHERE metric_id = 1')).toEqual([]);
});
