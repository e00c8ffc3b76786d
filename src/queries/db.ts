import { type Bucket, bucketInterval, shortestMs } from '../core/bucket.ts';
import { FieldwatchError } from '../core/errors.ts';

/** The part of a database connection that queries use: `pg.Pool`, `pg.Client` and test doubles fit alike. */
export interface Db {
  query<Row>(text: string, values: unknown[]): Promise<{ rows: Row[] }>;
}

/** Half open: `from` is in, `to` is not. Every read is bounded by one: without it all chunks would be opened. */
export interface TimeRange {
  readonly from: Date;
  readonly to: Date;
}

/** Which sensors; absent fields do not restrict. */
export interface Selection {
  /** Key of a sensor, or several. */
  readonly sensor?: string | readonly string[] | undefined;
  readonly location?: string | undefined;
}

export interface Limited {
  /** Rows at most; absent: all of them. */
  readonly limit?: number | undefined;
}

/** A metric of one sensor or of many: any name, whether it has a column of its own or not. */
export interface MetricQuery extends TimeRange, Selection, Limited {
  readonly metric: string;
}

/** The values of a Selection, in the order in which the queries' texts number them. */
export const selected = ({ sensor = [], location }: Selection): [readonly string[] | null, string | null] => {
  const keys = typeof sensor === 'string' ? [sensor] : sensor;
  return [keys.length === 0 ? null : keys, location ?? null];
};

const MAX_BUCKETS = 20_000;

/** Refuses a range that would give more buckets a sensor than is readable. */
export function checkBuckets({ from, to }: TimeRange, bucket: Bucket): void {
  const buckets = (to.getTime() - from.getTime()) / shortestMs(bucket);
  if (buckets <= MAX_BUCKETS) return;
  throw new FieldwatchError(
    `query: ${Math.ceil(buckets)} buckets of ${bucketInterval(bucket)}; expected ${MAX_BUCKETS} at most`,
    { code: 'QUERY_TOO_LARGE', kind: 'config', remedy: 'Choose a wider bucket or a shorter time range.' },
  );
}
