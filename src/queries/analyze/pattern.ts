import { type Db, type Selection, type TimeRange, selected } from '../db.ts';
import type { PatternPart } from '../rows.ts';
import { FINITE_SAMPLES } from './values.ts';

export const PATTERN_SUMMARY = 'what is usual at each hour of a day, day of a week, or hour of a week';

/** `hour`: the hours of a day; `weekday`: the days of a week; `week`: the hours of each day of a week. */
export const PATTERNS = ['hour', 'weekday', 'week'] as const;
export type PatternOf = (typeof PATTERNS)[number];

export const DEFAULT_PATTERN: PatternOf = 'hour';

export interface PatternQuery extends TimeRange, Selection {
  readonly metric: string;
  readonly of: PatternOf;
  /** Name of the time zone whose hours and days these are. */
  readonly zone: string;
  /** Each sensor by itself; otherwise all values together. */
  readonly bySensor?: boolean | undefined;
}

export const patternSql = (of: PatternOf, bySensor: boolean): string => `
SELECT ${bySensor ? 's.key' : 'NULL::text'} AS sensor, p.weekday, p.hour, p.mean, p.std, p.min, p.median, p.max, p.count, p.days
FROM (
  SELECT ${bySensor ? 'v.sensor_id' : '0'} AS sensor_id, ${of === 'hour' ? 'NULL::int' : 'extract(isodow FROM v.local)::int'} AS weekday,
    ${of === 'weekday' ? 'NULL::int' : 'extract(hour FROM v.local)::int'} AS hour, avg(v.value) AS mean,
    stddev_samp(v.value) AS std, min(v.value) AS min, percentile_cont(0.5) WITHIN GROUP (ORDER BY v.value) AS median,
    max(v.value) AS max, count(*)::float8 AS count, count(DISTINCT v.local::date)::int AS days
  FROM (SELECT e.sensor_id, e.value, timezone($6::text, e.time) AS local FROM (${FINITE_SAMPLES}) e) v
  GROUP BY 1, 2, 3
) p LEFT JOIN sensors s ON s.id = p.sensor_id
ORDER BY s.key, p.weekday, p.hour`;

/** Usual values at each hour or weekday; those without a value are absent. */
export async function pattern(db: Db, query: PatternQuery): Promise<readonly PatternPart[]> {
  const { metric, of, zone, from, to, bySensor = false } = query;
  const values = [metric, from, to, ...selected(query), zone];
  return (await db.query<PatternPart>(patternSql(of, bySensor), values)).rows;
}
