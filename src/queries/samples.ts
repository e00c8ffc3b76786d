import { CORE_METRICS } from '../core/reading.ts';

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
  `(${sensor}::text IS NULL OR s.key = ${sensor}) AND (${location}::text IS NULL OR s.location = ${location})`;

const CHOSEN = `SELECT s.id FROM sensors s WHERE ${sensorsWhere('$4', '$5')}`;

/**
 * Every value (time, sensor_id, value) of metric $1 in [$2, $3) of sensors $4 and locations $5. The side that does not
 * hold the metric costs nothing: its condition is false before a row is read. `after` narrows the range further.
 */
export const samples = (after?: { readonly core: string }): string => `
  SELECT r.time, r.sensor_id, ${pick('$1', (metric) => `r.${metric}::float8`)} AS value
  FROM sensor_readings r
  WHERE ${isCore('$1')} AND r.time >= $2::timestamptz AND r.time < $3::timestamptz
    ${after === undefined ? '' : `AND r.time >= ${after.core}`}
    AND r.sensor_id IN (${CHOSEN}) AND ${pick('$1', (metric) => `r.${metric} IS NOT NULL`)}
  UNION ALL
  SELECT m.time, m.sensor_id, m.value
  FROM sensor_metrics m
  WHERE NOT ${isCore('$1')} AND m.metric_id = (SELECT id FROM metrics WHERE name = $1)
    AND m.time >= $2::timestamptz AND m.time < $3::timestamptz AND m.sensor_id IN (${CHOSEN})`;
