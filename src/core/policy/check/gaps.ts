import { refreshedAggregates, type RefreshedAggregate } from '../aggregate.ts';
import { counted } from '../../counted.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Facts } from '../facts.ts';
import type { Finding } from '../finding.ts';
import { POLICY_PROCS, type PolicyPlan } from '../plan.ts';
import { flagOf, numberOf } from '../row.ts';
import { relationNamed } from '../relations.ts';
import { computable, isoTime } from '../slices.ts';
import { interval, literal } from '../statement.ts';
import { heldFrom } from '../horizons.ts';

const CHECK = 'gaps';
/** Enough to say that there is something; more only cost time. */
const MOST_GAPS = 200;

/**
 * Chunks that are gone before their time, by whatever hand: an aggregate has buckets of a time of which its source has no
 * chunk, although it is to be kept (`heldFrom`). Nothing of ours refreshes such a range, for that would delete the buckets, too.
 */
export const gapsCheck: PolicyCheck = {
  name: CHECK,
  about: 'no chunk was dropped before its time',
  queries: (plan, facts) =>
    refreshedAggregates(plan, facts).map((aggregate) => ({
      text: gapsSql(aggregate),
      values: [aggregate.relation.name],
    })),
  // Where there is no chunk there may never have been a row: the buckets tell.
  lookAgain: (...asked) =>
    suspects(...asked).map(({ aggregate, gaps }) => {
      const [from, until] = [gaps.map(({ lo }) => lo), gaps.map(({ hi }) => hi)];
      return { text: lostSql(aggregate), values: [from, until, Math.min(...from), Math.max(...until)] };
    }),
  judge: (plan, facts, answers) => {
    const seen = answers.slice(refreshedAggregates(plan, facts).length);
    return suspects(plan, facts, answers).flatMap(({ aggregate }, index) =>
      judge(aggregate, seen[index] ?? [], facts.server.schema),
    );
  },
};

interface Gaps {
  readonly aggregate: RefreshedAggregate;
  /** In microseconds. */
  readonly gaps: readonly { readonly lo: number; readonly hi: number }[];
}

function suspects(
  plan: PolicyPlan,
  facts: Facts,
  answers: readonly (readonly CatalogRow[])[],
): readonly Gaps[] {
  return refreshedAggregates(plan, facts)
    .map((aggregate, index) => {
      const rows = answers[index] ?? [];
      return { aggregate, gaps: rows.map((row) => ({ lo: numberOf(row, 'lo'), hi: numberOf(row, 'hi') })) };
    })
    .filter(({ gaps }) => gaps.length > 0);
}

/** Ranges without a chunk of the source, from when on it is kept until now. */
function gapsSql({ relation, sourceKept }: RefreshedAggregate): string {
  const micros = (time: string) => `_timescaledb_functions.to_unix_microseconds(${time})::float8`;
  // A chunk without a page has lost its rows by TRUNCATE or DELETE; of one that lies elsewhere nothing is known.
  return `WITH held AS (SELECT c.range_start AS lo, c.range_end AS hi FROM timescaledb_information.chunks c
  JOIN pg_class k ON k.oid = to_regclass(format('%I.%I', c.chunk_schema, c.chunk_name))
  LEFT JOIN _timescaledb_catalog.compression_settings s ON s.relid = k.oid
  JOIN _timescaledb_catalog.hypertable h ON h.schema_name = c.hypertable_schema AND h.table_name = c.hypertable_name
  JOIN _timescaledb_catalog.continuous_agg a ON a.raw_hypertable_id = h.id
  WHERE a.user_view_schema = current_schema() AND a.user_view_name = $1 AND ${computable('c')}
    AND (k.relkind <> 'r' OR pg_relation_size(k.oid) > 0 OR pg_relation_size(s.compress_relid) > 0)),
kept AS (SELECT coalesce(${heldFrom(relation.source, sourceKept)}, (SELECT min(lo) FROM held)) AS since),
gap AS (SELECT hi AS lo, coalesce(lead(lo) OVER (ORDER BY lo), now()) AS hi FROM held
  UNION ALL SELECT since, least(coalesce((SELECT min(lo) FROM held), now()), now()) FROM kept)
SELECT ${micros('greatest(lo, since)')} AS lo, ${micros('hi')} AS hi FROM gap, kept
WHERE greatest(lo, since) < hi ORDER BY 1 LIMIT ${MOST_GAPS}`;
}

const at = (us: string): string => `_timescaledb_functions.to_timestamp(${us}::bigint)`;

/** Those of the gaps in which the aggregate has whole buckets, and whether a refresh policy reaches there. */
function lostSql({ relation, startOffset }: RefreshedAggregate): string {
  const [bucket, width] = [`a.${relation.timeColumn}`, interval(relation.bucket)];
  const within = (from: string, until: string) =>
    `${bucket} >= ${at(from)} AND ${bucket} <= ${at(until)} - ${width}`;
  return `SELECT r.lo::float8 AS lo, r.hi::float8 AS hi, ${at('r.hi')} > now() - ${interval(startOffset)} AS reached
FROM unnest($1::bigint[], $2::bigint[]) AS r(lo, hi)
WHERE EXISTS (SELECT FROM sensors s CROSS JOIN LATERAL (SELECT FROM ${relation.name} a
  WHERE a.sensor_id = s.id AND ${within('$3', '$4')} AND ${within('r.lo', 'r.hi')} LIMIT 1) found) ORDER BY 1`;
}

function judge(
  { relation }: RefreshedAggregate,
  rows: readonly CatalogRow[],
  schema: string,
): readonly Finding[] {
  if (rows.length === 0) return [];
  const reached = rows.some((row) => flagOf(row, 'reached'));
  const ranges = rows
    .slice(0, 3)
    .map((row) => `${isoTime(numberOf(row, 'lo'))} to ${isoTime(numberOf(row, 'hi'))}`);
  const more = rows.length > 3 ? ` and ${rows.length - 3} more` : '';
  const again =
    relationNamed(relation.source)?.kind === 'aggregate'
      ? `for what its own source still has: ${rows
          .slice(0, 3)
          .map(
            (row) =>
              `\`fieldwatch storage refresh ${relation.source} --from ${isoTime(numberOf(row, 'lo'))} --to ${isoTime(numberOf(row, 'hi'))} --force\``,
          )
          .join(', ')}; for the rest: `
      : '';
  const rest = `${again}restore the rows from a backup (docs/operations.md); without one there is nothing to do: ${relation.name} keeps its buckets, since no repair refreshes there (a refresh by hand would delete them), and the finding passes when the range is older than its retention. Where it was dropped on purpose, from the beginning on, \`fieldwatch storage drop ${relation.source} --older-than AGE --yes\` notes that`;
  return [
    {
      ...{ check: CHECK, subject: relation.source, verdict: 'missing' },
      severity: reached ? 'critical' : 'warning',
      expected: `chunks with rows of ${relation.source} for all that ${relation.name} has and retention keeps`,
      actual: `${counted(rows.length, 'range')} without a chunk, or with an empty one: ${ranges.join(', ')}${more}`,
      remedy: reached
        ? `at once, before the policy refreshes the range and deletes its buckets: SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE proc_name = ${literal(POLICY_PROCS.refresh)} AND hypertable_schema = ${literal(schema)} AND hypertable_name = ${literal(relation.name)}; -- then ${rest}; resume it when start_offset is past the range: \`fieldwatch policies repair --only policies\``
        : rest,
    },
  ];
}
