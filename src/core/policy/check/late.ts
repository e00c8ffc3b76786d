import { counted } from '../../counted.ts';
import {
  NEVER_REFRESHED,
  PENDING_CTE,
  type RefreshedAggregate,
  aggregatesCte,
  refreshedAggregates,
  sourceHasRows,
  windowStart,
} from '../aggregate.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { intervalMs } from '../interval.ts';
import { type PolicyPlan, policyName } from '../plan.ts';
import { interval } from '../repair/policy-sql.ts';
import { SAMPLED_SENSORS, bucketsOf, sensorsOf, sourceDiffers } from '../repair/recomputed.ts';
import { flagOf, numberOf, textOf } from '../row.ts';
import {
  type Range,
  beyondSourceSql,
  boundsOf,
  clipped,
  computable,
  heldQuery,
  isoTime,
  merged,
  nearby,
  refreshSteps,
  without,
} from '../repair/slices.ts';
import type { CatalogSnapshot } from '../snapshot.ts';

const CHECK = 'late';
/** Enough for a finding; more would only cost time. */
const MOST_RANGES = 500;
/** Newest chunks that are searched of what was never refreshed: rows are looked for in all of them. */
const MOST_CHUNKS = 30;

/**
 * V6: no source row lies before the refresh window in an outdated bucket: the policy would never process it. Such
 * rows arrived later than start_offset allows, or existed before the aggregate. Clamped to what the source still
 * holds, because retention writes invalidations for what it drops, and refreshing those deletes aggregate history.
 */
export const lateCheck: PolicyCheck = lateCheckWithin();

/** Ranges; or of one aggregate what no refresh ever reached, because it was stored before the aggregate was made. */
export type Within = readonly Range[] | { readonly uncoveredOf: string };

/** `lateCheck` and its repair, limited to these ranges. */
export function lateCheckWithin(within?: Within): PolicyCheck {
  const suspected = (...args: CheckArgs) => suspects(...args, within);
  const stale = (...args: CheckArgs) => staleRanges(...args, within);
  return {
    name: CHECK,
    follows: ({ subject }, causes) => causes.countsOthers(subject),
    about: 'no reading came so late that no refresh will pick it up',
    queries: (plan, snapshot) => {
      const aggregates = aggregatesOf(plan, snapshot, within);
      return aggregates.length === 0 ? [] : [{ text: outdatedSql(aggregates) }];
    },
    // A range counts only if it has rows: the very first refresh leaves one open range before its window.
    followUpQueries: (...args) =>
      suspected(...args).flatMap(({ aggregate, probed }) =>
        nearby(probed).map((ranges) => ({ text: staleSql(aggregate), values: boundsOf(ranges) })),
      ),
    evaluate: (...args) => stale(...args).map(({ aggregate, ranges }) => evaluate(aggregate, ranges)),
    repair: {
      queries: (...args) =>
        stale(...args).flatMap(({ aggregate, ranges, sensors }) => [
          heldQuery(aggregate),
          ...nearby(ranges).map((near) => ({ text: unsafeSql(aggregate), values: boundsOf(near) })),
          ...sourceDiffers(args[0], args[1], aggregate, ranges, sensors),
        ]),
      steps: ({ plan, snapshot, answers, details }) => {
        let next = 0;
        return stale(plan, snapshot, answers).flatMap(({ aggregate, ranges, sensors }) => {
          const groups = nearby(ranges).length;
          // Only aggregates of aggregates have the last answer.
          const perAggregate = 1 + groups + sourceDiffers(plan, snapshot, aggregate, ranges, sensors).length;
          const [held = [], ...answered] = details.slice(next, next + perAggregate);
          const [unsafe, differing = []] = [answered.slice(0, groups).flat(), answered[groups]];
          next += perAggregate;
          const width = intervalMs(aggregate.relation.bucket) * 1000;
          const buckets = [
            ...unsafe.map((row) => numberOf(row, 'bucket')),
            ...bucketsOf(aggregate, differing),
          ];
          const about = { check: CHECK, subject: policyName(aggregate.policy) };
          const steps = refreshSteps(about, aggregate, without(merged(ranges, width), buckets, width), held);
          // The newest first: what is left when it is interrupted still begins where nothing was ever refreshed.
          return isUncovered(within) ? [...steps].reverse() : steps;
        });
      },
    },
  };
}

const isUncovered = (within: Within | undefined): within is { readonly uncoveredOf: string } =>
  within !== undefined && 'uncoveredOf' in within;

const aggregatesOf = (
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  within: Within | undefined,
): readonly RefreshedAggregate[] =>
  refreshedAggregates(plan, snapshot).filter(
    ({ relation }) => !isUncovered(within) || relation.name === within.uncoveredOf,
  );

interface Ranges {
  readonly aggregate: RefreshedAggregate;
  readonly ranges: readonly Range[];
  /** Part of each range in which rows are looked for: its end, where it is long and was never refreshed. */
  readonly probed: readonly Range[];
  readonly sensors: readonly number[];
}
type Answers = readonly (readonly CatalogRow[])[];
type CheckArgs = readonly [plan: PolicyPlan, snapshot: CatalogSnapshot, answers: Answers];

/** Aggregates with outdated ranges before their window, and those ranges; from the catalog only. */
function suspects(
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  answers: Answers,
  within: Within | undefined,
): readonly Ranges[] {
  return aggregatesOf(plan, snapshot, within)
    .map((aggregate) => {
      const rows = (answers[0] ?? []).filter((row) => textOf(row, 'name') === aggregate.relation.name);
      const wanted = isUncovered(within) ? rows.filter((row) => flagOf(row, 'uncovered')) : rows;
      const newest = wanted.map((each) => ({ from: numberOf(each, 'newest'), until: numberOf(each, 'hi') }));
      const width = intervalMs(aggregate.relation.bucket) * 1000;
      const [row] = rows;
      const ranges = isUncovered(within)
        ? newest
        : within === undefined
          ? wanted.map(rangeOf)
          : clipped(wanted.map(rangeOf), within, width);
      return {
        ...{ aggregate, ranges, probed: within === undefined ? newest : ranges },
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
  within: Within | undefined,
): readonly Ranges[] {
  let next = 1;
  return suspects(plan, snapshot, answers, within)
    .map((suspect) => {
      const groups = nearby(suspect.probed).length;
      const seen = answers.slice(next, next + groups).flat();
      next += groups;
      const ends = new Set(seen.map((row) => numberOf(row, 'hi')));
      return { ...suspect, ranges: suspect.ranges.filter(({ until }) => ends.has(until)) };
    })
    .filter(({ ranges }) => ranges.length > 0);
}

const rangeOf = (row: CatalogRow): Range => ({ from: numberOf(row, 'lo'), until: numberOf(row, 'hi') });

/**
 * Ranges `lo <= time < hi` of each aggregate before the window, clamped, in microseconds. One that ends with the first microsecond
 * of the oldest chunk comes from dropping the chunks before it.
 */
function outdatedSql(aggregates: readonly RefreshedAggregate[]): string {
  // A refresh need not cover what retention is about to drop. No chunk at all: nothing is older than now.
  const agg = aggregatesCte(aggregates, ['since', 'edge'], (aggregate) => [
    aggregate.sourceKept === undefined ? 'NULL::timestamptz' : `now() - ${interval(aggregate.sourceKept)}`,
    `_timescaledb_functions.to_unix_microseconds(${windowStart(aggregate)})`,
  ]);
  return `WITH ${agg}, ${PENDING_CTE},
source AS (SELECT agg.name, _timescaledb_functions.to_unix_microseconds(coalesce(greatest(min(c.range_start), agg.since), now())) AS lo,
    array_agg(_timescaledb_functions.to_unix_microseconds(c.range_start)) FILTER (WHERE ${computable('c')}) AS starts
  FROM agg JOIN _timescaledb_catalog.hypertable h ON h.id = agg.raw
  LEFT JOIN timescaledb_information.chunks c ON h.schema_name = c.hypertable_schema AND h.table_name = c.hypertable_name
  GROUP BY agg.name, agg.since),
found AS (SELECT agg.name, greatest(p.lo, source.lo)::float8 AS lo, greatest(p.lo, source.lo, CASE WHEN p.lo <= ${NEVER_REFRESHED} THEN
    (SELECT s FROM unnest(source.starts) s WHERE s < least(p.hi, agg.edge) ORDER BY s DESC OFFSET ${MOST_CHUNKS - 1} LIMIT 1) END)::float8 AS newest, least(p.hi, agg.edge - 1)::float8 + 1 AS hi,
    p.lo <= ${NEVER_REFRESHED} AS uncovered, row_number() OVER (PARTITION BY agg.name ORDER BY p.lo) AS nth
  FROM agg JOIN source USING (name) JOIN pending p USING (name)
  WHERE p.hi >= source.lo AND p.lo < agg.edge AND source.lo < agg.edge AND NOT (p.lo < source.lo AND p.hi = source.lo))
SELECT name, lo, hi, newest, uncovered, ${SAMPLED_SENSORS} AS sample FROM found WHERE nth <= ${MOST_RANGES} ORDER BY name, nth`;
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
