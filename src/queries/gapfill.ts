import { type Db, type MetricQuery, checkBuckets, selected } from './db.ts';
import { samples } from './samples.ts';

// The bounds are given to time_bucket_gapfill itself: it cannot see them through the UNION.
export const text = `
SELECT g.bucket, s.key AS sensor, s.location, g.avg, g.locf, g.interpolated
FROM (
  SELECT time_bucket_gapfill($6::interval, v.time, $2::timestamptz, $3::timestamptz) AS bucket, v.sensor_id,
    avg(v.value) AS avg, locf(avg(v.value)) AS locf, interpolate(avg(v.value)) AS interpolated
  FROM (${samples()}) v
  GROUP BY 1, 2
) g JOIN sensors s ON s.id = g.sensor_id
ORDER BY s.key, g.bucket
LIMIT $7`;

export interface GapfillRow {
  readonly bucket: Date;
  readonly sensor: string;
  readonly location: string | null;
  /** What was measured; null in a gap. */
  readonly avg: number | null;
  /** In a gap the last value carried forward; null before the first. */
  readonly locf: number | null;
  /** In a gap the straight line between its neighbours; null where there is none on a side. */
  readonly interpolated: number | null;
}

/** Every bucket of every sensor that has a value in the range, gaps filled in two ways; by sensor, then time. */
export async function gapFilled(
  db: Db,
  query: MetricQuery & { readonly bucketMs: number },
): Promise<readonly GapfillRow[]> {
  checkBuckets(query, query.bucketMs);
  const bucket = `${query.bucketMs} milliseconds`;
  const values = [query.metric, query.from, query.to, ...selected(query), bucket, query.limit];
  return (await db.query<GapfillRow>(text, values)).rows;
}
