import { counted } from '../../counted.ts';
import { type RefreshedAggregate, aggregatesCte, refreshedAggregates, sourceTimeOf } from '../aggregate.ts';
import type { CatalogRow, CheckQuery } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { heldFrom } from '../horizons.ts';
import { intervalMs } from '../interval.ts';
import { POLICY_PROCS, type PolicyPlan } from '../plan.ts';
import { identifier, interval, literal, qualified } from '../repair/policy-sql.ts';
import { type AggregateRelation, relationNamed } from '../schema/relations.ts';
import { flagOf, numberOf, optionalNumber, textOf } from '../row.ts';
import { HAS_PAGES, WITH_FILES, missingChunks } from '../seen-chunks.ts';
import { type Range, boundsOf, computable, isoTime, merged, nearby } from '../repair/slices.ts';
import type { CatalogSnapshot } from '../snapshot.ts';

const CHECK = 'gaps';
/** Enough for a finding; more would only cost time. */
const MOST_GAPS = 200;

/**
 * Rows lost before their time, however deleted: an aggregate has buckets for a time of which its source has no chunk,
 * or no row, although it is to be kept (`heldFrom`); our refreshes skip such a range, since they would delete the
 * buckets, too. Or a chunk that the daemon has seen with rows is missing or empty: the only trace of rows that nothing is built on.
 */
export const gapsCheck: PolicyCheck = {
  name: CHECK,
  causes: () => 'rows_missing',
  // Missing rows also differ: the audit has the repair.
  follows: ({ subject, severity }, causes) => severity === 'warning' && causes.has('rows_differ', subject),
  about: 'no chunk was dropped before its time',
  queries: (plan, snapshot) => {
    const ofTables = refreshedAggregates(plan, snapshot).filter((aggregate) => !isOfAggregate(aggregate));
    return [
      { text: DETACHED, values: [plan.relations.map(({ relation }) => relation.name)] },
      missingChunks(plan, snapshot),
      { text: ofTables.length === 0 ? 'SELECT WHERE false' : gapsSql(ofTables) },
      ...ofAggregates(plan, snapshot).map((aggregate) => ({ text: emptySql(aggregate) })),
    ];
  },
  // A range without a chunk may never have had a row: the buckets show whether it did.
  followUpQueries: (plan, snapshot, answers) => {
    const found = suspects(plan, snapshot, answers);
    const tables = found.length === 0 && missingOf(answers).length === 0 ? [] : detachedOf(answers);
    return [
      ...found.map(({ aggregate, gaps }) => lost(aggregate, gaps)),
      ...tables.map(({ table, column }) => ({ text: spanSql(table, column) })),
    ];
  },
  evaluate: (plan, snapshot, answers) => {
    const above = ofAggregates(plan, snapshot);
    const [found, seen] = [suspects(plan, snapshot, answers), answers.slice(FIRST + above.length)];
    const detached = detachedOf(answers).map((table, index) => ({
      ...table,
      row: seen[found.length + index]?.[0],
    }));
    const of = (aggregate: RefreshedAggregate, rows: readonly CatalogRow[]) =>
      evaluate(aggregate, rows, detached, snapshot.server.schema);
    const byBuckets = [
      ...[...new Set(found.map(({ aggregate }) => aggregate))].flatMap((aggregate) =>
        of(
          aggregate,
          found.flatMap((gaps, index) => (gaps.aggregate === aggregate ? (seen[index] ?? []) : [])),
        ),
      ),
      ...above.flatMap((aggregate, index) => of(aggregate, joined(aggregate, answers[FIRST + index] ?? []))),
    ];
    const byChunks = missingOf(answers)
      .filter(({ relation }) => !byBuckets.some(({ subject }) => subject === relation))
      .map((missing) => checkMissing(missing, detached, snapshot.server.schema));
    return [...byBuckets, ...byChunks];
  },
};

/** The answers about aggregates of aggregates follow those about detached and missing chunks and about gaps. */
const FIRST = 3;

/** For such a source, which has few chunks, every bucket is checked; for readings the chunks. */
const isOfAggregate = ({ relation }: RefreshedAggregate): boolean =>
  relationNamed(relation.source)?.kind === 'aggregate';

const ofAggregates = (plan: PolicyPlan, snapshot: CatalogSnapshot): readonly RefreshedAggregate[] =>
  refreshedAggregates(plan, snapshot).filter(isOfAggregate);

/** Gaps of one aggregate that lie near each other: one query is about them. */
interface Gaps {
  readonly aggregate: RefreshedAggregate;
  readonly gaps: readonly Range[];
}

function suspects(
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  answers: readonly (readonly CatalogRow[])[],
): readonly Gaps[] {
  const [, , rows = []] = answers;
  return refreshedAggregates(plan, snapshot).flatMap((aggregate) => {
    const gaps = rows.filter((row) => textOf(row, 'name') === aggregate.relation.name).map(rangeOf);
    return nearby(gaps).map((near) => ({ aggregate, gaps: near }));
  });
}

const rangeOf = (row: CatalogRow): Range => ({ from: numberOf(row, 'lo'), until: numberOf(row, 'hi') });

function lost(aggregate: RefreshedAggregate, gaps: readonly Range[]): CheckQuery {
  return { text: lostSql(aggregate), values: boundsOf(gaps) };
}

/** The remains of `detach_chunk`: a table with the name of a chunk, outside of any hypertable. */
const DETACHED = `
WITH alone AS MATERIALIZED (SELECT c.oid, c.relname, c.relnamespace, substring(c.relname::text FROM '^(.*)_[0-9]+_chunk$') AS prefix
  FROM pg_class c WHERE c.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid))
SELECT format('%I.%I', n.nspname, c.relname) AS "table", h.table_name::text AS relation, d.column_name::text AS "column",
  extract(epoch FROM d.time_interval)::float8 * 1000000 AS width
FROM _timescaledb_catalog.hypertable h
JOIN timescaledb_information.dimensions d ON d.hypertable_schema = h.schema_name AND d.hypertable_name = h.table_name AND d.dimension_number = 1
JOIN alone c ON c.prefix = h.associated_table_prefix::text JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = h.associated_schema_name
WHERE h.schema_name = current_schema() AND h.table_name = ANY ($1::text[]) AND has_table_privilege(c.oid, 'SELECT')
ORDER BY c.oid LIMIT 20`;

interface Detached {
  /** Qualified and quoted. */
  readonly table: string;
  readonly relation: string;
  readonly column: string;
  readonly width: number;
}

/** With the times of its first and last row. */
type DetachedSpan = Detached & { readonly row: CatalogRow | undefined };

const detachedOf = ([rows = []]: readonly (readonly CatalogRow[])[]): readonly Detached[] =>
  rows.map((row) => ({
    table: textOf(row, 'table'),
    relation: textOf(row, 'relation'),
    column: textOf(row, 'column'),
    width: numberOf(row, 'width'),
  }));

const micros = (time: string): string => `_timescaledb_functions.to_unix_microseconds(${time})::float8`;

const spanSql = (table: string, column: string): string =>
  `SELECT ${micros(`min(${identifier(column)})`)} AS lo, ${micros(`max(${identifier(column)})`)} AS hi FROM ${table} WHERE isfinite(${identifier(column)})`;

/** Buckets of an aggregate in which the aggregate below has no row at all; `again`: the readings still exist. */
function emptySql({ relation, sourceKept, startOffset }: RefreshedAggregate): string {
  const { name, source, timeColumn } = relation;
  const below = relationNamed(source);
  const [width, time, readings] = [
    interval(relation.bucket),
    below?.timeColumn ?? '',
    below?.kind === 'aggregate' ? below.source : '',
  ];
  return `WITH kept AS (SELECT greatest(coalesce(${heldFrom(source, sourceKept)}, (SELECT min(${time}) FROM ${source})), (SELECT min(${timeColumn}) FROM ${name})) AS since)
SELECT ${micros('b')} AS lo, b + ${width} > now() - ${interval(startOffset)} AS reached,
  EXISTS (SELECT FROM timescaledb_information.chunks c WHERE c.hypertable_schema = current_schema() AND c.hypertable_name = ${literal(readings)}
    AND c.range_end > b AND c.range_start < b + ${width}) AS again
FROM kept CROSS JOIN LATERAL generate_series(time_bucket(${width}, since + ${width} - INTERVAL '1 microsecond'), now() - ${width}, ${width}) b
CROSS JOIN LATERAL (SELECT FROM ${name} a WHERE a.${timeColumn} = b LIMIT 1) built
WHERE isfinite(since) AND NOT EXISTS (SELECT FROM ${source} x WHERE x.${time} >= b AND x.${time} < b + ${width} OFFSET 0) ORDER BY 1`;
}

/** Joins adjoining buckets into ranges. */
function joined({ relation }: RefreshedAggregate, rows: readonly CatalogRow[]): readonly CatalogRow[] {
  const width = intervalMs(relation.bucket) * 1000;
  const ranges = merged(
    rows.map((row) => ({ from: numberOf(row, 'lo'), until: numberOf(row, 'lo') + width })),
    width,
  );
  return ranges.map(({ from, until }) => {
    const own = rows.filter((row) => numberOf(row, 'lo') >= from && numberOf(row, 'lo') < until);
    return {
      lo: from,
      hi: until,
      reached: own.some((row) => flagOf(row, 'reached')),
      again: own.some((row) => flagOf(row, 'again')),
    };
  });
}

/** Ranges of each aggregate in which its source has no chunk, from the start of its retention until now. */
function gapsSql(aggregates: readonly RefreshedAggregate[]): string {
  const agg = aggregatesCte(aggregates, ['kept'], ({ relation, sourceKept }) => [
    heldFrom(relation.source, sourceKept),
  ]);
  // A chunk without a page has lost its rows by TRUNCATE or DELETE, and so has one with a row count of zero in the
  // server's statistics, after a DELETE, before VACUUM.
  return `WITH ${agg},
chunk AS MATERIALIZED (SELECT agg.name, c.* FROM agg JOIN _timescaledb_catalog.hypertable h ON h.id = agg.raw
  JOIN timescaledb_information.chunks c ON c.hypertable_schema = h.schema_name AND c.hypertable_name = h.table_name AND ${computable('c')}),
held AS MATERIALIZED (SELECT c.name, c.range_start AS lo, c.range_end AS hi FROM chunk c
  ${WITH_FILES}
  WHERE ${HAS_PAGES}
    AND NOT (k.relkind = 'r' AND c.is_compressed IS NOT TRUE AND pg_stat_get_live_tuples(k.oid) = 0 AND pg_stat_get_tuples_deleted(k.oid) > 0)),
first AS (SELECT agg.name, agg.kept, min(held.lo) AS lo FROM agg LEFT JOIN held USING (name) GROUP BY agg.name, agg.kept),
gap AS (SELECT name, hi AS lo, coalesce(lead(lo) OVER (PARTITION BY name ORDER BY lo), now()) AS hi FROM held
  UNION ALL SELECT name, coalesce(kept, lo), least(coalesce(lo, now()), now()) FROM first),
found AS (SELECT name, greatest(gap.lo, coalesce(first.kept, first.lo)) AS lo, gap.hi FROM gap JOIN first USING (name))
SELECT name, ${micros('lo')} AS lo, ${micros('hi')} AS hi
FROM (SELECT *, row_number() OVER (PARTITION BY name ORDER BY lo) AS nth FROM found WHERE lo < hi) numbered
WHERE nth <= ${MOST_GAPS} ORDER BY name, lo`;
}

const at = (us: string): string => `_timescaledb_functions.to_timestamp(${us}::bigint)`;

/**
 * For each gap the time from the first to the last whole bucket of the aggregate in it, and whether a refresh policy
 * reaches it. A chunk that only seems empty still has its rows.
 */
function lostSql({ relation, startOffset }: RefreshedAggregate): string {
  const [bucket, width, time] = [
    `a.${relation.timeColumn}`,
    interval(relation.bucket),
    `x.${sourceTimeOf(relation)}`,
  ];
  // The bounds of all of them, so that not every chunk is planned.
  const bounds = (column: string) => `${column} >= ${at('$3')} AND ${column} < ${at('$4')}`;
  const within = `${bounds(bucket)} AND ${bucket} >= ${at('r.lo')} AND ${bucket} <= ${at('r.hi')} - ${width}`;
  const edge = (order: string) =>
    `(SELECT ${bucket} AS at FROM ${relation.name} a WHERE ${within} ORDER BY ${bucket} ${order} LIMIT 1)`;
  return `SELECT ${micros('first.at')} AS lo, ${micros(`last.at + ${width}`)} AS hi, last.at + ${width} > now() - ${interval(startOffset)} AS reached, false AS again
FROM unnest($1::bigint[], $2::bigint[]) AS r(lo, hi) CROSS JOIN LATERAL ${edge('ASC')} first CROSS JOIN LATERAL ${edge('DESC')} last
WHERE NOT EXISTS (SELECT FROM ${relation.source} x WHERE ${bounds(time)} AND ${time} >= first.at AND ${time} < last.at + ${width} OFFSET 0) ORDER BY 1`;
}

interface Missing {
  readonly relation: string;
  readonly ranges: readonly Range[];
}

/** Chunks that were seen and are missing, adjoining ones as one range. */
function missingOf([, rows = []]: readonly (readonly CatalogRow[])[]): readonly Missing[] {
  const relations = new Set(rows.map((row) => textOf(row, 'relation')));
  return [...relations].map((relation) => {
    const own = rows.filter((row) => textOf(row, 'relation') === relation);
    return { relation, ranges: merged(own.map(rangeOf), 1) };
  });
}

function checkMissing(
  { relation, ranges }: Missing,
  detached: readonly DetachedSpan[],
  schema: string,
): Finding {
  const attach = detached.flatMap((table) => attachment(table, relation, ranges, schema));
  const [from, until] = [ranges[0]?.from ?? 0, ranges.at(-1)?.until ?? 0];
  const gone = `DELETE FROM ${qualified(schema, 'storage_chunks')} WHERE relation = ${literal(relation)} AND range_start >= ${literal(isoTime(from))} AND range_start < ${literal(isoTime(until))};`;
  return {
    ...{ check: CHECK, subject: relation, verdict: 'missing', severity: 'warning' },
    expected: `the chunks of ${relation} that were seen, as long as retention keeps them`,
    actual: `${counted(ranges.length, 'range')} without a chunk, or with an empty one, of which there was one with rows: ${namedRanges(ranges)}`,
    remedy: attached(
      attach,
      ranges,
      `restore the rows from a backup (docs/operations.md). Where they are gone for good: ${gone} -- ends the finding`,
    ),
  };
}

function evaluate(
  { relation }: RefreshedAggregate,
  rows: readonly CatalogRow[],
  detached: readonly DetachedSpan[],
  schema: string,
): readonly Finding[] {
  if (rows.length === 0) return [];
  const ranges = rows.map(rangeOf);
  const attach = detached.flatMap((table) => attachment(table, relation.source, ranges, schema));
  const reached = rows.some((row) => flagOf(row, 'reached'));
  return [
    {
      ...{ check: CHECK, subject: relation.source, verdict: 'missing' },
      severity: reached ? 'critical' : 'warning',
      expected: `rows of ${relation.source} for all that ${relation.name} has and retention keeps`,
      actual: `${counted(rows.length, 'range')} without a chunk, or with an empty one: ${namedRanges(ranges)}`,
      remedy: attached(
        attach,
        ranges,
        withoutChunks(relation, rows, reached, schema),
        reached ? AT_ONCE : '',
      ),
    },
  ];
}

const AT_ONCE = 'at once, before the policy refreshes the range and deletes its buckets: ';

/** The statements that reattach detached chunks, before any others. */
function attached(attach: readonly string[], ranges: readonly Range[], rest: string, urgency = ''): string {
  if (attach.length === 0) return rest;
  return attach.length === ranges.length
    ? `${urgency}${attach.join(' ')} -- their chunks were detached, and are there`
    : `${attach.join(' ')} -- these chunks were detached; for the rest: ${rest}`;
}

const MOST_NAMED = 3;
const named = ({ from, until }: Range): string => `${isoTime(from)} to ${isoTime(until)}`;

function namedRanges(ranges: readonly Range[]): string {
  const more = ranges.length > MOST_NAMED ? ` and ${ranges.length - MOST_NAMED} more` : '';
  return `${ranges.slice(0, MOST_NAMED).map(named).join(', ')}${more}`;
}

/** Restores the range of a detached chunk, as far as it is free. */
function attachment(
  { table, relation, column, width, row }: DetachedSpan,
  source: string,
  ranges: readonly Range[],
  schema: string,
): readonly string[] {
  const lo = row === undefined ? undefined : optionalNumber(row, 'lo');
  if (lo === undefined || relation !== source || !ranges.some(({ from, until }) => lo >= from && lo < until))
    return [];
  const from = Math.floor(lo / width) * width;
  const slice = JSON.stringify({ [column]: [isoTime(from), isoTime(from + width)] });
  return [
    `CALL attach_chunk(${literal(qualified(schema, relation))}, ${literal(table)}, ${literal(slice)});`,
  ];
}

function withoutChunks(
  relation: AggregateRelation,
  rows: readonly CatalogRow[],
  reached: boolean,
  schema: string,
): string {
  const again = rows
    .filter((row) => flagOf(row, 'again'))
    .map(rangeOf)
    .slice(0, MOST_NAMED);
  const commands = again.map(
    ({ from, until }) =>
      `\`fieldwatch storage refresh ${relation.source} --from ${isoTime(from)} --to ${isoTime(until)} --force\``,
  );
  const first =
    commands.length === 0 ? '' : `for what its own source still has: ${commands.join(', ')}; for the rest: `;
  const rest = `${first}restore the rows from a backup (docs/operations.md); without one there is nothing to do: ${relation.name} keeps its buckets, since no repair refreshes there (a refresh by hand would delete them), and the finding passes when the range is older than its retention. Where it was dropped on purpose, from the beginning on, \`fieldwatch storage drop ${relation.source} --older-than AGE --yes\` notes that`;
  return reached
    ? `${AT_ONCE}SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE proc_name = ${literal(POLICY_PROCS.refresh)} AND hypertable_schema = ${literal(schema)} AND hypertable_name = ${literal(relation.name)}; -- then ${rest}; resume it when start_offset is past the range: \`fieldwatch policies repair --only policies\``
    : rest;
}
