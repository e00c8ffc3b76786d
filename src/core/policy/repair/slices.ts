import type { RepairStep } from '../check.ts';
import { type RefreshedAggregate, sameKey, sourceTimeOf } from '../aggregate.ts';
import type { CatalogRow, CheckQuery } from '../catalog.ts';

import { intervalMs } from '../interval.ts';
import { interval, literal } from './policy-sql.ts';
import type { AggregateRelation } from '../schema/relations.ts';

import { numberOf } from '../row.ts';

/** Microseconds since the Unix epoch, end exclusive. */
export interface Range {
  readonly from: number;
  readonly until: number;
}

/** Buckets that one refresh recomputes at most: it bounds a statement, and the loss when one is interrupted. */
const MOST_BUCKETS = 7 * 24;

/** SQL: TimescaleDB can compute with the times of a chunk, and it has begun. That of 'infinity' has an infinite end. */
export const computable = (chunk: string): string =>
  `isfinite(${chunk}.range_start) AND ${chunk}.range_start < now()`;

/**
 * Data that an aggregate's source still holds, chunk by chunk, and until when it may be refreshed at all: past that, every
 * transaction that writes readings would have to log an invalidation.
 */
export function heldQuery({ relation, endOffset }: RefreshedAggregate): CheckQuery {
  return {
    text: `SELECT _timescaledb_functions.to_unix_microseconds(c.range_start)::float8 AS lo,
  _timescaledb_functions.to_unix_microseconds(c.range_end)::float8 AS hi,
  _timescaledb_functions.to_unix_microseconds(now() - ${interval(endOffset)})::float8 AS edge
FROM timescaledb_information.chunks c
JOIN _timescaledb_catalog.hypertable h ON h.schema_name = c.hypertable_schema AND h.table_name = c.hypertable_name
JOIN _timescaledb_catalog.continuous_agg a ON a.raw_hypertable_id = h.id
WHERE a.user_view_schema = current_schema() AND a.user_view_name = $1 AND ${computable('c')} ORDER BY c.range_start`,
    values: [relation.name],
  };
}

const at = (us: string): string => `_timescaledb_functions.to_timestamp(${us})`;

/**
 * Buckets `a` of an aggregate with more readings than their source has now: its chunks were dropped, and late rows
 * may have created one anew in their place. A refresh would replace such a bucket by those rows alone.
 */
export function beyondSourceSql(relation: AggregateRelation, from: string): string {
  const [time, bucket] = [`x.${sourceTimeOf(relation)}`, `a.${relation.timeColumn}`];
  return `SELECT DISTINCT _timescaledb_functions.to_unix_microseconds(${bucket})::float8 AS bucket FROM ${from}
CROSS JOIN LATERAL (SELECT coalesce(${relation.sourceCount}, 0) AS n FROM ${relation.source} x
  WHERE ${sameKey(relation, 'x', 'a')} AND ${time} >= ${bucket} AND ${time} < ${bucket} + ${interval(relation.bucket)}) held
WHERE a.${relation.countColumn} > held.n`;
}

/** Text and values of the same query for one range. */
export function beyondSource(
  relation: AggregateRelation,
  { from, until }: Range,
): [string, readonly unknown[]] {
  const bucket = `a.${relation.timeColumn}`;
  const range = `(SELECT * FROM ${relation.name} a WHERE ${bucket} >= time_bucket(${interval(relation.bucket)}, ${at('$1::bigint')})
  AND ${bucket} < ${at('$2::bigint')}) a`;
  return [beyondSourceSql(relation, range), [Math.round(from), Math.round(until)]];
}

/**
 * The parts of `ranges` that can be refreshed without loss: whole buckets whose source rows were not dropped. A
 * refresh over a hole in the chunks deletes the buckets there, so ranges are cut along the existing chunks. (If a
 * hole never had rows there is no bucket to refresh either.)
 */
export function safeSlices(
  ranges: readonly Range[],
  held: readonly Range[],
  edge: number,
  widthUs: number,
  mostBuckets = MOST_BUCKETS,
): readonly Range[] {
  const slices: Range[] = [];
  for (const island of islands(held)) {
    const lowest = Math.ceil(island.from / widthUs) * widthUs;
    const highest = Math.floor(Math.min(island.until, edge) / widthUs) * widthUs;
    for (const range of merged(ranges, widthUs)) {
      const from = Math.max(range.from, lowest);
      const until = Math.min(range.until, highest);
      for (let next = from; next < until; next += mostBuckets * widthUs) {
        slices.push({ from: next, until: Math.min(next + mostBuckets * widthUs, until) });
      }
    }
  }
  return slices;
}

/** `ranges` without the buckets that begin at one of `unsafe`. */
export function without(
  ranges: readonly Range[],
  unsafe: readonly number[],
  widthUs: number,
): readonly Range[] {
  const holes = islands(unsafe.map((from) => ({ from, until: from + widthUs })));
  return ranges.flatMap(({ from, until }) => {
    const parts: Range[] = [];
    let at = from;
    for (const hole of holes) {
      if (hole.until <= at || hole.from >= until) continue;
      if (hole.from > at) parts.push({ from: at, until: hole.from });
      at = hole.until;
    }
    return at < until ? [...parts, { from: at, until }] : parts;
  });
}

/** The parts of `ranges` that lie in whole buckets of `within`. */
export function clipped(
  ranges: readonly Range[],
  within: readonly Range[],
  widthUs: number,
): readonly Range[] {
  const bounds = merged(within, widthUs);
  return ranges.flatMap(({ from, until }) =>
    bounds
      .map((bound) => ({ from: Math.max(from, bound.from), until: Math.min(until, bound.until) }))
      .filter((part) => part.from < part.until),
  );
}

/** Joins adjoining ranges. */
function islands(ranges: readonly Range[]): readonly Range[] {
  const joined: { from: number; until: number }[] = [];
  for (const { from, until } of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = joined.at(-1);
    if (last !== undefined && from <= last.until) last.until = Math.max(last.until, until);
    else joined.push({ from, until });
  }
  return joined;
}

/** Ranges widened to whole buckets, and joined. */
export function merged(ranges: readonly Range[], widthUs: number): readonly Range[] {
  return islands(
    ranges.map(({ from, until }) => ({
      from: Math.floor(from / widthUs) * widthUs,
      until: Math.ceil(until / widthUs) * widthUs,
    })),
  );
}

/** Groups of ranges, each a query. */
const MOST_GROUPS = 4;

/**
 * Ranges in a few groups, divided where they lie furthest apart. A query about several ranges is bounded by the first and the last
 * time of them all, which excludes all other chunks from its plan, but not those that lie between them.
 */
export function nearby(ranges: readonly Range[]): readonly (readonly Range[])[] {
  const sorted = [...ranges].sort((a, b) => a.from - b.from);
  const distance = (index: number) => sorted[index]!.from - sorted[index - 1]!.until;
  const starts = sorted
    .map((_, index) => index)
    .slice(1)
    .filter((index) => distance(index) > 0)
    .sort((a, b) => distance(b) - distance(a))
    .slice(0, MOST_GROUPS - 1)
    .sort((a, b) => a - b);
  return sorted.length === 0
    ? []
    : [0, ...starts].map((start, nth) => sorted.slice(start, starts[nth] ?? sorted.length));
}

/** Values of such a query: where the ranges begin, where they end, the first and the last time of them all. */
export function boundsOf(ranges: readonly Range[]): readonly unknown[] {
  const [from, until] = [ranges.map((range) => range.from), ranges.map((range) => range.until)];
  return [from, until, Math.min(...from), Math.max(...until)];
}

/** Refreshes of the ranges, as far as no data is lost. `held` are the rows of `heldQuery`. */
export function refreshSteps(
  about: Pick<RepairStep, 'check' | 'subject'>,
  aggregate: RefreshedAggregate,
  ranges: readonly Range[],
  held: readonly CatalogRow[],
  force = false,
): readonly RepairStep[] {
  const { relation } = aggregate;
  const edge = held[0] === undefined ? 0 : numberOf(held[0], 'edge');
  const chunks = held.map((row) => ({ from: numberOf(row, 'lo'), until: numberOf(row, 'hi') }));
  const slices = safeSlices(ranges, chunks, edge, intervalMs(relation.bucket) * 1000);
  return slices.map(({ from, until }) => ({
    ...about,
    effect: 'refresh',
    about: `refresh ${relation.name} from ${isoTime(from)} to ${isoTime(until)}, by ${sourceTimeOf(relation)} of ${relation.source}`,
    sql: `CALL refresh_continuous_aggregate(${literal(relation.name)}, ${literal(isoTime(from))}::timestamptz, ${literal(isoTime(until))}::timestamptz${force ? ', force => true' : ''})`,
  }));
}

export const isoTime = (us: number): string => new Date(us / 1000).toISOString().replace('.000Z', 'Z');
