import type { RepairStep } from '../check.ts';
import { FieldwatchError } from '../../errors.ts';
import { FROZEN, PARTIAL } from '../frozen.ts';
import { type IntervalText, formatInterval, intervalMs } from '../interval.ts';
import { type PolicyPlan, declaredPolicy } from '../plan.ts';
import { interval, literal } from './policy-sql.ts';
import { type AggregateRelation, RELATIONS } from '../schema/relations.ts';

// Manual operations on chunks: the same slices, and the same safeguards, as a repair.

/**
 * Compresses the oldest uncompressed or partial chunk older than `age` and younger than `kept`. One per transaction,
 * because each is locked exclusively at its end. Frozen ones (bit 4) are skipped.
 */
export function compressOlder(relation: string, age: IntervalText, kept?: IntervalText): RepairStep {
  const notDropped = kept === undefined ? '' : ` AND c.range_end > now() - ${interval(kept)}`;
  return {
    ...{ check: 'compression', subject: relation, effect: 'compress', sliced: true },
    about: `compress chunks of ${relation} that are older than ${age}, one at a time`,
    sql: `SELECT count(*) FILTER (WHERE chunk IS NOT NULL)::int AS done, max(chunk) AS chunk FROM (
  SELECT compress_chunk(due.chunk, if_not_compressed => true)::text AS chunk FROM (
    SELECT format('%I.%I', c.chunk_schema, c.chunk_name)::regclass AS chunk FROM timescaledb_information.chunks c
    CROSS JOIN LATERAL _timescaledb_functions.chunk_status(format('%I.%I', c.chunk_schema, c.chunk_name)::regclass) status
    WHERE c.hypertable_schema = current_schema() AND c.hypertable_name = ${literal(relation)}
      AND c.range_end <= now() - ${interval(age)}${notDropped} AND (NOT c.is_compressed OR status & ${PARTIAL} <> 0) AND status & ${FROZEN} = 0
    ORDER BY c.range_start LIMIT 1) due) done`,
  };
}

/**
 * Drops the oldest chunks that are entirely older than `age`, fifty at a time: all at once may need more locks than
 * available. Uses the statement's own time, so it cannot drop more than a policy with that age would.
 */
export function dropOlder(relation: string, age: IntervalText): RepairStep {
  return {
    ...{ check: 'retention', subject: relation, effect: 'drop', sliced: true },
    about: `drop chunks of ${relation} that are older than ${age}`,
    sql: `SELECT count(*)::int AS done FROM (SELECT max(range_end) AS until FROM (
  SELECT c.range_end FROM timescaledb_information.chunks c
  LEFT JOIN timescaledb_information.continuous_aggregates a ON a.materialization_hypertable_schema = c.hypertable_schema
    AND a.materialization_hypertable_name = c.hypertable_name
  CROSS JOIN LATERAL _timescaledb_functions.chunk_status(format('%I.%I', c.chunk_schema, c.chunk_name)::regclass) status
  WHERE coalesce(a.view_schema, c.hypertable_schema) = current_schema()
    AND coalesce(a.view_name, c.hypertable_name) = ${literal(relation)} AND c.range_end <= now() - ${interval(age)}
    AND status & ${FROZEN} = 0
  ORDER BY c.range_end LIMIT 50) due) slice
CROSS JOIN LATERAL drop_chunks(${literal(relation)}, older_than => slice.until) dropped WHERE slice.until IS NOT NULL`,
  };
}

/** Refuses to drop what a refresh still reaches: the next refresh would find no rows and delete the buckets made of them. */
export function refuseReachedByRefresh(plan: PolicyPlan, relation: string, age: IntervalText): void {
  for (const aggregate of RELATIONS as readonly (AggregateRelation | { readonly kind: 'hypertable' })[]) {
    if (aggregate.kind !== 'aggregate' || aggregate.source !== relation) continue;
    const start = declaredPolicy(plan, aggregate.name, 'refresh')?.config['start_offset'];
    if (start === undefined) continue;
    const least = formatInterval({
      months: 0,
      days: 0,
      ms: intervalMs(start) + intervalMs(aggregate.bucket),
    });
    if (intervalMs(age) >= intervalMs(start) + intervalMs(aggregate.bucket)) continue;
    throw new FieldwatchError(
      `storage drop: ${relation} older than ${age}: the refresh of ${aggregate.name} reaches back ${start} and would delete the buckets of what is dropped`,
      { code: 'DROP_REACHED_BY_REFRESH', kind: 'config', remedy: `Drop nothing younger than ${least}.` },
    );
  }
}
