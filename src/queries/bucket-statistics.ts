import { type Bucket, bucketInterval, isOfHours } from '../core/bucket.ts';
import { hasWholeHours } from '../core/zone.ts';
import { bucketOf, startOfBucket } from './bucket.ts';
import { type Db, type MetricQuery, checkBuckets, selected } from './db.ts';
import { samples, sensorsWhere } from './readings.ts';
import { DAYS, HOURS, type StatisticsRow } from './statistics.ts';

/** Where the figures come from: readings, or the aggregates, which are kept for longer. */
export type BucketSource = 'readings' | 'hours' | 'days';

const PARTS: Readonly<Record<BucketSource, string>> = {
  readings: `
parts AS (
  SELECT v.time AS bucket, v.sensor_id, v.value AS sum, 1::float8 AS count, v.value AS min, v.value AS max FROM (${samples()}) v
)`,
  hours: `${HOURS}, parts AS (SELECT * FROM hours)`,
  days: DAYS,
};

/** Buckets of $6 in the zone $7, put together by sums and counts. */
export const bucketStatisticsSql = (bucket: Bucket, source: BucketSource): string => `
WITH ${PARTS[source]}
SELECT b.bucket, s.key AS sensor, s.location, b.sum / b.count AS avg, b.min, b.max, b.count
FROM (
  SELECT ${bucketOf(bucket, 'p.bucket', { width: '$6', zone: '$7', from: '$2' })} AS bucket, p.sensor_id, sum(p.sum) AS sum,
    sum(p.count)::float8 AS count, min(p.min) AS min, max(p.max) AS max
  FROM parts p WHERE p.count > 0 GROUP BY 1, 2
) b JOIN sensors s ON s.id = b.sensor_id
WHERE ${sensorsWhere('$4', '$5')}
ORDER BY b.bucket DESC, s.key
LIMIT $8`;

export interface BucketQuery extends MetricQuery {
  readonly bucket: Bucket;
  /** Name of a time zone: where days and months begin. */
  readonly zone: string;
}

/**
 * Statistics of one metric by buckets of any width, newest first; a bucket that the range touches is taken whole. Rejects with
 * QUERY_TOO_LARGE.
 */
export async function bucketStatistics(db: Db, query: BucketQuery): Promise<readonly StatisticsRow[]> {
  const { metric, to, bucket, zone, limit } = query;
  checkBuckets(query, bucket);
  const from = await startOfBucket(db, bucket, zone, query.from);
  const text = bucketStatisticsSql(bucket, sourceOf(query));
  const values = [metric, from, to, ...selected(query), bucketInterval(bucket), zone, limit];
  return (await db.query<StatisticsRow>(text, values)).rows;
}

/** The coarsest one whose borders are those of the buckets. */
export function sourceOf({ bucket, zone, from, to }: BucketQuery): BucketSource {
  if (bucket.unit !== 'ms' && /^(?:Etc\/)?UTC$/i.test(zone)) return 'days';
  const isWhole = [from, to].every((time) => hasWholeHours(zone, time.getTime()));
  return isOfHours(bucket) && isWhole ? 'hours' : 'readings';
}
