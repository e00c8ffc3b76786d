import { CORE_METRICS } from '../../core/reading.ts';
import { CHOSEN, samples } from '../readings.ts';

/** NaN, which is above infinity, and infinities can only come from a program of the operator's: they are no values. */
const finite = (value: string): string => `${value} > '-Infinity'::float8 AND ${value} < 'Infinity'::float8`;

/** Values (time, sensor_id, value) of metric $1 in [$2, $3) of sensors $4 and locations $5. */
export const FINITE_SAMPLES = `SELECT * FROM (${samples()}) every_value WHERE ${finite('value')}`;

const CORE = `ARRAY[${CORE_METRICS.map((metric) => `'${metric}'`).join(', ')}]`;

/** Values (time, sensor_id, metric, value) of metrics $1, null for all, in [$2, $3) of sensors $4 and locations $5. */
export const ALL_VALUES = `
  SELECT r.time, r.sensor_id, x.metric, x.value
  FROM sensor_readings r
  CROSS JOIN LATERAL (VALUES ${CORE_METRICS.map((metric) => `('${metric}', r.${metric}::float8)`).join(', ')}) x (metric, value)
  WHERE ($1::text[] IS NULL OR $1::text[] && ${CORE}) AND r.time >= $2::timestamptz AND r.time < $3::timestamptz
    AND r.sensor_id IN (${CHOSEN}) AND ($1::text[] IS NULL OR x.metric = ANY ($1)) AND ${finite('x.value')}
  UNION ALL
  SELECT m.time, m.sensor_id, n.name, m.value
  FROM sensor_metrics m JOIN metrics n ON n.id = m.metric_id
  WHERE m.time >= $2::timestamptz AND m.time < $3::timestamptz AND m.sensor_id IN (${CHOSEN})
    AND ($1::text[] IS NULL OR n.name = ANY ($1)) AND ${finite('m.value')}`;

/** Metrics with a column of their own first, then by name. */
export const compareMetrics = (a: string, b: string): number => {
  const [first, second] = [a, b].map((name) => CORE_METRICS.indexOf(name as (typeof CORE_METRICS)[number]));
  const [left, right] = [first ?? -1, second ?? -1].map((at) => (at < 0 ? CORE_METRICS.length : at)) as [
    number,
    number,
  ];
  return left - right || (a < b ? -1 : a > b ? 1 : 0);
};
