import {
  NEVER_REFRESHED,
  type RefreshedAggregate,
  aggregateCte,
  existsByKey,
  notBefore,
  refreshedAggregates,
  sourceHasRows,
  windowEnd,
  windowStart,
} from '../aggregate.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { policyName } from '../plan.ts';
import { interval, literal, qualified } from '../repair/policy-sql.ts';
import { flagOf, optionalNumber, optionalText, textOf } from '../row.ts';
import { heldQuery, refreshSteps } from '../repair/slices.ts';

const CHECK = 'refresh';

/**
 * V5: every source row in the policy's window is materialized by now. The watermark alone is inconclusive: it only
 * moves over buckets with data, so there may be nothing after it. Hence rows are queried, only in that case.
 */
export const refreshCheck: PolicyCheck = {
  name: CHECK,
  follows: ({ subject }, causes) => causes.countsOthers(subject),
  about: 'aggregates are as far as they should be',
  queries: (plan, snapshot) =>
    refreshedAggregates(plan, snapshot).map((aggregate) => ({ text: query(aggregate) })),
  evaluate: (plan, snapshot, answers) =>
    refreshedAggregates(plan, snapshot).flatMap((aggregate, index) => {
      const row = answers[index]?.[0];
      if (row === undefined) return [];
      if (flagOf(row, 'ahead')) return [checkAhead(aggregate, row, snapshot.server.schema)];
      return flagOf(row, 'behind') ? [evaluate(aggregate, row)] : [];
    }),
  repair: {
    queries: (plan, snapshot) => refreshedAggregates(plan, snapshot).map(heldQuery),
    steps: ({ plan, snapshot, findings, answers, details }) =>
      refreshedAggregates(plan, snapshot).flatMap((aggregate, index) => {
        const [row, subject] = [answers[index]?.[0], policyName(aggregate.policy)];
        if (row === undefined || !findings.some((finding) => finding.subject === subject)) return [];
        if (flagOf(row, 'ahead')) return [];
        // From the watermark on, or all that the source holds without a watermark: history is filled in too.
        const range = { from: optionalNumber(row, 'watermark_us') ?? 0, until: Number.MAX_SAFE_INTEGER };
        return refreshSteps({ check: CHECK, subject }, aggregate, [range], details[index] ?? []);
      }),
  },
};

function query(aggregate: RefreshedAggregate): string {
  const { relation } = aggregate;
  // The window's start twice: as the exact bound, and as the one that excludes earlier chunks from the plan.
  const from = [notBefore(aggregate.startOffset), windowStart(aggregate), 'b.watermark'];
  const missing = sourceHasRows(relation, from, ['b.target']);
  // No refresh moves a watermark beyond the last bucket; readings of the future have a bucket there.
  const width = interval(relation.bucket);
  const time = `x.${relation.timeColumn}`;
  const reached = existsByKey(relation, relation.name, [
    `${time} >= now()`,
    `${time} >= b.watermark - ${width}`,
  ]);
  return `WITH ${aggregateCte(relation)},
b AS (SELECT CASE WHEN watermark <= ${NEVER_REFRESHED} THEN '-infinity'::timestamptz
    ELSE _timescaledb_functions.to_timestamp(watermark) END AS watermark, ${windowEnd(aggregate)} AS target FROM agg)
SELECT nullif(b.watermark, '-infinity')::text AS watermark,
  _timescaledb_functions.to_unix_microseconds(nullif(b.watermark, '-infinity'))::float8 AS watermark_us, b.target::text AS target,
  CASE WHEN b.watermark >= b.target THEN false ELSE ${missing} END AS behind,
  CASE WHEN b.watermark <= now() + ${width} THEN false ELSE NOT ${reached} END AS ahead
FROM b`;
}

function evaluate({ policy }: RefreshedAggregate, row: CatalogRow): Finding {
  const watermark = optionalText(row, 'watermark');
  return {
    check: CHECK,
    subject: policyName(policy),
    verdict: watermark === undefined ? 'stalled' : 'lagging',
    severity: 'warning',
    expected: `source rows before ${textOf(row, 'target')} are aggregated`,
    actual: watermark === undefined ? 'never refreshed' : `aggregated until ${watermark}`,
    remedy: `\`fieldwatch policies repair --only ${CHECK}\`, and see why the job does not run: \`fieldwatch policies show\``,
  };
}

function checkAhead({ relation, policy }: RefreshedAggregate, row: CatalogRow, schema: string): Finding {
  const view = qualified(schema, relation.name);
  const last = `coalesce(_timescaledb_functions.to_unix_microseconds(max(${relation.timeColumn}) + ${interval(relation.bucket)}), ${NEVER_REFRESHED})`;
  return {
    ...{ check: CHECK, subject: policyName(policy), verdict: 'mismatched', severity: 'warning' },
    expected: 'a watermark that is not beyond the last bucket',
    actual: `the watermark is ${textOf(row, 'watermark')}: whether the aggregate is as far as it should be does not show, and a real-time view leaves out what is not yet aggregated`,
    remedy: `as superuser: UPDATE _timescaledb_catalog.continuous_aggs_watermark SET watermark = (SELECT ${last} FROM ${view}) WHERE mat_hypertable_id = (SELECT mat_hypertable_id FROM _timescaledb_catalog.continuous_agg WHERE user_view_schema = ${literal(schema)} AND user_view_name = ${literal(relation.name)}); -- then \`fieldwatch policies verify\` again`,
  };
}
