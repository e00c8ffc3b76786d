import { counted } from '../../counted.ts';
import {
  PENDING_CTE,
  type RefreshedAggregate,
  aggregateCte,
  namesOf,
  notBefore,
  refreshedAggregates,
  sameKey,
  windowEnd,
  windowStart,
} from '../aggregate.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { intervalMs } from '../interval.ts';
import type { PolicyPlan } from '../plan.ts';
import { interval } from '../repair/policy-sql.ts';
import { flagOf, numberOf, textOf } from '../row.ts';
import { isoTime } from '../repair/slices.ts';
import type { CatalogSnapshot } from '../snapshot.ts';

const CHECK = 'history';
/** A different sample each day. Few: rows of one sensor are scattered, and a deleted range is missing from all of them. */
const SAMPLE: Readonly<Record<string, number>> = { sensor_id: 5, metric_id: 2 };
/** If readings are kept forever, or for longer. */
const MOST_DAYS = 90;
const DAY_MS = 86_400_000;

/** An aggregate of an aggregate, with the latter. */
interface Pair {
  readonly aggregate: RefreshedAggregate;
  readonly source: RefreshedAggregate;
  /** For this long both can be recomputed from the readings. */
  readonly days: number;
}

/**
 * Aggregates built on one another have the same number of readings. Rows deleted manually from one of them show
 * nowhere else once they are older than the audit's range. Limited to the retention of the readings: anything older
 * could not be recomputed.
 */
export const historyCheck: PolicyCheck = {
  name: CHECK,
  follows: ({ subject }, causes) =>
    causes.has('rows_missing', subject) || causes.has('rows_differ', subject) || causes.countsOthers(subject),
  about: 'hourly and daily figures agree over what readings are kept, by a sample',
  queries: (plan, snapshot) => pairs(plan, snapshot).map((pair) => ({ text: query(pair) })),
  evaluate: (plan, snapshot, answers) =>
    pairs(plan, snapshot).flatMap((pair, index) => (answers[index] ?? []).map((row) => evaluate(pair, row))),
};

function pairs(plan: PolicyPlan, snapshot: CatalogSnapshot): readonly Pair[] {
  const all = refreshedAggregates(plan, snapshot);
  return all.flatMap((aggregate) => {
    const source = all.find(({ relation }) => relation.name === aggregate.relation.source);
    if (source === undefined) return [];
    const kept = [aggregate.sourceKept, source.sourceKept].map((text) =>
      text === undefined ? MOST_DAYS : Math.floor(intervalMs(text) / DAY_MS),
    );
    return [{ aggregate, source, days: Math.min(MOST_DAYS, ...kept) }];
  });
}

function query({ aggregate, source, days }: Pair): string {
  const { relation } = aggregate;
  const width = interval(relation.bucket);
  const from = `time_bucket(${width}, now() - INTERVAL '${days} days') + ${width}`;
  const planned = notBefore(`${days} days`);
  const micros = (value: string) => `_timescaledb_functions.to_unix_microseconds(${value})`;
  const within = (time: string) =>
    `${time} >= ${planned} AND ${time} >= ${from} AND ${time} < now() AND ${time} < ${windowEnd(aggregate)}`;
  const [hour, day] = [`x.${source.relation.timeColumn}`, `a.${relation.timeColumn}`];
  // Pending changes within the refresh window are known differences. Before the window fewer rows than were
  // aggregated are not the effect of a refresh.
  const keys = (alias: string) => relation.keys.map((key) => `${alias}.${key}`).join(', ');
  const sampled = relation.keys.map(
    (key) =>
      `(SELECT id AS ${key} FROM ${namesOf(key)} ORDER BY md5(id::text || now()::date::text) LIMIT ${SAMPLE[key]}) ${key}_of`,
  );
  return `WITH ${aggregateCte(relation)}, ${PENDING_CTE},
sample AS MATERIALIZED (SELECT * FROM ${sampled.join(' CROSS JOIN ')}),
source AS (SELECT time_bucket(${width}, ${hour}) AS bucket, ${keys('x')}, ${relation.sourceCount} AS n
  FROM sample JOIN ${source.relation.name} x ON ${sameKey(relation, 'x', 'sample')} WHERE ${within(hour)} GROUP BY 1, ${keys('x')}),
stored AS (SELECT ${day} AS bucket, ${keys('a')}, a.${relation.countColumn} AS n
  FROM sample JOIN ${relation.name} a ON ${sameKey(relation, 'a', 'sample')} WHERE ${within(day)}),
both_of AS (SELECT bucket, coalesce(source.n, 0) AS source_n, coalesce(stored.n, 0) AS stored_n, EXISTS (SELECT FROM pending p
    WHERE p.lo < ${micros(`bucket + ${width}`)} AND p.hi >= ${micros('bucket')}) AS pending
  FROM source FULL JOIN stored USING (bucket, ${relation.keys.join(', ')}) WHERE source.n IS DISTINCT FROM stored.n)
SELECT stored_n > source_n AS of_source, count(DISTINCT bucket)::int AS buckets, min(bucket)::text AS first, max(bucket)::text AS last,
  ${micros('min(bucket)')}::float8 AS from_us, ${micros(`max(bucket) + ${width}`)}::float8 AS until_us
FROM both_of WHERE NOT pending OR (stored_n > source_n AND bucket < ${windowStart(aggregate)}) GROUP BY 1 ORDER BY 1`;
}

function evaluate({ aggregate, source }: Pair, row: CatalogRow): Finding {
  const [mine, its] = [aggregate.relation.name, source.relation.name];
  const ofSource = flagOf(row, 'of_source');
  const range = `--from ${isoTime(numberOf(row, 'from_us'))} --to ${isoTime(numberOf(row, 'until_us'))} --force`;
  const refresh = (name: string) => `\`fieldwatch storage refresh ${name} ${range}\``;
  const buckets = numberOf(row, 'buckets');
  return {
    ...{ check: CHECK, subject: ofSource ? its : mine, verdict: 'missing', severity: 'critical' },
    expected: `as many readings as ${ofSource ? mine : its} has`,
    actual: `fewer in ${counted(buckets, 'bucket')} of ${aggregate.relation.bucket}, from ${textOf(row, 'first')} to ${textOf(row, 'last')}: rows were deleted by hand`,
    remedy: `${ofSource ? `${refresh(its)}, then ` : ''}${refresh(mine)}`,
  };
}
