import { counted } from '../../counted.ts';
import {
  PENDING_CTE,
  type RefreshedAggregate,
  aggregateCte,
  refreshedAggregates,
  sourceHasRows,
  windowStart,
} from '../aggregate.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { intervalMs } from '../interval.ts';
import { type PolicyPlan, policyName } from '../plan.ts';
import { interval } from '../policy-sql.ts';
import { SAMPLED_SENSORS, bucketsOf, sensorsOf, sourceDiffers } from '../recomputed.ts';
import { numberOf } from '../row.ts';
import {
  type Range,
  beyondSourceSql,
  clipped,
  heldQuery,
  isoTime,
  merged,
  refreshSteps,
  without,
} from '../slices.ts';
import type { CatalogSnapshot } from '../snapshot.ts';

const CHECK = 'late';
/** Enough for a finding; more would only cost time. */
const MOST_RANGES = 500;

/**
 * V6: no source row lies before the refresh window in an outdated bucket: the policy would never process it. Such
 * rows arrived later than start_offset allows, or existed before the aggregate. Clamped to what the source still
 * holds, because retention writes invalidations for what it drops, and refreshing those deletes aggregate history.
 */
export const lateCheck: PolicyCheck = lateCheckWithin();

/** The same check and repair, limited to these ranges. */
export function lateCheckWithin(within?: readonly Range[]): PolicyCheck {
  const suspected = (...args: CheckArgs) => suspects(...args, within);
  const stale = (...args: CheckArgs) => staleRanges(...args, within);
  return {
    name: CHECK,
    about: 'no reading came so late that no refresh will pick it up',
    queries: (plan, snapshot) =>
      refreshedAggregates(plan, snapshot).map((aggregate) => ({ text: outdatedSql(aggregate) })),
    // A range counts only if it has rows: the very first refresh leaves one open range before its window.
    followUpQueries: (...args) =>
      suspected(...args).map(({ aggregate, ranges }) => ({
        text: staleSql(aggregate),
        values: boundsOf(ranges),
      })),
    evaluate: (...args) => stale(...args).map(({ aggregate, ranges }) => evaluate(aggregate, ranges)),
    repair: {
      queries: (...args) =>
        stale(...args).flatMap(({ aggregate, ranges, sensors }) => [
          heldQuery(aggregate),
          { text: unsafeSql(aggregate), values: boundsOf(ranges) },
          ...sourceDiffers(args[0], args[1], aggregate, ranges, sensors),
        ]),
      steps: ({ plan, snapshot, answers, details }) =>
        stale(plan, snapshot, answers).flatMap(({ aggregate, ranges, sensors }, index) => {
          // Sources come before the aggregates built on them, and only these have a third answer.
          const perAggregate = 2 + sourceDiffers(plan, snapshot, aggregate, ranges, sensors).length;
          const [held = [], unsafe = [], differing = []] = details.slice(2 * index, 2 * index + perAggregate);
          const width = intervalMs(aggregate.relation.bucket) * 1000;
          const buckets = [
            ...unsafe.map((row) => numberOf(row, 'bucket')),
            ...bucketsOf(aggregate, differing),
          ];
          const about = { check: CHECK, subject: policyName(aggregate.policy) };
          return refreshSteps(about, aggregate, without(merged(ranges, width), buckets, width), held);
        }),
    },
  };
}

interface Ranges {
  readonly aggregate: RefreshedAggregate;
  readonly ranges: readonly Range[];
  readonly sensors: readonly number[];
}
type Answers = readonly (readonly CatalogRow[])[];
type CheckArgs = readonly [plan: PolicyPlan, snapshot: CatalogSnapshot, answers: Answers];

/** Aggregates with outdated ranges before their window, and those ranges; from the catalog only. */
function suspects(
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  answers: Answers,
  within: readonly Range[] | undefined,
): readonly Ranges[] {
  return refreshedAggregates(plan, snapshot)
    .map((aggregate, index) => {
      const ranges = (answers[index] ?? []).map(rangeOf);
      const width = intervalMs(aggregate.relation.bucket) * 1000;
      const [row] = answers[index] ?? [];
      return {
        aggregate,
        ranges: within === undefined ? ranges : clipped(ranges, within, width),
        sensors: row === undefined ? [] : sensorsOf(row),
      };
    })
    .filter(({ ranges }) => ranges.length > 0);
}

/** The ranges that have rows. */
function staleRanges(
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  answers: Answers,
  within: readonly Range[] | undefined,
): readonly Ranges[] {
  const seen = answers.slice(refreshedAggregates(plan, snapshot).length);
  return suspects(plan, snapshot, answers, within)
    .map((suspect, index) => ({ ...suspect, ranges: (seen[index] ?? []).map(rangeOf) }))
    .filter(({ ranges }) => ranges.length > 0);
}

const rangeOf = (row: CatalogRow): Range => ({ from: numberOf(row, 'lo'), until: numberOf(row, 'hi') });

/** The ranges, and the first and last time in any of them, which excludes all other chunks from the plan. */
function boundsOf(ranges: readonly Range[]): readonly unknown[] {
  const [from, until] = [ranges.map((range) => range.from), ranges.map((range) => range.until)];
  return [from, until, Math.min(...from), Math.max(...until)];
}

/**
 * Ranges `lo <= time < hi` before the window, clamped, in microseconds. One that ends with the first microsecond of the
 * oldest chunk comes from dropping the chunks before it.
 */
function outdatedSql(aggregate: RefreshedAggregate): string {
  const { relation, sourceKept } = aggregate;
  // A refresh need not cover what retention is about to drop. No chunk at all: nothing is older than now.
  const oldest =
    sourceKept === undefined
      ? 'coalesce(min(c.range_start), now())'
      : `coalesce(greatest(min(c.range_start), now() - ${interval(sourceKept)}), now())`;
  return `WITH ${aggregateCte(relation)}, ${PENDING_CTE},
source AS (SELECT _timescaledb_functions.to_unix_microseconds(${oldest}) AS lo
  FROM timescaledb_information.chunks c JOIN _timescaledb_catalog.hypertable h
    ON h.schema_name = c.hypertable_schema AND h.table_name = c.hypertable_name JOIN agg ON h.id = agg.raw),
edge AS (SELECT _timescaledb_functions.to_unix_microseconds(${windowStart(aggregate)}) AS hi)
SELECT greatest(p.lo, source.lo)::float8 AS lo, least(p.hi, edge.hi - 1)::float8 + 1 AS hi,
  ${SAMPLED_SENSORS} AS sample
FROM pending p CROSS JOIN source CROSS JOIN edge WHERE p.hi >= source.lo AND p.lo < edge.hi AND source.lo < edge.hi
  AND NOT (p.lo < source.lo AND p.hi = source.lo)
ORDER BY p.lo LIMIT ${MOST_RANGES}`;
}

const at = (us: string): string => `_timescaledb_functions.to_timestamp(${us}::bigint)`;
const RANGES = 'unnest($1::bigint[], $2::bigint[]) AS r(lo, hi)';

/**
 * The ranges in which there are rows. Dropping a chunk outdates its range and the first microsecond of the next
 * chunk, which lost nothing: a row there alone makes no range outdated.
 */
function staleSql({ relation }: RefreshedAggregate): string {
  const width = intervalMs(relation.bucket) * 1000;
  const until = `CASE WHEN r.lo < r.hi - 1 AND (r.hi - 1) % ${width} = 0 THEN r.hi - 1 ELSE r.hi END`;
  const rows = sourceHasRows(relation, [at('$3'), at('r.lo')], [at('$4'), at(`(${until})`)]);
  return `SELECT r.lo::float8 AS lo, r.hi::float8 AS hi FROM ${RANGES} WHERE ${rows} ORDER BY 1`;
}

/** Outdated buckets from which a refresh would remove data. */
function unsafeSql({ relation }: RefreshedAggregate): string {
  const [bucket, width] = [`a.${relation.timeColumn}`, interval(relation.bucket)];
  const within = (from: string, until: string) =>
    `${bucket} >= time_bucket(${width}, ${at(from)}) AND ${bucket} < ${at(until)}`;
  const stale = `${RANGES} JOIN ${relation.name} a ON ${within('$3', '$4')} AND ${within('r.lo', 'r.hi')}`;
  return beyondSourceSql(relation, stale);
}

function evaluate({ policy, startOffset }: RefreshedAggregate, ranges: readonly Range[]): Finding {
  const first = Math.min(...ranges.map(({ from }) => from));
  const last = Math.max(...ranges.map(({ until }) => until));
  return {
    check: CHECK,
    subject: policyName(policy),
    verdict: 'lagging',
    severity: 'warning',
    expected: `no outdated bucket before the refresh window (start_offset = ${startOffset})`,
    actual: `${counted(ranges.length, 'range')} with rows that no refresh will pick up, between ${isoTime(first)} and ${isoTime(last)}`,
    remedy: `\`fieldwatch policies repair --only ${CHECK}\`; what it leaves came after its chunks were dropped, so that refreshing it would delete history, or is made of rows that the audit finds wrong`,
  };
}
