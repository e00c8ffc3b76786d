import { CORE_METRICS, type CoreMetric } from '../core/reading.ts';
import type { Db, TimeRange } from './db.ts';
import { HOUR_MS, WITHOUT_EXTREMES, aggregateColumn, startOf } from './statistics.ts';

const reach = (view: string): string =>
  `coalesce((SELECT max(hour) + INTERVAL '1 hour' FROM ${view} WHERE hour >= $2::timestamptz AND hour < $3::timestamptz), $2::timestamptz)`;

const aggregated = (metric: CoreMetric): string => {
  const name = aggregateColumn(metric);
  const extremes = WITHOUT_EXTREMES.includes(metric)
    ? 'NULL::float8, NULL::float8'
    : `a.min_${name}, a.max_${name}`;
  return `('${metric}', a.sum_${name}, a.count_${name}::float8, ${extremes})`;
};

/** Hours of all metrics of sensor $1 in [$2, $3): from the aggregates as far as they reach, the rest from the raw rows. */
export const hourlyTrendsSql = `
WITH until AS (
  SELECT ${reach('sensor_hourly_agg')} AS core, ${reach('sensor_metrics_hourly_agg')} AS further
),
hours (hour, metric, sum, count, min, max) AS (
  SELECT a.hour, v.metric, v.sum, v.count, v.min, v.max FROM sensor_hourly_agg a
  CROSS JOIN LATERAL (VALUES ${CORE_METRICS.map(aggregated).join(', ')}) v (metric, sum, count, min, max)
  WHERE a.sensor_id = $1::int AND a.hour >= $2::timestamptz AND a.hour < $3::timestamptz
  UNION ALL
  SELECT a.hour, m.name, a.sum_value, a.count_value::float8, a.min_value, a.max_value FROM sensor_metrics_hourly_agg a
  JOIN metrics m ON m.id = a.metric_id
  WHERE a.sensor_id = $1::int AND a.hour >= $2::timestamptz AND a.hour < $3::timestamptz
  UNION ALL
  SELECT time_bucket(INTERVAL '1 hour', r.time), v.metric, sum(v.value), count(v.value)::float8, min(v.value), max(v.value)
  FROM sensor_readings r
  CROSS JOIN LATERAL (VALUES ${CORE_METRICS.map((metric) => `('${metric}', r.${metric}::float8)`).join(', ')}) v (metric, value)
  WHERE r.sensor_id = $1::int AND r.time >= $2::timestamptz AND r.time < $3::timestamptz AND r.time >= (SELECT core FROM until)
  GROUP BY 1, 2
  UNION ALL
  SELECT time_bucket(INTERVAL '1 hour', n.time), m.name, sum(n.value), count(*)::float8, min(n.value), max(n.value)
  FROM sensor_metrics n JOIN metrics m ON m.id = n.metric_id
  WHERE n.sensor_id = $1::int AND n.time >= $2::timestamptz AND n.time < $3::timestamptz AND n.time >= (SELECT further FROM until)
  GROUP BY 1, 2
)
SELECT h.hour, h.metric, h.sum / h.count AS avg, h.min, h.max, h.count FROM hours h
WHERE h.count > 0 AND ($4::text[] IS NULL OR h.metric = ANY ($4))
ORDER BY h.hour, h.metric`;

export interface HourlyTrendRow {
  readonly hour: Date;
  readonly metric: string;
  readonly avg: number;
  /** Null where the aggregate does not keep it (rssi). */
  readonly min: number | null;
  readonly max: number | null;
  readonly count: number;
}

/** Every metric of a sensor by the hour, oldest first, in one query. */
export async function hourlyTrends(
  db: Db,
  {
    sensorId,
    metrics,
    from,
    to,
  }: TimeRange & { readonly sensorId: number; readonly metrics?: readonly string[] | undefined },
): Promise<readonly HourlyTrendRow[]> {
  const values = [sensorId, startOf(from, HOUR_MS), to, metrics ?? null];
  return (await db.query<HourlyTrendRow>(hourlyTrendsSql, values)).rows;
}
