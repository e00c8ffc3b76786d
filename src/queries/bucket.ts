import { type Bucket, bucketInterval } from '../core/bucket.ts';
import type { Db } from './db.ts';

const HOUR_MS = 3_600_000;

/** Parameters of a query, by their places: `$6`. */
export interface BucketPlaces {
  readonly width: string;
  readonly zone: string;
  /** A time whose offset from UTC is that of the buckets up to an hour: the start of the range. */
  readonly from: string;
}

/**
 * Up to an hour a bucket is elapsed time: the hour that a zone repeats in autumn is two buckets. A wider one is of the clock in the
 * zone: a day that has 23 or 25 hours is one bucket.
 */
export const isFine = ({ unit, count }: Bucket): boolean => unit === 'ms' && count <= HOUR_MS;

/** How far the clock of a zone is ahead of UTC, as an interval. */
export const zoneOffset = ({ zone, from }: Omit<BucketPlaces, 'width'>): string =>
  `(timezone(${zone}::text, ${from}::timestamptz) - timezone('UTC', ${from}::timestamptz))`;

/** The start of the bucket that a time lies in. Weeks begin on Monday. */
export function bucketOf(bucket: Bucket, time: string, places: BucketPlaces): string {
  const { width, zone } = places;
  if (!isFine(bucket)) return `time_bucket(${width}::interval, ${time}, ${zone}::text)`;
  const offset = zoneOffset(places);
  return `time_bucket(${width}::interval, ${time} + ${offset}) - ${offset}`;
}

/** A bucket that the range touches is taken whole. */
export async function startOfBucket(db: Db, bucket: Bucket, zone: string, from: Date): Promise<Date> {
  const text = `SELECT ${bucketOf(bucket, '$1::timestamptz', { width: '$2', zone: '$3', from: '$1' })} AS "from"`;
  const { rows } = await db.query<{ from: Date }>(text, [from, bucketInterval(bucket), zone]);
  return rows[0]?.from ?? from;
}
