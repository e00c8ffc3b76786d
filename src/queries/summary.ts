import { CORE_METRICS, type CoreMetric } from '../core/reading.ts';
import { metricUnit } from '../core/metric-unit.ts';
import type { Db, TimeRange } from './db.ts';
import type { MetricSummary } from './rows.ts';

const FIGURES = `count(*)::float8 AS count, avg(value) AS avg, min(value) AS min, max(value) AS max,
  CASE WHEN count(*) > 1 THEN stddev_samp(value) END AS stddev, first(value, time) AS first, last(value, time) AS last, max(time) AS "lastTime"`;

const figure = (metric: CoreMetric): string => {
  const [value, there] = [`r.${metric}::float8`, `FILTER (WHERE r.${metric} IS NOT NULL)`];
  return `json_build_array(count(r.${metric}), avg(${value}), min(${value}), max(${value}), stddev_samp(${value}),
    first(${value}, r.time) ${there}, last(${value}, r.time) ${there}) AS ${metric}, max(r.time) ${there} AS ${metric}_at`;
};

// One pass over the rows, for all columns.
export const summarySql = `
SELECT ${CORE_METRICS.map(figure).join(',\n  ')}
FROM sensor_readings r WHERE r.sensor_id = $1::int AND r.time >= $2::timestamptz AND r.time < $3::timestamptz`;

export const furtherSummarySql = `
SELECT m.name AS metric, v.* FROM (
  SELECT metric_id, ${FIGURES} FROM sensor_metrics
  WHERE sensor_id = $1::int AND time >= $2::timestamptz AND time < $3::timestamptz GROUP BY metric_id
) v JOIN metrics m ON m.id = v.metric_id ORDER BY m.name`;

/** Without the unit, which the name and the values tell. */
type MetricFigures = Omit<MetricSummary, 'unit'>;

type Row = Readonly<
  Record<CoreMetric, readonly [number, number, number, number, number | null, number, number]>
> &
  Readonly<Record<`${CoreMetric}_at`, Date | null>>;

/** Every metric that the sensor has values of in the range: those with a column of their own first, then by name. */
export async function metricFigures(
  db: Db,
  { sensorId, from, to }: TimeRange & { readonly sensorId: number },
): Promise<readonly MetricSummary[]> {
  const values = [sensorId, from, to];
  const [row] = (await db.query<Row>(summarySql, values)).rows;
  const core = CORE_METRICS.flatMap((metric): MetricFigures[] => {
    const lastTime = row?.[`${metric}_at`];
    if (row === undefined || lastTime === null || lastTime === undefined) return [];
    const [count, avg, min, max, stddev, first, last] = row[metric];
    return [{ metric, count, avg, min, max, stddev, first, last, lastTime }];
  });
  const further = (await db.query<MetricFigures>(furtherSummarySql, values)).rows;
  return [...core, ...further].map((figures) => ({
    ...figures,
    unit: metricUnit(figures.metric, Math.abs(figures.max)) ?? null,
  }));
}

export const openOfSensorSql = `
SELECT (SELECT count(*) FROM alert_state WHERE sensor_id = $1::int AND state NOT IN ('ok', 'pending'))::int AS open,
  (SELECT count(DISTINCT alert_id) FROM sensor_alerts
    WHERE sensor_id = $1::int AND time >= $2::timestamptz AND time < $3::timestamptz)::int AS alerts`;

/** Episodes of a sensor: those that are open now, and those that fired in the range. */
export async function alertCounts(
  db: Db,
  { sensorId, from, to }: TimeRange & { readonly sensorId: number },
): Promise<{ readonly open: number; readonly alerts: number }> {
  const [row] = (await db.query<{ open: number; alerts: number }>(openOfSensorSql, [sensorId, from, to]))
    .rows;
  return row ?? { open: 0, alerts: 0 };
}
