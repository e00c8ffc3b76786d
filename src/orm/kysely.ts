import { type Expression, type RawBuilder, sql } from 'kysely';
import { type IntervalText, fractionText, intervalText } from './sql-text.ts';

export type * from './kysely-tables.ts';
export { COLUMNS } from './kysely-tables.ts';
export type { IntervalText } from './sql-text.ts';

const width = (text: IntervalText): RawBuilder<unknown> => sql.raw(intervalText(text));

/** The start of the bucket that a time lies in. */
export const timeBucket = (every: IntervalText, time: Expression<unknown>): RawBuilder<Date> =>
  sql<Date>`time_bucket(${width(every)}, ${time})`;

/** `timeBucket` with a row for each bucket from `from` to `to`, also where there is nothing. */
export const timeBucketGapfill = (
  every: IntervalText,
  time: Expression<unknown>,
  from: Date,
  to: Date,
): RawBuilder<Date> =>
  sql<Date>`time_bucket_gapfill(${width(every)}, ${time}, ${sql.lit(from.toISOString())}::timestamptz, ${sql.lit(to.toISOString())}::timestamptz)`;

/** In a gap, the last value before it. */
export const locf = (value: Expression<unknown>): RawBuilder<number | null> =>
  sql<number | null>`locf(${value})`;
/** In a gap, the straight line between its neighbours. */
export const interpolate = (value: Expression<unknown>): RawBuilder<number | null> =>
  sql<number | null>`interpolate(${value})`;
/** The value at the earliest, or the latest, time of a group. */
export const first = (value: Expression<unknown>, time: Expression<unknown>): RawBuilder<number | null> =>
  sql<number | null>`first(${value}, ${time})`;
export const last = (value: Expression<unknown>, time: Expression<unknown>): RawBuilder<number | null> =>
  sql<number | null>`last(${value}, ${time})`;
/** Interpolated between two values. */
export const percentileCont = (fraction: number, value: Expression<unknown>): RawBuilder<number | null> =>
  sql<number | null>`percentile_cont(${sql.raw(fractionText(fraction))}) WITHIN GROUP (ORDER BY ${value})`;
/** How many rows a table has, by the statistics of the database. */
export const approxRowCount = (relation: string): RawBuilder<string> =>
  sql<string>`approximate_row_count(${relation}::regclass)`;

/** Chunks older than this are dropped. */
export const addRetentionPolicy = (relation: string, dropAfter: IntervalText): RawBuilder<number> =>
  sql<number>`add_retention_policy(${relation}::regclass, drop_after => ${width(dropAfter)}, if_not_exists => true)`;
/** Chunks older than this are compressed. */
export const addCompressionPolicy = (relation: string, after: IntervalText): RawBuilder<number> =>
  sql<number>`add_compression_policy(${relation}::regclass, compress_after => ${width(after)}, if_not_exists => true)`;
export const removeRetentionPolicy = (relation: string): RawBuilder<unknown> =>
  sql`remove_retention_policy(${relation}::regclass, if_exists => true)`;
export const removeCompressionPolicy = (relation: string): RawBuilder<unknown> =>
  sql`remove_compression_policy(${relation}::regclass, if_exists => true)`;
