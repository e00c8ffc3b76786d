import { type Db, type MetricQuery, selected } from './db.ts';
import { isCore, pick, samples, sensorsWhere } from './readings.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** The start of the bucket: a bucket that the range touches is taken whole. */
export const startOf = (time: Date, widthMs: number): Date =>
  new Date(Math.floor(time.getTime() / widthMs) * widthMs);

/** One bucket of one sensor. Averages are sums over counts, so that they stay right when they are put together. */
export interface StatisticsRow {
  readonly bucket: Date;
  readonly sensor: string;
  readonly location: string | null;
  readonly avg: number;
  /** Null where the aggregate does not keep it (rssi). */
  readonly min: number | null;
  readonly max: number | null;
  /** Values of the metric in the bucket. */
  readonly count: number;
}

const SHORT: Readonly<Record<string, string>> = { temperature: 'temp' };
/** Metrics without minimum and maximum in the aggregates. */
export const WITHOUT_EXTREMES: readonly string[] = ['rssi'];
export const aggregateColumn = (metric: string) => SHORT[metric] ?? metric;

/** sum, count, min and max of metric $1 from a row `a` of either aggregate. */
export const AGGREGATED = `
  ${pick('$1', (metric) => `a.sum_${aggregateColumn(metric)}`)} AS sum,
  ${pick('$1', (metric) => `a.count_${aggregateColumn(metric)}`)}::float8 AS count,
  ${pick('$1', (metric) => (WITHOUT_EXTREMES.includes(metric) ? 'NULL' : `a.min_${aggregateColumn(metric)}`))} AS min,
  ${pick('$1', (metric) => (WITHOUT_EXTREMES.includes(metric) ? 'NULL' : `a.max_${aggregateColumn(metric)}`))} AS max`;

/** The aggregate of an hour or a day that has metric $1, whichever it is: its rows of [$2, $3). */
const aggregated = (bucket: 'hour' | 'day', further = ''): string => {
  const [view, furtherView] = VIEWS[bucket];
  const within = `a.${bucket} >= $2::timestamptz AND a.${bucket} < $3::timestamptz${further}`;
  return `SELECT a.${bucket}, a.sensor_id, ${AGGREGATED} FROM ${view} a WHERE ${CORE} AND ${within}
  UNION ALL
  SELECT a.${bucket}, a.sensor_id, a.sum_value, a.count_value::float8, a.min_value, a.max_value FROM ${furtherView} a
  WHERE NOT ${CORE} AND a.metric_id = (SELECT id FROM metrics WHERE name = $1) AND ${within}`;
};

const VIEWS = {
  hour: ['sensor_hourly_agg', 'sensor_metrics_hourly_agg'],
  day: ['sensor_daily_agg', 'sensor_metrics_daily_agg'],
} as const;
const CORE = isCore('$1');

/** End of what the aggregate of metric $1 holds of [$2, $3); $2 when that is nothing. */
const reachOf = (bucket: 'hour' | 'day'): string => {
  const parts = VIEWS[bucket].map(
    (view, index) => `(SELECT max(${bucket}) + INTERVAL '1 ${bucket}' FROM ${view}
    WHERE ${index === 0 ? '' : 'NOT '}${CORE} AND ${bucket} >= $2::timestamptz AND ${bucket} < $3::timestamptz)`,
  );
  return `SELECT coalesce(${parts.join(', ')}, $2::timestamptz) AS until`;
};

/**
 * Hours of metric $1 in [$2, $3) with their sums and counts: from the aggregate as far as it reaches, the rest from the raw rows. The
 * refresh policy always leaves the current hour out.
 */
export const HOURS = `
hours_until AS (${reachOf('hour')}),
hours (bucket, sensor_id, sum, count, min, max) AS (
  ${aggregated('hour')}
  UNION ALL
  SELECT time_bucket(INTERVAL '1 hour', v.time), v.sensor_id, sum(v.value), count(*), min(v.value), max(v.value)
  FROM (${samples({ after: '(SELECT until FROM hours_until)' })}) v
  GROUP BY 1, 2
)`;

export const hourlySql = `
WITH ${HOURS}
SELECT h.bucket, s.key AS sensor, s.location, h.sum / h.count AS avg, h.min, h.max, h.count
FROM hours h JOIN sensors s ON s.id = h.sensor_id
WHERE h.count > 0 AND ${sensorsWhere('$4', '$5')}
ORDER BY h.bucket DESC, s.key
LIMIT $6`;

/** Hourly statistics of one metric, newest first. */
export async function hourlyStatistics(db: Db, query: MetricQuery): Promise<readonly StatisticsRow[]> {
  const from = startOf(query.from, HOUR_MS);
  const values = [query.metric, from, query.to, ...selected(query), query.limit];
  return (await db.query<StatisticsRow>(hourlySql, values)).rows;
}

/** Parts of UTC days of metric $1 in [$2, $3): days from the daily aggregate, then hours from the hourly one, then raw rows. */
export const DAYS = `
days_until AS (${reachOf('day')}),
hours_until AS (
  SELECT greatest((SELECT until FROM days_until), h.until) AS until FROM (${reachOf('hour')}) h
),
parts (bucket, sensor_id, sum, count, min, max) AS (
  ${aggregated('day')}
  UNION ALL
  SELECT time_bucket(INTERVAL '1 day', h.hour), h.sensor_id, h.sum, h.count, h.min, h.max
  FROM (${aggregated('hour', ' AND a.hour >= (SELECT until FROM days_until)')}) h
  UNION ALL
  SELECT time_bucket(INTERVAL '1 day', v.time), v.sensor_id, v.value, 1, v.value, v.value
  FROM (${samples({ after: '(SELECT until FROM hours_until)' })}) v
)`;

/** Put together by sums and counts. */
export const dailySql = `
WITH ${DAYS}
SELECT p.bucket, s.key AS sensor, s.location, sum(p.sum) / sum(p.count) AS avg, min(p.min) AS min, max(p.max) AS max,
  sum(p.count)::float8 AS count
FROM parts p JOIN sensors s ON s.id = p.sensor_id
WHERE p.count > 0 AND ${sensorsWhere('$4', '$5')}
GROUP BY p.bucket, s.key, s.location
ORDER BY p.bucket DESC, s.key
LIMIT $6`;

/** Statistics of one metric by UTC day, newest first. */
export async function dailyStatistics(db: Db, query: MetricQuery): Promise<readonly StatisticsRow[]> {
  const from = startOf(query.from, DAY_MS);
  const values = [query.metric, from, query.to, ...selected(query), query.limit];
  return (await db.query<StatisticsRow>(dailySql, values)).rows;
}

// $2 lies one window before the range, so that its first rows have their whole window; $7 is where the range starts.
export const movingAverageSql = `
SELECT w.time, s.key AS sensor, s.location, w.value, w.average, w.count
FROM (
  SELECT v.time, v.sensor_id, v.value, avg(v.value) OVER span AS average, (count(*) OVER span)::float8 AS count
  FROM (${samples()}) v
  WINDOW span AS (PARTITION BY v.sensor_id ORDER BY v.time RANGE BETWEEN $6::interval PRECEDING AND CURRENT ROW)
) w JOIN sensors s ON s.id = w.sensor_id
WHERE w.time >= $7::timestamptz
ORDER BY w.time DESC, s.key
LIMIT $8`;

export interface MovingAverageRow {
  readonly time: Date;
  readonly sensor: string;
  readonly location: string | null;
  readonly value: number;
  /** Over the window that ends with this value, both ends included. */
  readonly average: number;
  /** Values in that window. */
  readonly count: number;
}

/** Each value with the average of the window before it, per sensor, newest first. */
export async function movingAverage(
  db: Db,
  query: MetricQuery & { readonly windowMs: number },
): Promise<readonly MovingAverageRow[]> {
  const { metric, from, to, windowMs, limit } = query;
  const start = new Date(from.getTime() - windowMs);
  const window = `${windowMs} milliseconds`;
  const values = [metric, start, to, ...selected(query), window, from, limit];
  return (await db.query<MovingAverageRow>(movingAverageSql, values)).rows;
}

export const anomaliesSql = `
SELECT z.time, s.key AS sensor, s.location, z.value, z.mean, z.sigma, (z.value - z.mean) / z.sigma AS z
FROM (
  SELECT v.time, v.sensor_id, v.value, avg(v.value) OVER each AS mean, stddev_pop(v.value) OVER each AS sigma,
    count(*) OVER each AS count
  FROM (${samples()}) v
  WINDOW each AS (PARTITION BY v.sensor_id)
) z JOIN sensors s ON s.id = z.sensor_id
WHERE z.sigma > 0 AND z.count >= $7::int AND abs(z.value - z.mean) >= $6::float8 * z.sigma
ORDER BY abs(z.value - z.mean) / z.sigma DESC, z.time DESC, s.key
LIMIT $8`;

export interface AnomalyRow {
  readonly time: Date;
  readonly sensor: string;
  readonly location: string | null;
  readonly value: number;
  /** Mean and deviation of the sensor over the whole range, the outliers included. */
  readonly mean: number;
  readonly sigma: number;
  /** How many sigmas from the mean, with sign. */
  readonly z: number;
}

/**
 * Values at least `z` standard deviations from their sensor's own mean over the range, furthest first. A sensor with
 * fewer than `minValues` gets no verdict: with n values no z-score exceeds the root of n - 1.
 */
export async function anomalies(
  db: Db,
  query: MetricQuery & { readonly z: number; readonly minValues: number },
): Promise<readonly AnomalyRow[]> {
  const { metric, from, to, z, minValues, limit } = query;
  const values = [metric, from, to, ...selected(query), z, minValues, limit];
  return (await db.query<AnomalyRow>(anomaliesSql, values)).rows;
}
