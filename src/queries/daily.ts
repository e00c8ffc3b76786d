import { type Db, type MetricQuery, selected } from './db.ts';
import { isCore, samples, sensorsWhere } from './samples.ts';
import { AGGREGATED, DAY_MS, type StatisticsRow, reachOf, startOf } from './statistics.ts';

const CORE = isCore('$1');

/** Days from the daily aggregate, then hours from the hourly one, then raw rows; put together by sums and counts. */
export const text = `
WITH days_until AS (${reachOf('sensor_daily_agg', 'day', '1 day')}),
hours_until AS (
  SELECT greatest((SELECT until FROM days_until), coalesce(max(hour) + INTERVAL '1 hour', $2::timestamptz)) AS until
  FROM sensor_hourly_agg WHERE hour >= $2::timestamptz AND hour < $3::timestamptz
),
parts AS (
  SELECT a.day AS bucket, a.sensor_id, ${AGGREGATED}
  FROM sensor_daily_agg a
  WHERE ${CORE} AND a.day >= $2::timestamptz AND a.day < $3::timestamptz
  UNION ALL
  SELECT time_bucket(INTERVAL '1 day', a.hour), a.sensor_id, ${AGGREGATED}
  FROM sensor_hourly_agg a
  WHERE ${CORE} AND a.hour >= $2::timestamptz AND a.hour >= (SELECT until FROM days_until)
    AND a.hour < $3::timestamptz
  UNION ALL
  SELECT time_bucket(INTERVAL '1 day', v.time), v.sensor_id, v.value, 1, v.value, v.value
  FROM (${samples({ core: '(SELECT until FROM hours_until)' })}) v
)
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
  return (await db.query<StatisticsRow>(text, values)).rows;
}
