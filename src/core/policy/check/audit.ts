import {
  PENDING_CTE,
  aggregateCte,
  notBefore,
  refreshedAggregates,
  sourceTimeOf,
  windowEnd,
  windowStart,
  type RefreshedAggregate,
} from '../aggregate.ts';
import { counted } from '../../counted.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Facts } from '../facts.ts';
import type { Finding } from '../finding.ts';
import { intervalMs } from '../interval.ts';
import type { PolicyPlan } from '../plan.ts';
import { interval } from '../statement.ts';
import { numberOf, textOf } from '../row.ts';
import { beyondSource, heldQuery, isoTime, refreshSteps, without, type Range } from '../slices.ts';

const CHECK = 'audit';
/** Sensors in the sample: others each day, so that all have their turn, yet the same ones from one run to the next. */
const SAMPLE = 20;
/** Longest stretch of time that is recomputed: it bounds what a verification costs. */
const LONGEST = '2 days';
const HOUR_MS = 3_600_000;

/**
 * V7: what an aggregate says equals what its source gives, recomputed for a sample of sensors. It finds what no counter
 * shows. Buckets with a refresh still to come are left out: that they differ is known, and is mended by itself.
 */
export const auditCheck: PolicyCheck = {
  name: CHECK,
  about: 'aggregates equal a recomputation from their source, by a sample',
  queries: (plan, facts) => refreshedAggregates(plan, facts).map((aggregate) => ({ text: query(aggregate) })),
  judge: (...asked) => wrong(...asked).map(({ aggregate, row }) => judge(aggregate, row)),
  repair: {
    queries: (...asked) =>
      wrong(...asked).flatMap(({ aggregate, row }) => {
        const [text, values] = beyondSource(aggregate.relation, rangeOf(row));
        return [heldQuery(aggregate), { text, values }];
      }),
    steps: ({ plan, facts, answers, details }) =>
      wrong(plan, facts, answers).flatMap(({ aggregate, row }, index) => {
        const [held, unsafe] = details.slice(2 * index);
        if (held === undefined || unsafe === undefined) return [];
        const { name, bucket } = aggregate.relation;
        // A bucket with more readings than its source is history whose rows are gone, or were deleted on purpose.
        const width = intervalMs(bucket) * 1000;
        const buckets = unsafe.map((each) => numberOf(each, 'bucket'));
        const ranges = without([rangeOf(row)], buckets, width);
        // Forced: nobody logged that these buckets are wrong, so a refresh would leave them as they are.
        return refreshSteps({ check: CHECK, subject: name }, aggregate, ranges, held, true);
      }),
  },
};

/** The aggregates that differ, with what their query found. */
function wrong(
  plan: PolicyPlan,
  facts: Facts,
  answers: readonly (readonly CatalogRow[])[],
): readonly { readonly aggregate: RefreshedAggregate; readonly row: CatalogRow }[] {
  return refreshedAggregates(plan, facts).flatMap((aggregate, index) => {
    const row = answers[index]?.[0];
    return row === undefined || numberOf(row, 'wrong') === 0 ? [] : [{ aggregate, row }];
  });
}

const rangeOf = (row: CatalogRow): Range => ({
  from: numberOf(row, 'from_us'),
  until: numberOf(row, 'until_us'),
});

function query(aggregate: RefreshedAggregate): string {
  const { relation } = aggregate;
  const width = interval(relation.bucket);
  const from = `greatest(${windowStart(aggregate)}, ${windowEnd(aggregate)} - ${interval(LONGEST)})`;
  const until = windowEnd(aggregate);
  const planned = notBefore(`${reachHours(aggregate)} hours`);
  const micros = (value: string) => `_timescaledb_functions.to_unix_microseconds(${value})`;
  const [time, bucket] = [`x.${sourceTimeOf(relation)}`, `a.${relation.timeColumn}`];
  return `WITH ${aggregateCte(relation)}, ${PENDING_CTE},
sample AS MATERIALIZED (SELECT id FROM sensors ORDER BY md5(id::text || now()::date::text) LIMIT ${SAMPLE}),
source AS (SELECT time_bucket(${width}, ${time}) AS bucket, x.sensor_id, ${relation.sourceCount} AS n,
    ${relation.sourceSum} AS total
  FROM sample JOIN ${relation.source} x ON x.sensor_id = sample.id
  WHERE ${time} >= ${planned} AND ${time} >= ${from} AND ${time} < ${until} GROUP BY 1, 2),
stored AS (SELECT ${bucket} AS bucket, a.sensor_id, a.${relation.countColumn} AS n, a.${relation.sumColumn} AS total
  FROM sample JOIN ${relation.name} a ON a.sensor_id = sample.id
  WHERE ${bucket} >= ${planned} AND ${bucket} >= ${from} AND ${bucket} < ${until})
SELECT count(*)::int AS wrong, min(bucket)::text AS first, max(bucket)::text AS last,
  ${micros('min(bucket)')}::float8 AS from_us, ${micros(`max(bucket) + ${width}`)}::float8 AS until_us FROM (
  SELECT bucket FROM source FULL JOIN stored USING (bucket, sensor_id)
  WHERE (source.n IS DISTINCT FROM stored.n OR (source.total IS NULL) <> (stored.total IS NULL)
    OR abs(source.total - stored.total) > 1e-9 * greatest(abs(source.total), abs(stored.total), 1))
  AND NOT EXISTS (SELECT FROM pending p
    WHERE p.lo < ${micros(`bucket + ${width}`)} AND p.hi >= ${micros('bucket')})) wrong_buckets`;
}

/** No bucket of the audit is older. A day more than their sum: months are not all of one length. */
function reachHours({ relation, endOffset, grace }: RefreshedAggregate): number {
  const parts = [LONGEST, relation.bucket, endOffset, grace, '1 day'];
  return Math.ceil(parts.reduce((sum, part) => sum + intervalMs(part), 0) / HOUR_MS);
}

function judge({ relation }: RefreshedAggregate, row: CatalogRow): Finding {
  const wrong = numberOf(row, 'wrong');
  const { from, until } = rangeOf(row);
  return {
    check: CHECK,
    subject: relation.name,
    verdict: 'mismatched',
    severity: 'critical',
    expected: `the same counts and sums as ${relation.source}`,
    actual: `${counted(wrong, 'bucket')} of the sample differ${wrong === 1 ? 's' : ''}, from ${textOf(row, 'first')} to ${textOf(row, 'last')}`,
    remedy: `\`fieldwatch policies repair --only ${CHECK}\` recomputes those of which the source still has all rows; where rows were deleted on purpose: \`fieldwatch storage refresh ${relation.name} --from ${isoTime(from)} --to ${isoTime(until)} --force\``,
  };
}
