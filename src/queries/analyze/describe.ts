import { type StatedUnit, metricUnit } from '../../core/metric-unit.ts';
import { type Db, type Selection, type TimeRange, selected } from '../db.ts';
import type { Description } from '../rows.ts';
import { ALL_VALUES, compareMetrics } from './values.ts';

export const DESCRIBE_SUMMARY = 'count, mean, standard deviation, extremes and quartiles of each metric';

export interface DescribeQuery extends TimeRange, Selection {
  /** Absent: all of them. */
  readonly metrics?: readonly string[] | undefined;
  /** A row a sensor and metric; otherwise one a metric. */
  readonly bySensor?: boolean | undefined;
}

export const describeSql = (bySensor: boolean): string => `
SELECT d.metric, ${bySensor ? 's.key' : 'NULL::text'} AS sensor, d.sensors, d.count, d.mean, d.std, d.min, d.quartiles[1] AS p25,
  d.quartiles[2] AS p50, d.quartiles[3] AS p75, d.max, d.first, d.last
FROM (
  SELECT v.metric, ${bySensor ? 'v.sensor_id' : '0'} AS sensor_id, count(DISTINCT v.sensor_id)::int AS sensors,
    count(*)::float8 AS count, avg(v.value) AS mean, stddev_samp(v.value) AS std, min(v.value) AS min, max(v.value) AS max,
    percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY v.value) AS quartiles,
    min(v.time) AS first, max(v.time) AS last
  FROM (${ALL_VALUES}) v
  GROUP BY 1, 2
) d LEFT JOIN sensors s ON s.id = d.sensor_id
ORDER BY s.key, d.metric`;

/** Count, mean, deviation, extremes and quartiles of each metric that has a value; by sensor, then metric. */
export async function describe(
  db: Db,
  query: DescribeQuery,
  stated?: StatedUnit,
): Promise<readonly Description[]> {
  const { metrics, from, to, bySensor = false } = query;
  const values = [metrics ?? null, from, to, ...selected(query)];
  const { rows } = await db.query<Omit<Description, 'unit'>>(describeSql(bySensor), values);
  const compare = (a: string | null, b: string | null) => ((a ?? '') < (b ?? '') ? -1 : a === b ? 0 : 1);
  return rows
    .map((row) => ({
      ...row,
      unit: metricUnit(row.metric, Math.max(Math.abs(row.min), Math.abs(row.max)), stated) ?? null,
    }))
    .sort((a, b) => compare(a.sensor, b.sensor) || compareMetrics(a.metric, b.metric));
}
