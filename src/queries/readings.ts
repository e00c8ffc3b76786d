import { CORE_METRICS } from '../core/reading.ts';
import { type Db, type Limited, type MetricQuery, selected, type Selection, type TimeRange } from './db.ts';

/**
 * Pieces of query text. They are built from the constant list of core metrics only: what a caller asks for is always a
 * parameter.
 */

/** `CASE $1 WHEN 'temperature' THEN r.temperature …`: the column of the metric that a parameter names. */
export const pick = (parameter: string, column: (metric: string) => string): string =>
  `CASE ${parameter}::text ${CORE_METRICS.map((metric) => `WHEN '${metric}' THEN ${column(metric)}`).join(' ')} END`;

export const isCore = (parameter: string): string =>
  `${parameter}::text IN (${CORE_METRICS.map((metric) => `'${metric}'`).join(', ')})`;

/** Sensors of a Selection: `$sensor` and `$location`, each null for any. */
export const sensorsWhere = (sensor: string, location: string): string =>
  `(${sensor}::text[] IS NULL OR s.key = ANY (${sensor})) AND (${location}::text IS NULL OR s.location = ${location})`;

/** The ids of the sensors $4 and locations $5. */
export const CHOSEN = `SELECT s.id FROM sensors s WHERE ${sensorsWhere('$4', '$5')}`;

/**
 * Every value (time, sensor_id, value) of metric $1 in [$2, $3) of sensors $4 and locations $5. The side that does not
 * hold the metric costs nothing: its condition is false before a row is read. `after` narrows the range further.
 */
export const samples = ({ after }: { readonly after?: string } = {}): string => `
  SELECT r.time, r.sensor_id, ${pick('$1', (metric) => `r.${metric}::float8`)} AS value
  FROM sensor_readings r
  WHERE ${isCore('$1')} AND r.time >= $2::timestamptz AND r.time < $3::timestamptz
    ${after === undefined ? '' : `AND r.time >= ${after}`}
    AND r.sensor_id IN (${CHOSEN}) AND ${pick('$1', (metric) => `r.${metric} IS NOT NULL`)}
  UNION ALL
  SELECT m.time, m.sensor_id, m.value
  FROM sensor_metrics m
  WHERE NOT ${isCore('$1')} AND m.metric_id = (SELECT id FROM metrics WHERE name = $1)
    AND m.time >= $2::timestamptz AND m.time < $3::timestamptz AND m.sensor_id IN (${CHOSEN})
    ${after === undefined ? '' : `AND m.time >= ${after}`}`;

// The page first: then the further metrics of its readings only.
export const recentSql = `
SELECT r.time, r.sensor, r.location, r.temperature, r.humidity, r.pressure, r.battery, r.rssi, f.further
FROM (
  SELECT r.*, s.key AS sensor, s.location
  FROM sensor_readings r JOIN sensors s ON s.id = r.sensor_id
  WHERE r.time >= $1::timestamptz AND r.time < $2::timestamptz AND ${sensorsWhere('$3', '$4')}
  ORDER BY r.time DESC, s.key
  LIMIT $5
) r
LEFT JOIN LATERAL (
  SELECT jsonb_object_agg(m.name, v.value) AS further FROM sensor_metrics v JOIN metrics m ON m.id = v.metric_id
  WHERE v.sensor_id = r.sensor_id AND v.time = r.time AND v.time >= $1::timestamptz AND v.time < $2::timestamptz
) f ON true
ORDER BY r.time DESC, r.sensor`;

export interface ReadingRow {
  readonly time: Date;
  readonly sensor: string;
  readonly location: string | null;
  readonly temperature: number | null;
  readonly humidity: number | null;
  readonly pressure: number | null;
  readonly battery: number | null;
  readonly rssi: number | null;
  /** Metrics without a column of their own, by name; null: the reading has none. */
  readonly further: Readonly<Record<string, number>> | null;
}

/** The newest readings of a time range, newest first. */
export async function recentReadings(
  db: Db,
  query: TimeRange & Selection & Limited,
): Promise<readonly ReadingRow[]> {
  const values = [query.from, query.to, ...selected(query), query.limit];
  return (await db.query<ReadingRow>(recentSql, values)).rows;
}

export const recentMetricSql = `
SELECT v.time, s.key AS sensor, s.location, v.value, (SELECT unit FROM metrics WHERE name = $1) AS unit
FROM (${samples()}) v JOIN sensors s ON s.id = v.sensor_id
ORDER BY v.time DESC, s.key
LIMIT $6`;

export interface SampleRow {
  readonly time: Date;
  readonly sensor: string;
  readonly location: string | null;
  readonly value: number;
  /** As the device stated it; null: it stated none. */
  readonly unit: string | null;
}

/** The newest values of one metric, whichever table holds it; newest first. */
export async function recentMetric(db: Db, query: MetricQuery): Promise<readonly SampleRow[]> {
  const values = [query.metric, query.from, query.to, ...selected(query), query.limit];
  return (await db.query<SampleRow>(recentMetricSql, values)).rows;
}

export const latestMetricSql = `
SELECT s.key AS sensor, s.location, v.time, v.value, (SELECT unit FROM metrics WHERE name = $1) AS unit
FROM sensors s
LEFT JOIN LATERAL (
  (SELECT r.time, ${pick('$1', (metric) => `r.${metric}::float8`)} AS value
   FROM sensor_readings r
   WHERE ${isCore('$1')} AND r.sensor_id = s.id AND r.time >= $2::timestamptz
     AND ${pick('$1', (metric) => `r.${metric} IS NOT NULL`)}
   ORDER BY r.time DESC LIMIT 1)
  UNION ALL
  (SELECT m.time, m.value
   FROM sensor_metrics m
   WHERE NOT ${isCore('$1')} AND m.sensor_id = s.id AND m.time >= $2::timestamptz
     AND m.metric_id = (SELECT id FROM metrics WHERE name = $1)
   ORDER BY m.time DESC LIMIT 1)
) v ON true
WHERE ${sensorsWhere('$3', '$4')}
ORDER BY s.key
LIMIT $5`;

export interface LatestMetricRow {
  readonly sensor: string;
  readonly location: string | null;
  /** Null, as `value`, for a sensor without the metric since `since`. */
  readonly time: Date | null;
  readonly value: number | null;
  readonly unit: string | null;
}

/** The newest value of one metric per sensor, whichever table holds it. */
export async function latestMetric(
  db: Db,
  query: Selection & Limited & { readonly metric: string; readonly since: Date },
): Promise<readonly LatestMetricRow[]> {
  const values = [query.metric, query.since, ...selected(query), query.limit];
  return (await db.query<LatestMetricRow>(latestMetricSql, values)).rows;
}
