import { type Db, type MetricQuery, selected } from '../db.ts';
import type { Outlier } from '../rows.ts';
import { FINITE_SAMPLES } from './values.ts';

export const OUTLIERS_SUMMARY = 'values far from what is usual for their sensor, furthest first';

/**
 * `rolling`: against mean and deviation of the time before it; `mad`: against the median of the range, by the median of the absolute
 * deviations; `z`: against mean and deviation of the range.
 */
export const OUTLIERS = ['rolling', 'mad', 'z'] as const;
export type OutlierMethod = (typeof OUTLIERS)[number];

/** Usual thresholds: three deviations, and 3.5 of the modified z-score. */
export const THRESHOLDS: Readonly<Record<OutlierMethod, number>> = { rolling: 3, mad: 3.5, z: 3 };

export const OUTLIER_DEFAULTS: Pick<OutlierQuery, 'method' | 'minValues'> = {
  method: 'rolling',
  minValues: 10,
};

export interface OutlierQuery extends MetricQuery {
  readonly method: OutlierMethod;
  /** At least this far, in deviations. */
  readonly threshold: number;
  /** With fewer values, in the window or in the range, there is no verdict. */
  readonly minValues: number;
  /** For `rolling`: the time before a value that it is compared with. */
  readonly windowMs: number;
}

const found = (rows: string): string => `
SELECT o.time, s.key AS sensor, s.location, o.value, o.expected, o.spread, (o.value - o.expected) / o.spread AS score
FROM (${rows}) o JOIN sensors s ON s.id = o.sensor_id
WHERE o.spread > 0 AND o.count >= $7::int AND abs(o.value - o.expected) >= $6::float8 * o.spread
ORDER BY abs(o.value - o.expected) / o.spread DESC, o.time DESC, s.key
LIMIT $8`;

/**
 * Mean and deviation of a moving window are numeric: PostgreSQL takes values out of those, and computes every window of floats anew. $2 is
 * one window before the range, which begins at $10. The value itself is not in its window: one outlier would hide itself.
 */
export const rollingSql = found(`
  SELECT w.time, w.sensor_id, w.value, w.expected::float8 AS expected, w.spread::float8 AS spread, w.count FROM (
    SELECT v.time, v.sensor_id, v.value, avg(v.value::numeric) OVER past AS expected,
      stddev_samp(v.value::numeric) OVER past AS spread, count(*) OVER past AS count
    FROM (${FINITE_SAMPLES}) v
    WINDOW past AS (PARTITION BY v.sensor_id ORDER BY v.time
      RANGE BETWEEN $9::interval PRECEDING AND INTERVAL '1 microsecond' PRECEDING)
  ) w WHERE w.time >= $10::timestamptz`);

/** Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993): the modified z-score, and its form for a MAD of zero. */
export const madSql = `
WITH v AS MATERIALIZED (${FINITE_SAMPLES}),
medians AS (
  SELECT sensor_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS median, count(*) AS count FROM v GROUP BY sensor_id
),
deviations AS (
  SELECT v.sensor_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(v.value - m.median)) AS mad,
    avg(abs(v.value - m.median)) AS mean
  FROM v JOIN medians m ON m.sensor_id = v.sensor_id GROUP BY v.sensor_id
)${found(`
  SELECT v.time, v.sensor_id, v.value, m.median AS expected, m.count,
    CASE WHEN d.mad > 0 THEN d.mad / 0.6745 ELSE 1.253314 * d.mean END AS spread
  FROM v JOIN medians m ON m.sensor_id = v.sensor_id JOIN deviations d ON d.sensor_id = v.sensor_id`)}`;

export const zSql = found(`
  SELECT v.time, v.sensor_id, v.value, avg(v.value) OVER each AS expected, stddev_samp(v.value) OVER each AS spread,
    count(*) OVER each AS count
  FROM (${FINITE_SAMPLES}) v
  WINDOW each AS (PARTITION BY v.sensor_id)`);

/** Values that are far from what is usual for their sensor, furthest first. A sensor whose values do not vary has none. */
export async function outliers(db: Db, query: OutlierQuery): Promise<readonly Outlier[]> {
  const { metric, from, to, method, threshold, minValues, windowMs, limit } = query;
  const start = method === 'rolling' ? new Date(from.getTime() - windowMs) : from;
  const values = [metric, start, to, ...selected(query), threshold, minValues, limit];
  if (method === 'rolling') values.push(`${windowMs} milliseconds`, from);
  const text = { rolling: rollingSql, mad: madSql, z: zSql }[method];
  return (await db.query<Outlier>(text, values)).rows;
}
