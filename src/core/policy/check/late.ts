import {
  PENDING_CTE,
  aggregateCte,
  refreshedAggregates,
  sourceHasRows,
  windowStart,
  type RefreshedAggregate,
} from '../aggregate.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { intervalMs } from '../interval.ts';
import { policyName } from '../plan.ts';
import { numberOf, textOf } from '../row.ts';
import { beyondSourceSql, heldQuery, merged, refreshSteps, without } from '../slices.ts';
import { interval } from '../statement.ts';

const CHECK = 'late';
/** Enough to say that there is something; more only cost time. */
const MOST_RANGES = 500;

/**
 * V6: no source row lies before the refresh window with its bucket out of date: the policy would never pick it up. Such
 * rows came later than start_offset allows, or were there before the aggregate was. Clamped to what the source still
 * holds, because retention writes invalidations for what it drops, and refreshing those deletes aggregate history.
 */
export const lateCheck: PolicyCheck = {
  name: CHECK,
  about: 'no reading came so late that no refresh will pick it up',
  queries: (plan, facts) => refreshedAggregates(plan, facts).map((aggregate) => ({ text: query(aggregate) })),
  judge: (plan, facts, answers) =>
    refreshedAggregates(plan, facts).flatMap((aggregate, index) => {
      const row = answers[index]?.[0];
      return row === undefined || numberOf(row, 'ranges') === 0 ? [] : [judge(aggregate, row)];
    }),
  repair: {
    queries: (plan, facts) =>
      refreshedAggregates(plan, facts).flatMap((aggregate) => [
        heldQuery(aggregate),
        { text: `${lateRangesSql(aggregate)} SELECT lo::float8 AS lo, (hi + 1)::float8 AS hi FROM stale` },
        { text: unsafeSql(aggregate) },
      ]),
    steps: ({ plan, facts, findings, details }) =>
      refreshedAggregates(plan, facts).flatMap((aggregate, index) => {
        const subject = policyName(aggregate.policy);
        if (!findings.some((finding) => finding.subject === subject)) return [];
        const [held = [], stale = [], unsafe = []] = details.slice(3 * index);
        const width = intervalMs(aggregate.relation.bucket) * 1000;
        const ranges = merged(
          stale.map((row) => ({ from: numberOf(row, 'lo'), until: numberOf(row, 'hi') })),
          width,
        );
        const buckets = unsafe.map((row) => numberOf(row, 'bucket'));
        return refreshSteps({ check: CHECK, subject }, aggregate, without(ranges, buckets, width), held);
      }),
  },
};

/**
 * `late(lo, hi)`: the pending ranges before the window, clamped, in microseconds; and whether rows are in them. Ranges of
 * an outdated bucket count only where there are rows: the first refresh leaves one open range before its window.
 */
export function lateRangesSql(aggregate: RefreshedAggregate): string {
  const { relation, sourceKept } = aggregate;
  const [from, until] = ['r.lo', 'r.hi + 1'].map(
    (value) => `_timescaledb_functions.to_timestamp(${value})`,
  ) as [string, string];
  // What retention is about to drop is no business of a refresh any more. No chunk at all: nothing is older than now.
  const oldest =
    sourceKept === undefined
      ? 'coalesce(min(c.range_start), now())'
      : `coalesce(greatest(min(c.range_start), now() - ${interval(sourceKept)}), now())`;
  return `WITH ${aggregateCte(relation)}, ${PENDING_CTE},
source AS (SELECT _timescaledb_functions.to_unix_microseconds(${oldest}) AS lo
  FROM timescaledb_information.chunks c JOIN _timescaledb_catalog.hypertable h
    ON h.schema_name = c.hypertable_schema AND h.table_name = c.hypertable_name JOIN agg ON h.id = agg.raw),
edge AS (SELECT _timescaledb_functions.to_unix_microseconds(${windowStart(aggregate)}) AS hi),
late AS (SELECT greatest(p.lo, source.lo) AS lo, least(p.hi, edge.hi - 1) AS hi
  FROM pending p CROSS JOIN source CROSS JOIN edge WHERE p.hi >= source.lo AND p.lo < edge.hi
    AND source.lo < edge.hi ORDER BY p.lo LIMIT ${MOST_RANGES}),
stale AS (SELECT r.lo, r.hi FROM late r WHERE ${sourceHasRows(relation, [from], until)})`;
}

/** Outdated buckets that a refresh would make poorer. */
function unsafeSql(aggregate: RefreshedAggregate): string {
  const { relation } = aggregate;
  const at = (value: string) => `_timescaledb_functions.to_timestamp(${value})`;
  const bucket = `a.${relation.timeColumn}`;
  const stale = `stale r JOIN ${relation.name} a
  ON ${bucket} >= time_bucket(${interval(relation.bucket)}, ${at('r.lo')}) AND ${bucket} <= ${at('r.hi')}`;
  return `${lateRangesSql(aggregate)} ${beyondSourceSql(relation, stale)}`;
}

function query(aggregate: RefreshedAggregate): string {
  return `${lateRangesSql(aggregate)}
SELECT count(*)::int AS ranges, _timescaledb_functions.to_timestamp(min(lo))::text AS "from",
  _timescaledb_functions.to_timestamp(max(hi))::text AS "until" FROM stale`;
}

function judge({ policy, startOffset }: RefreshedAggregate, row: CatalogRow): Finding {
  const ranges = numberOf(row, 'ranges');
  return {
    check: CHECK,
    subject: policyName(policy),
    verdict: 'lagging',
    severity: 'warning',
    expected: `no outdated bucket before the refresh window (start_offset = ${startOffset})`,
    actual: `${ranges} range${ranges === 1 ? '' : 's'} with rows that no refresh will pick up, between ${textOf(row, 'from')} and ${textOf(row, 'until')}`,
    remedy: `\`fieldwatch policies repair --only ${CHECK}\`; rows that it leaves came after their chunks were dropped, and refreshing those would delete history`,
  };
}
