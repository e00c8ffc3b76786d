import { FieldwatchError } from '../core/errors.ts';

/** What a query needs of a database: `pg.Pool`, `pg.Client` and test doubles fit alike. */
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
  readonly sensor?: string | undefined;
  readonly location?: string | undefined;
}

export interface Limited {
  /** Rows at most, 1 to 100,000. */
  readonly limit: number;
}

/** A metric of one sensor or of many: any name, whether it has a column of its own or not. */
export interface MetricQuery extends TimeRange, Selection, Limited {
  readonly metric: string;
}

/** The values of a Selection, in the order in which the queries' texts number them. */
export const selected = ({ sensor, location }: Selection): [string | null, string | null] => [
  sensor ?? null,
  location ?? null,
];

const MAX_BUCKETS = 20_000;

/** Refuses a range that would give more buckets a sensor than is readable. */
export function checkBuckets({ from, to }: TimeRange, bucketMs: number): void {
  const buckets = (to.getTime() - from.getTime()) / bucketMs;
  if (bucketMs >= 1000 && buckets <= MAX_BUCKETS) return;
  throw new FieldwatchError(
    `query: ${Math.ceil(buckets)} buckets of ${bucketMs} ms; expected at least 1 s each and ${MAX_BUCKETS} at most`,
    { code: 'QUERY_TOO_LARGE', kind: 'config', remedy: 'Choose a wider bucket or a shorter time range.' },
  );
}
