import {
  PENDING_CTE,
  type RefreshedAggregate,
  aggregateCte,
  aggregatesCte,
  refreshedAggregates,
  sameKey,
} from '../aggregate.ts';
import type { CatalogRow, CheckQuery } from '../catalog.ts';

import { EXPECTED_SCHEMA } from '../schema/expected-schema.ts';
import { intervalMs } from '../interval.ts';
import type { PolicyPlan } from '../plan.ts';
import { interval, literal } from './policy-sql.ts';
import { listOf, numberOf } from '../row.ts';
import { type Range, computable, isoTime, merged, safeSlices } from './slices.ts';
import type { CatalogSnapshot } from '../snapshot.ts';

/** Windows of an aggregate's buckets that one verification recomputes at most: the newest, some of the others in rotation … */
const MOST_NEWEST = 2;
const MOST_OTHERS = 6;
/** … and those that outdate an aggregate above. */
const MOST_OUTDATED = 14;
/** Buckets in one. */
const MOST_BUCKETS = 24;
/** Chunks in a window: planning one costs as much as reading a thousand of its rows. */
const MOST_CHUNKS = 8;
/** Source rows in all of them, by what the catalog says of its chunks. */
const MOST_ROWS = 30_000;
/** Sensors in the sample: rotated daily, so that all are covered, yet stable from one run to the next. */
const MOST_SENSORS = 50;
/** Ranges of a repair that are checked before it. */
const MOST_RANGES = 50;
const MOST_SENSOR_DAYS = 60;
const DAY_US = 86_400_000_000;
/** Buckets that are named. */
const MOST_FOUND = 1000;

const micros = (value: string): string => `_timescaledb_functions.to_unix_microseconds(${value})`;

/** SQL: ids of sensors, as JSON. */
export const SAMPLED_SENSORS = `(SELECT json_agg(id) FROM (SELECT id FROM sensors
  ORDER BY md5(id::text || now()::date::text) LIMIT ${MOST_SENSORS}) sampled)`;

/**
 * The basis of a sample of each aggregate, from the catalog only: chunks of the source with an estimate of their rows, and ranges in
 * which an aggregate above this one waits for a refresh before its window. Manual changes to the rows of an aggregate
 * outdate those above it, so these ranges are checked first.
 */
export function sampleQuery(aggregates: readonly RefreshedAggregate[]): CheckQuery {
  const agg = aggregatesCte(aggregates, ['kept'], ({ sourceKept }) => [
    sourceKept === undefined ? `'-infinity'::timestamptz` : `now() - ${interval(sourceKept)}`,
  ]);
  return {
    text: `WITH ${agg},
source AS MATERIALIZED (SELECT agg.name, c.* FROM agg JOIN _timescaledb_catalog.hypertable h ON h.id = agg.raw
  JOIN timescaledb_information.chunks c ON c.hypertable_schema = h.schema_name AND c.hypertable_name = h.table_name
  WHERE c.range_start >= agg.kept AND CASE WHEN ${computable('c')} THEN ${micros('c.range_start')} < agg.watermark END),
held AS (SELECT c.name, ${micros('c.range_start')}::float8 AS lo, ${micros('c.range_end')}::float8 AS hi,
    greatest(k.reltuples, pg_relation_size(k.oid) / 128, 0) + coalesce(z.numrows_pre_compression, 0) AS size
  FROM source c JOIN pg_namespace n ON n.nspname = c.chunk_schema JOIN pg_class k ON k.relnamespace = n.oid AND k.relname = c.chunk_name
  LEFT JOIN _timescaledb_catalog.compression_chunk_size z ON z.chunk_id = _timescaledb_functions.chunk_id_from_relid(k.oid)),
chunks AS (SELECT name, json_agg(json_build_array(lo, hi) ORDER BY lo) AS held, sum(size) AS rows FROM held GROUP BY name),
above AS (SELECT agg.name, l.lowest_modified_value AS lo, l.greatest_modified_value AS hi
  FROM agg JOIN _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log l ON l.hypertable_id = agg.id
  UNION ALL SELECT agg.name, l.lowest_modified_value, l.greatest_modified_value FROM agg
  JOIN _timescaledb_catalog.continuous_agg up ON up.raw_hypertable_id = agg.id
  JOIN _timescaledb_catalog.continuous_aggs_materialization_invalidation_log l ON l.materialization_id = up.mat_hypertable_id)
SELECT agg.name, chunks.held, coalesce(chunks.rows, 0)::float8 AS rows,
  (SELECT json_agg(json_build_array(greatest(lo, 0)::float8, least(hi, agg.watermark - 1)::float8 + 1)) FROM (
    SELECT lo, hi FROM above WHERE above.name = agg.name AND hi >= 0 AND lo < agg.watermark ORDER BY lo LIMIT 100) outdated) AS above,
  agg.watermark::float8 AS watermark, floor(extract(epoch FROM now()) / 86400)::int AS day,
  (SELECT count(*)::int FROM sensors) AS sensors, ${SAMPLED_SENSORS} AS sample
FROM agg LEFT JOIN chunks USING (name)`,
    values: [],
  };
}

/** Buckets and sensors to recompute. */
export interface Sample {
  readonly windows: readonly Range[];
  readonly sensors: readonly number[];
  /** From here on a stored bucket without any source row counts; before, its rows may have been dropped. */
  readonly newest: number;
}

/**
 * Always the newest buckets, and those in which an aggregate above is outdated. Of the rest enough windows a day to
 * cover all within some weeks.
 */
export function sampleOf(aggregate: RefreshedAggregate, row: CatalogRow): Sample {
  const width = intervalMs(aggregate.relation.bucket) * 1000;
  const held = rangesOf(row, 'held');
  if (held.length === 0) return { windows: [], sensors: [], newest: 0 };
  const [first, last] = [held[0] as Range, held.at(-1) as Range];
  const chunk = (last.until - first.from) / held.length;
  const buckets = Math.min(MOST_BUCKETS, Math.max(1, Math.floor((MOST_CHUNKS * chunk) / width)));
  const slices = (ranges: readonly Range[]) =>
    safeSlices(ranges, held, numberOf(row, 'watermark'), width, buckets);
  const outdated = slices(rangesOf(row, 'above')).slice(0, MOST_OUTDATED);
  const all = slices([{ from: first.from, until: last.until }]);
  const [rest, newest] = [all.slice(0, -MOST_NEWEST), all.slice(-MOST_NEWEST)];
  const count = Math.min(MOST_OTHERS, rest.length);
  const start = numberOf(row, 'day') * count;
  const rotated = Array.from({ length: count }, (_, index) => rest[(start + index) % rest.length] as Range);
  const windows = merged([...outdated, ...rotated, ...newest], width);
  const rate = numberOf(row, 'rows') / (last.until - first.from) / Math.max(1, numberOf(row, 'sensors'));
  const time = windows.reduce((sum, { from, until }) => sum + until - from, 0);
  const sensors = Math.max(1, Math.floor(MOST_ROWS / Math.max(1, rate * time)));
  return {
    windows,
    sensors: sensorsOf(row).slice(0, sensors),
    newest: newest[0]?.from ?? 0,
  };
}

const rangesOf = (row: CatalogRow, column: string): readonly Range[] =>
  listOf<readonly [number, number]>(row, column).map(([from, until]) => ({ from, until }));

export const sensorsOf = (row: CatalogRow): readonly number[] => listOf<number>(row, 'sample');

const isFloat = ({ type }: { readonly type: string }): boolean => type === 'double precision';
const sizes = ({ name }: { readonly name: string }): readonly string[] => [
  `abs(stored.${name})`,
  `abs(computed.${name})`,
];

/** SQL: the name of a differing figure, or null. */
function differs(column: { readonly name: string; readonly type: string }): string {
  const [mine, its] = [`stored.${column.name}`, `computed.${column.name}`];
  const enough = isFloat(column) ? ` AND coalesce(abs(${mine} - ${its}) > 1e-9 * scale, true)` : '';
  return `CASE WHEN ${mine} IS DISTINCT FROM ${its}${enough} THEN '${column.name}' END`;
}

/**
 * Buckets `bucket` (in microseconds) with a figure that differs from the source, by TimescaleDB's own view of the
 * aggregate's query. Excludes buckets with a pending refresh, and those without a source row: their rows were
 * dropped. Sums of the same numbers differ by their order; the tolerance follows from the greatest figure of a row.
 */
export function differingQuery(
  aggregate: RefreshedAggregate,
  { windows, sensors, newest }: Sample,
): CheckQuery {
  const { relation, definition } = aggregate;
  const [time, width] = [relation.timeColumn, interval(relation.bucket)];
  const rows = (from: string) =>
    windows
      .map(({ from: lo, until }) => [lo, until].map((us) => `${literal(isoTime(us))}::timestamptz`))
      .map(
        ([lo = '', hi = '']) =>
          `SELECT * FROM ${from} r WHERE r.${time} >= ${lo} AND r.${time} < ${hi} AND r.sensor_id = ANY ('{${sensors.join(',')}}'::int[])`,
      )
      .join('\n  UNION ALL ');
  const columns = Object.entries(EXPECTED_SCHEMA.relations[relation.name]?.columns ?? {});
  const figures = columns
    .map(([name, { type }]) => ({ name, type }))
    .filter(({ name }) => name !== time && !relation.keys.includes(name));
  const floats = figures.filter(isFloat);
  const bucket = `coalesce(computed.${time}, stored.${time})`;
  return {
    text: `WITH ${aggregateCte(relation)}, ${PENDING_CTE},
computed AS (${rows(definition)}),
stored AS (${rows(relation.name)}),
joined AS (SELECT ${bucket} AS bucket, stored.sensor_id IS NULL AS lost, computed.sensor_id IS NULL AS unfounded,
    concat_ws(', ', ${figures.map(differs).join(', ')}) AS names
  FROM computed FULL JOIN stored ON stored.${time} = computed.${time} AND ${sameKey(relation, 'stored', 'computed')}
  CROSS JOIN LATERAL (SELECT greatest(1, ${floats.flatMap(sizes).join(', ')}) AS scale) size),
differing AS (SELECT bucket, CASE WHEN NOT lost AND NOT unfounded THEN names END AS names FROM joined
  WHERE lost OR names <> '' AND (NOT unfounded OR ${micros('bucket')} >= ${Math.round(newest)}))
SELECT ${micros('d.bucket')}::float8 AS bucket, count(*)::int AS rows, string_agg(DISTINCT d.names, '; ') AS names
FROM differing d CROSS JOIN agg WHERE ${micros('d.bucket')} < agg.watermark
  AND NOT EXISTS (SELECT FROM pending p WHERE p.lo < ${micros(`d.bucket + ${width}`)} AND p.hi >= ${micros('d.bucket')})
GROUP BY d.bucket ORDER BY 1 LIMIT ${MOST_FOUND}`,
    values: [],
  };
}

/**
 * Whether the source of an aggregate, if it is an aggregate itself, differs from its own source in `ranges`: the
 * aggregate would be wrong too. No query if the source is a table.
 */
export function sourceDiffers(
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  { relation }: RefreshedAggregate,
  ranges: readonly Range[],
  sensors: readonly number[],
): readonly CheckQuery[] {
  const source = refreshedAggregates(plan, snapshot).find((each) => each.relation.name === relation.source);
  if (source === undefined || sensors.length === 0) return [];
  const windows = merged(ranges, intervalMs(relation.bucket) * 1000).slice(0, MOST_RANGES);
  const days = windows.reduce((sum, { from, until }) => sum + (until - from) / DAY_US, 0);
  const some = sensors.slice(0, Math.max(1, Math.floor(MOST_SENSOR_DAYS / days)));
  return [differingQuery(source, { windows, sensors: some, newest: Number.MAX_SAFE_INTEGER })];
}

/** The buckets of an aggregate that are made of `differing` ones of its source. */
export function bucketsOf(
  { relation }: RefreshedAggregate,
  differing: readonly CatalogRow[],
): readonly number[] {
  const width = intervalMs(relation.bucket) * 1000;
  return differing.map((row) => Math.floor(numberOf(row, 'bucket') / width) * width);
}
