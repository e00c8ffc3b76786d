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
import type { Finding } from '../finding.ts';
import { intervalMs } from '../interval.ts';
import { interval } from '../statement.ts';
import { numberOf, textOf } from '../row.ts';
import { heldQuery, refreshSteps } from '../slices.ts';

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
  judge: (plan, facts, answers) =>
    refreshedAggregates(plan, facts).flatMap((aggregate, index) => {
      const row = answers[index]?.[0];
      return row === undefined || numberOf(row, 'wrong') === 0 ? [] : [judge(aggregate, row)];
    }),
  repair: {
    queries: (plan, facts) => refreshedAggregates(plan, facts).map(heldQuery),
    steps: ({ plan, facts, findings, answers, details }) =>
      refreshedAggregates(plan, facts).flatMap((aggregate, index) => {
        const [row, subject] = [answers[index]?.[0], aggregate.relation.name];
        if (row === undefined || !findings.some((finding) => finding.subject === subject)) return [];
        const range = { from: numberOf(row, 'from_us'), until: numberOf(row, 'until_us') };
        // Forced: nobody logged that these buckets are wrong, so a refresh would leave them as they are.
        return refreshSteps({ check: CHECK, subject }, aggregate, [range], details[index] ?? [], true);
      }),
  },
};

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
  return {
    check: CHECK,
    subject: relation.name,
    verdict: 'mismatched',
    severity: 'critical',
    expected: `the same counts and sums as ${relation.source}`,
    actual: `${counted(wrong, 'bucket')} of the sample differ${wrong === 1 ? 's' : ''}, from ${textOf(row, 'first')} to ${textOf(row, 'last')}`,
    remedy: `\`fieldwatch policies repair --only ${CHECK}\` recomputes them from the source, as far as it still has the rows`,
  };
}
