import { pick } from './samples.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** The start of the bucket: a bucket that the range touches is taken whole. */
export const startOf = (time: Date, widthMs: number): Date =>
  new Date(Math.floor(time.getTime() / widthMs) * widthMs);

/** One bucket of one sensor. Averages are sums over counts, so that they stay right when they are put together. */
export interface StatisticsRow {
  readonly bucket: Date;
  readonly sensor: string;
  readonly location: string | null;
  readonly avg: number;
  /** Null where the aggregate does not keep it (rssi). */
  readonly min: number | null;
  readonly max: number | null;
  /** Values of the metric in the bucket. */
  readonly count: number;
}

const SHORT: Readonly<Record<string, string>> = { temperature: 'temp' };
const WITHOUT_EXTREMES = ['rssi'];
const named = (metric: string) => SHORT[metric] ?? metric;

/** sum, count, min and max of metric $1 from a row `a` of either aggregate. */
export const AGGREGATED = `
  ${pick('$1', (metric) => `a.sum_${named(metric)}`)} AS sum,
  ${pick('$1', (metric) => `a.count_${named(metric)}`)}::float8 AS count,
  ${pick('$1', (metric) => (WITHOUT_EXTREMES.includes(metric) ? 'NULL' : `a.min_${named(metric)}`))} AS min,
  ${pick('$1', (metric) => (WITHOUT_EXTREMES.includes(metric) ? 'NULL' : `a.max_${named(metric)}`))} AS max`;

/** End of what an aggregate holds of [$2, $3); $2 when that is nothing. */
export const reachOf = (view: string, column: string, width: string): string =>
  `SELECT coalesce(max(${column}) + INTERVAL '${width}', $2::timestamptz) AS until
   FROM ${view} WHERE ${column} >= $2::timestamptz AND ${column} < $3::timestamptz`;
