import { type Bucket, bucketInterval } from '../../core/bucket.ts';
import { FieldwatchError } from '../../core/errors.ts';
import { bucketOf, startOfBucket } from '../bucket.ts';
import { type Db, type Selection, type TimeRange, checkBuckets, selected } from '../db.ts';
import { sensorsWhere } from '../readings.ts';
import type { PairCorrelation } from '../rows.ts';
import { ALL_VALUES, compareMetrics } from './values.ts';

export const CORRELATE_SUMMARY = 'correlation of metrics, or of sensors, by their means of common buckets';

export const CORRELATED = ['metrics', 'sensors'] as const;
export type Correlated = (typeof CORRELATED)[number];
export const CORRELATIONS = ['pearson', 'spearman'] as const;
export type Correlation = (typeof CORRELATIONS)[number];

export const CORRELATE_DEFAULTS: Pick<CorrelateQuery, 'of' | 'method'> = { of: 'metrics', method: 'pearson' };

export interface CorrelateQuery extends TimeRange, Selection {
  /** Pairs of metrics of the same sensor, over all chosen sensors; or pairs of sensors, metric by metric. */
  readonly of: Correlated;
  /** Absent: all of them. */
  readonly metrics?: readonly string[] | undefined;
  /** Means of these are compared. */
  readonly bucket: Bucket;
  /** Name of a time zone: where days and months begin. */
  readonly zone: string;
  readonly method: Correlation;
}

const ON: Readonly<Record<Correlated, string>> = {
  metrics: 'b.sensor_id = a.sensor_id AND b.bucket = a.bucket AND b.metric > a.metric',
  sensors: 'b.metric = a.metric AND b.bucket = a.bucket AND b.sensor > a.sensor',
};

/** Ranks, equal values with the mean of theirs. */
const rank = (value: string): string =>
  `rank() OVER (PARTITION BY p.metric, p.a, p.b ORDER BY p.${value}) + (count(*) OVER (PARTITION BY p.metric, p.a, p.b, p.${value}) - 1) / 2.0`;

export const correlateSql = (of: Correlated, bucket: Bucket, method: Correlation): string => `
WITH cells AS (
  SELECT v.metric, v.sensor_id, (SELECT s.key FROM sensors s WHERE s.id = v.sensor_id) AS sensor, v.bucket, v.value
  FROM (
    SELECT e.metric, e.sensor_id, ${bucketOf(bucket, 'e.time', { width: '$6', zone: '$7', from: '$2' })} AS bucket,
      avg(e.value) AS value
    FROM (${ALL_VALUES}) e GROUP BY 1, 2, 3
  ) v
),
pairs AS (
  SELECT ${of === 'metrics' ? 'NULL::text AS metric, a.metric AS a, b.metric AS b' : 'a.metric, a.sensor AS a, b.sensor AS b'},
    a.value AS x, b.value AS y
  FROM cells a JOIN cells b ON ${ON[of]}
)
SELECT p.metric, p.a, p.b, corr(p.x, p.y) AS r, count(*)::float8 AS buckets
FROM ${method === 'pearson' ? 'pairs' : `(SELECT p.metric, p.a, p.b, (${rank('x')})::float8 AS x, (${rank('y')})::float8 AS y FROM pairs p)`} p
GROUP BY p.metric, p.a, p.b`;

/** 4,950 pairs. */
const MOST_SENSORS = 100;
const countSql = `SELECT count(*)::int AS sensors FROM sensors s WHERE ${sensorsWhere('$1', '$2')}`;

/** The correlation of each pair over the buckets that both have. Rejects with QUERY_TOO_LARGE for more than 100 sensors in pairs. */
export async function correlate(db: Db, query: CorrelateQuery): Promise<readonly PairCorrelation[]> {
  const { of, metrics, bucket, zone, method, to } = query;
  checkBuckets(query, bucket);
  if (of === 'sensors') await checkSensors(db, query);
  const from = await startOfBucket(db, bucket, zone, query.from);
  const values = [metrics ?? null, from, to, ...selected(query), bucketInterval(bucket), zone];
  const { rows } = await db.query<PairCorrelation>(correlateSql(of, bucket, method), values);
  const names = of === 'metrics' ? compareMetrics : (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  // The first of a pair is that which lists have first.
  const ordered = rows.map((row) => (names(row.a, row.b) > 0 ? { ...row, a: row.b, b: row.a } : row));
  return ordered.sort(
    (one, other) =>
      compareMetrics(one.metric ?? '', other.metric ?? '') || names(one.a, other.a) || names(one.b, other.b),
  );
}

async function checkSensors(db: Db, query: Selection): Promise<void> {
  const { rows } = await db.query<{ sensors: number }>(countSql, selected(query));
  const sensors = rows[0]?.sensors ?? 0;
  if (sensors <= MOST_SENSORS) return;
  throw new FieldwatchError(`query: ${sensors} sensors in pairs; expected ${MOST_SENSORS} at most`, {
    code: 'QUERY_TOO_LARGE',
    kind: 'config',
    remedy: 'Choose sensors, or a location.',
  });
}
