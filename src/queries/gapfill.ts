import { type Bucket, bucketInterval } from '../core/bucket.ts';
import { isFine, startOfBucket, zoneOffset } from './bucket.ts';
import { type Db, type MetricQuery, checkBuckets, selected } from './db.ts';
import { isCore, pick, samples } from './readings.ts';
import type { Resampled } from './rows.ts';

/** How the values of a bucket become one, and what a bucket without values has. */
export const METHODS = ['mean', 'median', 'min', 'max', 'sum', 'count', 'std', 'first', 'last'] as const;
export type Method = (typeof METHODS)[number];
export const FILLS = ['none', 'null', 'previous', 'linear'] as const;
export type Fill = (typeof FILLS)[number];

const AGGREGATE: Readonly<Record<Method, string>> = {
  mean: 'avg(v.value)',
  median: 'percentile_cont(0.5) WITHIN GROUP (ORDER BY v.value)',
  min: 'min(v.value)',
  max: 'max(v.value)',
  sum: 'sum(v.value)',
  count: 'count(*)::float8',
  std: 'stddev_samp(v.value)',
  first: 'first(v.value, v.time)',
  last: 'last(v.value, v.time)',
};

/** How far beyond the edges of the range a value is looked for. */
const WITHIN = `INTERVAL '7 days'`;

/** The value of sensor `v` that is nearest to the range on one side of it: as it is, or with its time. */
function nearest(what: 'value' | 'both', side: 'before' | 'after', shift: string): string {
  const order = side === 'before' ? 'DESC' : 'ASC';
  const range = (alias: string) =>
    side === 'before'
      ? `${alias}.time < $2::timestamptz AND ${alias}.time >= $2::timestamptz - ${WITHIN}`
      : `${alias}.time >= $3::timestamptz AND ${alias}.time < $3::timestamptz + ${WITHIN}`;
  return `(SELECT ${what === 'value' ? 'e.value' : `(e.time${shift}, e.value)`} FROM (
    (SELECT r.time, ${pick('$1', (metric) => `r.${metric}::float8`)} AS value FROM sensor_readings r
     WHERE ${isCore('$1')} AND r.sensor_id = v.sensor_id AND ${range('r')}
       AND ${pick('$1', (metric) => `r.${metric} IS NOT NULL`)}
     ORDER BY r.time ${order} LIMIT 1)
    UNION ALL
    (SELECT m.time, m.value FROM sensor_metrics m
     WHERE NOT ${isCore('$1')} AND m.sensor_id = v.sensor_id
       AND m.metric_id = (SELECT id FROM metrics WHERE name = $1) AND ${range('m')}
     ORDER BY m.time ${order} LIMIT 1)
  ) e)`;
}

/**
 * Buckets of $6 in the zone $7 from $2 to $3, where `columns` are made of `v`. The bounds are given to time_bucket_gapfill itself: it cannot see
 * them through the UNION.
 */
function gapfillSelect(bucket: Bucket, columns: readonly string[], names: string): string {
  const fine = isFine(bucket);
  const shift = fine ? ` + ${zoneOffset({ zone: '$7', from: '$2' })}` : '';
  const zone = fine ? '' : '$7::text, ';
  return `
SELECT g.bucket${shift.replace('+', '-')} AS bucket, s.key AS sensor, s.location, ${names}
FROM (
  SELECT time_bucket_gapfill($6::interval, v.time${shift}, ${zone}$2::timestamptz${shift}, $3::timestamptz${shift}) AS bucket,
    v.sensor_id, ${columns.join(', ')}
  FROM (${samples()}) v
  GROUP BY 1, 2
) g JOIN sensors s ON s.id = g.sensor_id
ORDER BY s.key, g.bucket
LIMIT $8`;
}

/** The method's value; in a gap the last one before it, or the straight line between its neighbours. */
function filled(bucket: Bucket, value: string, fill: Exclude<Fill, 'none'>): string {
  const shift = isFine(bucket) ? ` + ${zoneOffset({ zone: '$7', from: '$2' })}` : '';
  if (fill === 'null') return value;
  if (fill === 'previous') return `locf(${value}, ${nearest('value', 'before', shift)})`;
  return `interpolate(${value}, ${nearest('both', 'before', shift)}, ${nearest('both', 'after', shift)})`;
}

export const gapfillSql = (bucket: Bucket): string =>
  gapfillSelect(
    bucket,
    [
      'avg(v.value) AS avg',
      `${filled(bucket, 'avg(v.value)', 'previous')} AS locf`,
      `${filled(bucket, 'avg(v.value)', 'linear')} AS interpolated`,
    ],
    'g.avg, g.locf, g.interpolated',
  );

export interface GapfillRow {
  readonly bucket: Date;
  readonly sensor: string;
  readonly location: string | null;
  /** Mean of the bucket; null in a gap. */
  readonly avg: number | null;
  /** In a gap the last value, also one of the seven days before the range; null before the first. */
  readonly locf: number | null;
  /** In a gap the straight line between its neighbours, also those of seven days around the range; null without one of them. */
  readonly interpolated: number | null;
}

export interface GapfillQuery extends MetricQuery {
  readonly bucket: Bucket;
  /** Name of a time zone: where days and months begin. */
  readonly zone: string;
}

/** Every bucket of every sensor that has a value in the range, gaps filled in two ways; by sensor, then time. */
export async function gapFilled(db: Db, query: GapfillQuery): Promise<readonly GapfillRow[]> {
  return read<GapfillRow>(db, query, gapfillSql(query.bucket));
}

export const resampleSql = (bucket: Bucket, method: Method, fill: Fill): string => {
  const value = AGGREGATE[method];
  const text =
    fill === 'none'
      ? gapfillSelect(bucket, [`${value} AS value`, 'count(*) AS count'], 'g.value').replace(
          'ORDER BY s.key, g.bucket\nLIMIT',
          'WHERE g.count > 0\nORDER BY s.key, g.bucket\nLIMIT',
        )
      : gapfillSelect(bucket, [`${filled(bucket, value, fill)} AS value`], 'g.value');
  return text;
};

export const RESAMPLE_SUMMARY = 'one value a bucket and sensor, with gaps filled or not';

export const RESAMPLE_DEFAULTS: Pick<ResampleQuery, 'method' | 'fill'> = { method: 'mean', fill: 'null' };

export interface ResampleQuery extends GapfillQuery {
  readonly method: Method;
  /** `none`: buckets with values only; `null`: all of them; `previous`, `linear`: the others have the last value, or a straight line. */
  readonly fill: Fill;
}

/** One value a bucket and sensor; by sensor, then time. Rejects with QUERY_TOO_LARGE. */
export async function resample(db: Db, query: ResampleQuery): Promise<readonly Resampled[]> {
  return read<Resampled>(db, query, resampleSql(query.bucket, query.method, query.fill));
}

async function read<Row>(db: Db, query: GapfillQuery, text: string): Promise<readonly Row[]> {
  const { metric, to, bucket, zone, limit } = query;
  checkBuckets(query, bucket);
  const from = await startOfBucket(db, bucket, zone, query.from);
  const values = [metric, from, to, ...selected(query), bucketInterval(bucket), zone, limit];
  return (await db.query<Row>(text, values)).rows;
}
