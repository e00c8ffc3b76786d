import { type Db, type MetricQuery, selected } from './db.ts';
import { isCore, samples, sensorsWhere } from './samples.ts';
import { AGGREGATED, HOUR_MS, type StatisticsRow, reachOf, startOf } from './statistics.ts';

/**
 * Hours from the aggregate as far as it reaches, the rest from the raw rows: the refresh policy always leaves the
 * current hour out, and a metric without a column of its own has no aggregate.
 */
export const text = `
WITH hours_until AS (${reachOf('sensor_hourly_agg', 'hour', '1 hour')}),
hours AS (
  SELECT a.hour AS bucket, a.sensor_id, ${AGGREGATED}
  FROM sensor_hourly_agg a
  WHERE ${isCore('$1')} AND a.hour >= $2::timestamptz AND a.hour < $3::timestamptz
  UNION ALL
  SELECT time_bucket(INTERVAL '1 hour', v.time), v.sensor_id, sum(v.value), count(*), min(v.value), max(v.value)
  FROM (${samples({ core: '(SELECT until FROM hours_until)' })}) v
  GROUP BY 1, 2
)
SELECT h.bucket, s.key AS sensor, s.location, h.sum / h.count AS avg, h.min, h.max, h.count
FROM hours h JOIN sensors s ON s.id = h.sensor_id
WHERE h.count > 0 AND ${sensorsWhere('$4', '$5')}
ORDER BY h.bucket DESC, s.key
LIMIT $6`;

/** Hourly statistics of one metric, newest first. */
export async function hourlyStatistics(db: Db, query: MetricQuery): Promise<readonly StatisticsRow[]> {
  const from = startOf(query.from, HOUR_MS);
  const values = [query.metric, from, query.to, ...selected(query), query.limit];
  return (await db.query<StatisticsRow>(text, values)).rows;
}
