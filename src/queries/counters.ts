import { type Bucket, bucketInterval, isOfHours } from '../core/bucket.ts';
import { FieldwatchError } from '../core/errors.ts';
import { bucketOf, startOfBucket } from './bucket.ts';
import { type Db, type MetricQuery, checkBuckets, selected } from './db.ts';
import { sensorsWhere } from './readings.ts';
import type { CounterUse } from './rows.ts';

const DAY_MS = 86_400_000;
/** Further back, hourly and daily figures are read instead of every value. */
const EXACT_DAYS = 31;
/** How long before the range the value is looked for from which the first step of a sensor leads. */
const BEFORE = `INTERVAL '31 days'`;

const CHOSEN = `SELECT s.id FROM sensors s WHERE ${sensorsWhere('$4', '$5')}`;
const OF_METRIC = (alias: string) =>
  `${alias}.metric_id = (SELECT id FROM metrics WHERE name = $1) AND ${alias}.sensor_id IN (${CHOSEN})`;

/**
 * The values of an aggregate's bucket that the use follows from, in their order: first, highest, lowest, last where the counter started
 * again within the bucket, else first and last.
 */
const pointsOf = (view: string, bucket: 'hour' | 'day', from: string, until: string): string => `
  SELECT p.time, a.sensor_id, p.value, p.place FROM ${view} a CROSS JOIN LATERAL (VALUES
      (a.first_time, a.first_value, 0), (a.first_time, a.max_value, 1), (a.last_time, a.min_value, 2), (a.last_time, a.last_value, 3)
    ) AS p (time, value, place)
  WHERE ${OF_METRIC('a')} AND a.${bucket} >= ${from} AND a.${bucket} < ${until}
    AND (p.place IN (0, 3) OR a.max_value > a.last_value OR a.min_value < a.first_value)`;

const VALUES = (from: string, until: string): string => `
  SELECT m.time, m.sensor_id, m.value, 0 AS place FROM sensor_metrics m
  WHERE ${OF_METRIC('m')} AND m.time >= ${from} AND m.time < ${until}`;

/** The last value of each sensor before the range. */
const LAST_BEFORE = `
  SELECT l.time, s.id, l.value, 0 FROM sensors s CROSS JOIN LATERAL (
    SELECT m.time, m.value FROM sensor_metrics m
    WHERE m.sensor_id = s.id AND m.metric_id = (SELECT id FROM metrics WHERE name = $1)
      AND m.time < $2::timestamptz AND m.time >= $2::timestamptz - ${BEFORE} ORDER BY m.time DESC LIMIT 1
  ) l WHERE ${sensorsWhere('$4', '$5')}`;

/**
 * Use of a counter per bucket of $6 in the zone $7: each step from one value to the next belongs to the bucket of the later one. A
 * fall is an overflow where $8 (one more than the highest value) is given and the step over it is less than half of it, else a start
 * from zero. $9: from here on every value is read; before, the figures of hours, and of days where no hours are kept.
 */
export const useSql = (bucket: Bucket): string => `
WITH edge AS (SELECT coalesce((SELECT CASE WHEN min(a.hour) < $2::timestamptz + INTERVAL '1 day' THEN $2::timestamptz
      ELSE time_bucket('1 day', min(a.hour)) + INTERVAL '1 day' END FROM sensor_metrics_hourly_agg a WHERE a.hour >= $2::timestamptz AND a.hour < $9::timestamptz AND ${OF_METRIC('a')}), $9::timestamptz) AS hours),
points (time, sensor_id, value, place) AS (${LAST_BEFORE}
  UNION ALL ${pointsOf('sensor_metrics_daily_agg', 'day', '$2::timestamptz', 'least($9::timestamptz, (SELECT hours FROM edge))')}
  UNION ALL ${pointsOf('sensor_metrics_hourly_agg', 'hour', '(SELECT hours FROM edge)', '$9::timestamptz')}
  UNION ALL ${VALUES('$9::timestamptz', '$3::timestamptz')}),
steps AS (
  SELECT p.time, p.sensor_id, p.value, p.value - lag(p.value) OVER w AS step, lag(p.value) OVER w AS before,
    lag(p.time) OVER w AS since
  FROM points p WINDOW w AS (PARTITION BY p.sensor_id ORDER BY p.time, p.place)),
used AS (
  SELECT *, step < 0 AND coalesce($8::float8 + step < $8::float8 / 2, false) AS wraps FROM steps
  WHERE time >= $2::timestamptz)
SELECT u.bucket, s.key AS sensor, s.location, u.use, u.use / nullif(u.seconds, 0) AS rate, u.resets, u.overflows, u.last
FROM (
  SELECT ${bucketOf(bucket, 'time', { width: '$6', zone: '$7', from: '$2' })} AS bucket, sensor_id,
    coalesce(sum(CASE WHEN step >= 0 THEN step WHEN wraps THEN $8::float8 + step ELSE value END) FILTER (WHERE before IS NOT NULL), 0) AS use,
    extract(epoch FROM max(time) - coalesce(min(since), min(time)))::float8 AS seconds,
    count(*) FILTER (WHERE step < 0 AND NOT wraps)::int AS resets, count(*) FILTER (WHERE step < 0 AND wraps)::int AS overflows,
    last(value, time) AS last
  FROM used GROUP BY 1, 2
) u JOIN sensors s ON s.id = u.sensor_id
ORDER BY u.bucket DESC, s.key
LIMIT $10`;

export interface UseQuery extends MetricQuery {
  readonly bucket: Bucket;
  /** Name of a time zone: where days and months begin. */
  readonly zone: string;
}

const kindSql = 'SELECT kind, wraps_at AS "wrapsAt" FROM metrics WHERE name = $1::text';
const oldestSql = `
SELECT min(range_start) AS oldest FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = 'sensor_metrics'`;

/**
 * Use of a counter by buckets of any width, newest first; a bucket that the range touches is taken whole. Rejects with
 * METRIC_NOT_COUNTER for a gauge and with QUERY_TOO_LARGE.
 */
export async function counterUse(db: Db, query: UseQuery): Promise<readonly CounterUse[]> {
  const { metric, to, bucket, zone, limit } = query;
  checkBuckets(query, bucket);
  const { rows } = await db.query<{ kind: string; wrapsAt: number | null }>(kindSql, [metric]);
  if (rows[0]?.kind !== 'counter') throw notCounter(metric);
  const from = await startOfBucket(db, bucket, zone, query.from);
  const exactFrom = isOfHours(bucket) ? await oldestExact(db, from, to) : from;
  const width = bucketInterval(bucket);
  const values = [metric, from, to, ...selected(query), width, zone, rows[0].wrapsAt, exactFrom, limit];
  return (await db.query<CounterUse>(useSql(bucket), values)).rows;
}

/** Every value is read of the last month of the range, as far as values are kept; whole days. */
async function oldestExact(db: Db, from: Date, to: Date): Promise<Date> {
  const { rows } = await db.query<{ oldest: Date | null }>(oldestSql, []);
  const end = Math.min(to.getTime(), Date.now());
  const kept = rows[0]?.oldest?.getTime() ?? -Infinity;
  const wanted = Math.max(end - EXACT_DAYS * DAY_MS, kept);
  return wanted <= from.getTime() ? from : new Date(Math.floor(wanted / DAY_MS) * DAY_MS);
}

const notCounter = (metric: string) =>
  new FieldwatchError(`metric ${JSON.stringify(metric)} is a gauge: it has no use`, {
    code: 'METRIC_NOT_COUNTER',
    kind: 'config',
    remedy: 'If it only rises until it starts again, add its name to metrics.counters.',
  });
