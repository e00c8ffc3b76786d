import { keptBy } from './horizons.ts';
import { graceOf } from './jobs/lag.ts';
import type { DeclaredPolicy, PolicyPlan } from './plan.ts';
import { interval, literal } from './repair/policy-sql.ts';
import { type AggregateRelation, relationNamed } from './schema/relations.ts';
import { type CatalogSnapshot, existingRelations } from './snapshot.ts';

/** An existing aggregate that should be refreshed. */
export interface RefreshedAggregate {
  readonly relation: AggregateRelation;
  readonly policy: DeclaredPolicy;
  /** The view that computes it from its source. */
  readonly definition: string;
  readonly startOffset: string;
  readonly endOffset: string;
  readonly grace: string;
  /** How long the source keeps its rows; undefined: forever. */
  readonly sourceKept: string | undefined;
}

export function refreshedAggregates(
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
): readonly RefreshedAggregate[] {
  return existingRelations(plan, snapshot).flatMap(({ relation, policies }) => {
    const policy = policies.find(({ kind }) => kind === 'refresh');
    if (policy === undefined || relation.kind !== 'aggregate' || !snapshot.relations.has(relation.source))
      return [];
    const { start_offset: startOffset = '', end_offset: endOffset = '' } = policy.config;
    const sourceKept = keptBy(plan, relation.source);
    const definition = snapshot.relations.get(relation.name)?.definition ?? relation.name;
    return [{ relation, policy, definition, startOffset, endOffset, grace: graceOf(policy), sourceKept }];
  });
}

export function sourceTimeOf(relation: AggregateRelation): string {
  return relationNamed(relation.source)?.timeColumn ?? 'time';
}

/** Watermark of an aggregate that was never refreshed: 4714 BC, the first of all timestamps. */
export const NEVER_REFRESHED = '-210866803200000000';

/** `agg(name, id, raw, watermark)`: the aggregate's hypertable, that of its source, and its watermark, in microseconds. */
export function aggregateCte({ name }: AggregateRelation): string {
  return `agg AS (
  SELECT a.user_view_name::text AS name, a.mat_hypertable_id AS id, a.raw_hypertable_id AS raw,
    _timescaledb_functions.cagg_watermark(a.mat_hypertable_id) AS watermark
  FROM _timescaledb_catalog.continuous_agg a
  WHERE a.user_view_schema = current_schema() AND a.user_view_name = ${literal(name)})`;
}

/**
 * SQL: `agg(name, id, raw, watermark, …)` of several aggregates at once, with further columns as `columns` gives them: what is read from
 * the catalog is then planned once.
 */
export function aggregatesCte(
  aggregates: readonly RefreshedAggregate[],
  names: readonly string[] = [],
  columns: (aggregate: RefreshedAggregate) => readonly string[] = () => [],
): string {
  const rows = aggregates.map((aggregate) =>
    [literal(aggregate.relation.name), ...columns(aggregate)].join(', '),
  );
  return `agg AS MATERIALIZED (
  SELECT wanted.*, a.mat_hypertable_id AS id, a.raw_hypertable_id AS raw,
    _timescaledb_functions.cagg_watermark(a.mat_hypertable_id) AS watermark
  FROM (VALUES ${rows.map((row) => `(${row})`).join(', ')}) AS wanted (${['name', ...names].join(', ')})
  JOIN _timescaledb_catalog.continuous_agg a ON a.user_view_schema = current_schema() AND a.user_view_name = wanted.name)`;
}

/**
 * `pending(name, lo, hi)`: ranges whose buckets are known to be out of date, in microseconds, both ends included. The first
 * log holds what a refresh has sorted by aggregate, the second what was written since. The outermost ranges reach to the
 * ends of the bigint range: never convert one to a time before it is clamped.
 */
export const PENDING_CTE = `pending AS (
  SELECT agg.name, l.lowest_modified_value AS lo, l.greatest_modified_value AS hi
  FROM _timescaledb_catalog.continuous_aggs_materialization_invalidation_log l JOIN agg ON l.materialization_id = agg.id
  UNION ALL
  SELECT agg.name, l.lowest_modified_value, l.greatest_modified_value
  FROM _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log l JOIN agg ON l.hypertable_id = agg.raw)`;

/** First bucket that a refresh reaches: it works on whole buckets only. */
export function windowStart({ relation, startOffset }: RefreshedAggregate): string {
  const width = interval(relation.bucket);
  return `(time_bucket(${width}, now() - ${interval(startOffset)}) + ${width})`;
}

/**
 * A redundant bound, for the planner: it evaluates `now() - INTERVAL` and excludes the chunks before, whereas behind
 * a function every chunk is planned first (10 s for 2,000 of them).
 */
export function notBefore(ago: string): string {
  return `now() - ${interval(ago)}`;
}

/** End of the buckets that should be materialized by now. */
export function windowEnd({ relation, endOffset, grace }: RefreshedAggregate): string {
  return `time_bucket(${interval(relation.bucket)}, now() - ${interval(endOffset)} - ${interval(grace)})`;
}

/** SQL: rows `x` and `y` have the same key. */
export const sameKey = ({ keys }: AggregateRelation, x: string, y: string): string =>
  keys.map((key) => `${x}.${key} = ${y}.${key}`).join(' AND ');

/** The table whose ids a key column holds. */
const NAMES: Readonly<Record<string, string>> = { sensor_id: 'sensors', metric_id: 'metrics' };
export const namesOf = (key: string): string => NAMES[key] ?? 'sensors';

/**
 * Whether the source has a row in a range of time. One index probe per key: no index leads with time, so a plain
 * EXISTS would read a whole chunk to find nothing.
 */
export function sourceHasRows(
  relation: AggregateRelation,
  from: readonly string[],
  until: readonly string[],
): string {
  const time = `x.${sourceTimeOf(relation)}`;
  const bounds = [
    ...from.map((bound) => `${time} >= ${bound}`),
    ...until.map((bound) => `${time} < ${bound}`),
  ];
  return existsByKey(relation, relation.source, bounds);
}

/** Whether a relation has a row `x` with these conditions, by a probe per key. */
export function existsByKey(
  { keys }: AggregateRelation,
  name: string,
  conditions: readonly string[],
): string {
  const names = keys.map((key) => `${namesOf(key)} ${key}_of`).join(' CROSS JOIN ');
  const key = keys.map((column) => `x.${column} = ${column}_of.id`);
  return `EXISTS (SELECT FROM ${names} CROSS JOIN LATERAL (SELECT FROM ${name} x
    WHERE ${[...key, ...conditions].join(' AND ')} LIMIT 1) found)`;
}
