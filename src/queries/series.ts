import { type CoreMetric, type Millis, isCoreMetric } from '../core/reading.ts';
import {
  MOST_BUCKETS,
  type MetricRetention,
  type Retention,
  type SeriesPlan,
  type SeriesRange,
  planSeries,
  shortestOf,
} from '../core/series-plan.ts';
import type { Db } from './db.ts';
import { WITHOUT_EXTREMES, aggregateColumn } from './statistics.ts';

/** The values of one metric, oldest first: columns, because they are many. */
export interface SeriesColumns {
  readonly metric: string;
  /** Start of the bucket, milliseconds since the epoch. A bucket without a value is missing. */
  readonly time: readonly Millis[];
  readonly mean: readonly number[];
  readonly min: readonly number[];
  readonly max: readonly number[];
}

/** How many readings a sensor has in [$2, $3), as far as $4. */
export const countSql = `
SELECT count(*)::int AS rows FROM (
  SELECT 1 FROM sensor_readings WHERE sensor_id = $1 AND time >= $2::timestamptz AND time < $3::timestamptz LIMIT $4
) r`;

/** How many values of metric $5 it has. */
export const countFurtherSql = `
SELECT count(*)::int AS rows FROM (
  SELECT 1 FROM sensor_metrics WHERE sensor_id = $1 AND time >= $2::timestamptz AND time < $3::timestamptz
    AND metric_id = (SELECT id FROM metrics WHERE name = $5::text) LIMIT $4
) v`;

/** Its readings in the range, oldest first: metrics with a column of their own. The columns come from our own list. */
export const exactSql = (metrics: readonly CoreMetric[]): string => `
SELECT extract(epoch FROM time)::float8 * 1000 AS ms, ${metrics.map((metric) => `${metric}::float8 AS ${metric}`).join(', ')}
FROM sensor_readings WHERE sensor_id = $1 AND time >= $2::timestamptz AND time < $3::timestamptz ORDER BY time`;

export const exactFurtherSql = `
SELECT extract(epoch FROM time)::float8 * 1000 AS ms, value FROM sensor_metrics
WHERE sensor_id = $1 AND time >= $2::timestamptz AND time < $3::timestamptz
  AND metric_id = (SELECT id FROM metrics WHERE name = $4::text) ORDER BY time`;

const bucket = (time: string) =>
  `extract(epoch FROM time_bucket($4::interval, ${time}, $5::timestamptz))::float8 * 1000`;

const summed = (column: string, metric: string) =>
  `sum(${column}::float8) AS ${metric}_sum, count(${column})::float8 AS ${metric}_count,
  min(${column})::float8 AS ${metric}_min, max(${column})::float8 AS ${metric}_max`;

/** Buckets of the readings of [$2, $3): steps of $4 that begin at $5. */
export const bucketsSql = (metrics: readonly CoreMetric[]): string => `
SELECT ${bucket('time')} AS ms, ${metrics.map((metric) => summed(metric, metric)).join(', ')}
FROM sensor_readings WHERE sensor_id = $1 AND time >= $2::timestamptz AND time < $3::timestamptz
GROUP BY 1`;

export const furtherBucketsSql = `
SELECT ${bucket('time')} AS ms, ${summed('value', 'value')}
FROM sensor_metrics WHERE sensor_id = $1 AND time >= $2::timestamptz AND time < $3::timestamptz
  AND metric_id = (SELECT id FROM metrics WHERE name = $6::text)
GROUP BY 1`;

const AGGREGATES = {
  hourly: {
    view: 'sensor_hourly_agg',
    furtherView: 'sensor_metrics_hourly_agg',
    column: 'hour',
    width: '1 hour',
  },
  daily: {
    view: 'sensor_daily_agg',
    furtherView: 'sensor_metrics_daily_agg',
    column: 'day',
    width: '1 day',
  },
} as const;

type Aggregate = keyof typeof AGGREGATES;

/** Buckets of figures that are kept of hours or days. */
export const aggregateBucketsSql = (source: Aggregate, metrics: readonly CoreMetric[]): string => {
  const { view, column } = AGGREGATES[source];
  const columns = metrics.map((metric) => {
    const name = aggregateColumn(metric);
    // Where extremes are not kept, those of the means are the best there is.
    const extreme = (which: 'min' | 'max') =>
      WITHOUT_EXTREMES.includes(metric) ? `avg_${name}` : `${which}_${name}`;
    return `sum(sum_${name})::float8 AS ${metric}_sum, sum(count_${name})::float8 AS ${metric}_count,
  min(${extreme('min')})::float8 AS ${metric}_min, max(${extreme('max')})::float8 AS ${metric}_max`;
  });
  return `
SELECT ${bucket(column)} AS ms, ${columns.join(', ')}
FROM ${view} WHERE sensor_id = $1 AND ${column} >= $2::timestamptz AND ${column} < $3::timestamptz
GROUP BY 1`;
};

/** Buckets of figures of a metric without a column of its own. */
export const furtherAggregateBucketsSql = (source: Aggregate): string => {
  const { furtherView, column } = AGGREGATES[source];
  return `
SELECT ${bucket(column)} AS ms, sum(sum_value)::float8 AS value_sum, sum(count_value)::float8 AS value_count,
  min(min_value) AS value_min, max(max_value) AS value_max
FROM ${furtherView} WHERE sensor_id = $1 AND ${column} >= $2::timestamptz AND ${column} < $3::timestamptz
  AND metric_id = (SELECT id FROM metrics WHERE name = $6::text)
GROUP BY 1`;
};

/** The end of what an aggregate holds of a sensor in the range, of metric $4. */
export const aggregateReachSql = (source: Aggregate, isFurther = false): string => {
  const { view, furtherView, column, width } = AGGREGATES[source];
  return `
SELECT max(${column}) + INTERVAL '${width}' AS until
FROM ${isFurther ? furtherView : view} WHERE sensor_id = $1 AND ${column} >= $2::timestamptz AND ${column} < $3::timestamptz${
    isFurther ? ' AND metric_id = (SELECT id FROM metrics WHERE name = $4::text)' : ''
  }`;
};

/** A bucket as far as one source knows it: sums and counts, so that parts of it can be put together. */
interface Part {
  sum: number;
  count: number;
  min: number;
  max: number;
}

type Parts = Map<Millis, Part>;

type Row = { readonly ms: number } & Readonly<Record<string, number | null>>;

/** Whether a sensor has at most so many readings in the range, and values of each metric without a column. */
export async function hasAtMost(
  db: Db,
  sensorId: number,
  metrics: readonly string[],
  range: Pick<SeriesPlan, 'fromMs' | 'toMs'>,
  most: number,
): Promise<boolean> {
  const values = [sensorId, new Date(range.fromMs), new Date(range.toMs), most + 1];
  const further = metrics.filter((metric) => !isCoreMetric(metric));
  const counts = [
    ...(further.length < metrics.length ? [[countSql, values] as const] : []),
    ...further.map((metric) => [countFurtherSql, [...values, metric]] as const),
  ];
  for (const [text, bound] of counts)
    if (((await db.query<{ rows: number }>(text, [...bound])).rows[0]?.rows ?? 0) > most) return false;
  return true;
}

/** Series of some metrics of a sensor, as its readers get them. */
export interface ChosenSeries {
  /** `stepMs` 0: each value as it was measured. */
  readonly plan: SeriesPlan;
  /** Only metrics that have a value. */
  readonly columns: AsyncGenerator<SeriesColumns>;
}

/** Buckets, or, where no step is given and no more readings than points are there, each reading. */
export async function chooseSeries(
  db: Db,
  sensorId: number,
  metrics: readonly string[],
  { range, retention, nowMs }: { range: SeriesRange; retention: MetricRetention; nowMs: Millis },
): Promise<ChosenSeries> {
  const planned = planSeries(range, retentionOf(metrics, retention), nowMs);
  const isExact =
    range.stepMs === undefined &&
    planned.source === 'raw' &&
    (await hasAtMost(db, sensorId, metrics, range, Math.min(range.points, MOST_BUCKETS)));
  const plan = isExact ? { ...planned, fromMs: range.fromMs, stepMs: 0 } : planned;
  return { plan, columns: columnsIn(db, sensorId, metrics, plan) };
}

/** One answer has one source for all of its metrics. */
const retentionOf = (metrics: readonly string[], { columns, further }: MetricRetention): Retention =>
  shortestOf([
    ...(metrics.every((metric) => !isCoreMetric(metric)) ? [] : [columns]),
    ...(metrics.every(isCoreMetric) ? [] : [further]),
  ]);

async function* columnsIn(
  db: Db,
  sensorId: number,
  metrics: readonly string[],
  plan: SeriesPlan,
): AsyncGenerator<SeriesColumns> {
  const read = plan.stepMs > 0 ? bucketedSeries : exactSeries;
  for await (const series of read(db, sensorId, metrics, plan)) if (series.time.length > 0) yield series;
}

/** Each value as it was measured, one metric after the other: those with a column of their own are read together. Bounded by `hasAtMost`. */
export async function* exactSeries(
  db: Db,
  sensorId: number,
  metrics: readonly string[],
  range: Pick<SeriesPlan, 'fromMs' | 'toMs'>,
): AsyncGenerator<SeriesColumns> {
  const values = [sensorId, new Date(range.fromMs), new Date(range.toMs)];
  const core = metrics.filter(isCoreMetric);
  const rows = core.length === 0 ? [] : (await db.query<Row>(exactSql(core), values)).rows;
  for (const metric of metrics) {
    if (isCoreMetric(metric)) yield exactColumns(metric, rows, metric);
    else {
      const further = await db.query<Row>(exactFurtherSql, [...values, metric]);
      yield exactColumns(metric, further.rows, 'value');
    }
  }
}

function exactColumns(metric: string, rows: readonly Row[], column: string): SeriesColumns {
  const time: Millis[] = [];
  const mean: number[] = [];
  for (const row of rows) {
    const value = row[column] ?? null;
    if (value === null) continue;
    time.push(row.ms);
    mean.push(value);
  }
  return { metric, time, mean, min: mean, max: mean };
}

/**
 * The buckets of metrics, one after the other: those with a column of their own are read together. What the figures of days or
 * hours do not reach yet comes from the next finer source.
 */
export async function* bucketedSeries(
  db: Db,
  sensorId: number,
  metrics: readonly string[],
  plan: SeriesPlan,
): AsyncGenerator<SeriesColumns> {
  const core = metrics.filter(isCoreMetric);
  const found = core.length === 0 ? new Map<string, Parts>() : await coreParts(db, sensorId, core, plan);
  for (const metric of metrics)
    yield columnsOf(metric, found.get(metric) ?? (await furtherParts(db, sensorId, metric, plan)));
}

async function furtherParts(db: Db, sensorId: number, metric: string, plan: SeriesPlan): Promise<Parts> {
  const parts: Parts = new Map();
  if (isCoreMetric(metric)) return parts;
  await readParts(db, sensorId, plan, {
    buckets: furtherBucketsSql,
    aggregate: furtherAggregateBucketsSql,
    reach: (source) => aggregateReachSql(source, true),
    values: [metric],
    take: (row) => add(parts, row, 'value'),
  });
  return parts;
}

async function coreParts(
  db: Db,
  sensorId: number,
  metrics: readonly CoreMetric[],
  plan: SeriesPlan,
): Promise<ReadonlyMap<string, Parts>> {
  const found = new Map<string, Parts>(metrics.map((metric) => [metric, new Map()]));
  await readParts(db, sensorId, plan, {
    buckets: bucketsSql(metrics),
    aggregate: (source) => aggregateBucketsSql(source, metrics),
    reach: (source) => aggregateReachSql(source),
    values: [],
    take: (row) => {
      for (const metric of metrics) add(found.get(metric)!, row, metric);
    },
  });
  return found;
}

const FINER = { daily: 'hourly', hourly: undefined } as const;

interface PartQueries {
  readonly buckets: string;
  readonly aggregate: (source: Aggregate) => string;
  readonly reach: (source: Aggregate) => string;
  /** Behind the bounds. */
  readonly values: readonly string[];
  readonly take: (row: Row) => void;
}

/** From the coarsest source on, each as far as it reaches. */
async function readParts(db: Db, sensorId: number, plan: SeriesPlan, queries: PartQueries): Promise<void> {
  const { buckets, aggregate, reach, take } = queries;
  let fromMs = plan.fromMs;
  const read = async (text: string) => {
    const values = [...boundsOf(sensorId, plan, fromMs), ...queries.values];
    for (const row of (await db.query<Row>(text, values)).rows) take(row);
  };
  let source: Aggregate | undefined = plan.source === 'raw' ? undefined : plan.source;
  while (source !== undefined) {
    await read(aggregate(source));
    const values = [...boundsOf(sensorId, plan, fromMs).slice(0, 3), ...queries.values];
    const { rows } = await db.query<{ until: Date | null }>(reach(source), values);
    fromMs = rows[0]?.until?.getTime() ?? fromMs;
    source = FINER[source];
  }
  if (fromMs < plan.toMs) await read(buckets);
}

/** Buckets of a part that begins later are those of the whole. */
const boundsOf = (sensorId: number, plan: SeriesPlan, fromMs: Millis): unknown[] => [
  sensorId,
  new Date(fromMs),
  new Date(plan.toMs),
  `${plan.stepMs} milliseconds`,
  new Date(plan.fromMs),
];

function add(parts: Parts, row: Row, name: string): void {
  const count = row[`${name}_count`] ?? 0;
  const [sum, min, max] = [`${name}_sum`, `${name}_min`, `${name}_max`].map((key) => row[key] ?? NaN) as [
    number,
    number,
    number,
  ];
  // NaN and infinities can only come from a program of the operator's, and are no points.
  if (count === 0 || !Number.isFinite(sum) || !Number.isFinite(min) || !Number.isFinite(max)) return;
  const part = parts.get(row.ms);
  if (part === undefined) parts.set(row.ms, { sum, count, min, max });
  else {
    part.sum += sum;
    part.count += count;
    part.min = Math.min(part.min, min);
    part.max = Math.max(part.max, max);
  }
}

function columnsOf(metric: string, parts: Parts): SeriesColumns {
  const buckets = [...parts].sort(([a], [b]) => a - b);
  return {
    metric,
    time: buckets.map(([ms]) => ms),
    mean: buckets.map(([, { sum, count }]) => sum / count),
    min: buckets.map(([, { min }]) => min),
    max: buckets.map(([, { max }]) => max),
  };
}
