import type { Db } from './db.ts';

/**
 * The hypertable behind each of our relations: an aggregate keeps its rows in a materialization hypertable. `$1` names
 * the relations.
 */
const TARGETS = `
WITH target AS (
  SELECT w.name, coalesce(a.materialization_hypertable_schema, current_schema())::text AS sch,
    coalesce(a.materialization_hypertable_name, w.name)::text AS tab
  FROM unnest($1::text[]) AS w(name) LEFT JOIN timescaledb_information.continuous_aggregates a
    ON a.view_schema = current_schema() AND a.view_name = w.name
  WHERE to_regclass(format('%I.%I', current_schema(), w.name)) IS NOT NULL)`;

// Row counts are estimates from statistics: 0 until the table was analyzed.
const statistics = `${TARGETS}
SELECT t.name AS relation, c.chunks::int, c.compressed::int, approximate_row_count(t.rel)::float8 AS rows,
  hypertable_approximate_size(t.rel)::float8 AS bytes, s.before_compression_total_bytes::float8 AS before,
  s.after_compression_total_bytes::float8 AS after,
  s.before_compression_total_bytes::float8 / nullif(s.after_compression_total_bytes, 0) AS ratio,
  (SELECT array_agg(indexname::text ORDER BY indexname) FROM pg_indexes WHERE schemaname = t.sch AND tablename = t.tab) AS indexes
FROM (SELECT *, format('%I.%I', sch, tab)::regclass AS rel FROM target) t
CROSS JOIN LATERAL (SELECT count(*) AS chunks, count(*) FILTER (WHERE is_compressed) AS compressed
  FROM timescaledb_information.chunks WHERE hypertable_schema = t.sch AND hypertable_name = t.tab) c
LEFT JOIN LATERAL hypertable_columnstore_stats(t.rel) s ON true ORDER BY bytes DESC`;

export interface StorageRow {
  readonly relation: string;
  readonly chunks: number;
  readonly compressed: number;
  /** Estimated. */
  readonly rows: number;
  readonly bytes: number;
  /** Bytes of the compressed chunks, with indexes: before and after compression. */
  readonly before: number | null;
  readonly after: number | null;
  readonly ratio: number | null;
  readonly indexes: readonly string[];
}

export async function storageStatistics(
  db: Db,
  relations: readonly string[],
): Promise<readonly StorageRow[]> {
  return (await db.query<StorageRow>(statistics, [relations])).rows;
}

const chunkList = `${TARGETS}
SELECT t.name AS relation, c.chunk_schema || '.' || c.chunk_name AS chunk, c.range_start AS from, c.range_end AS to,
  CASE WHEN NOT c.is_compressed THEN 'row' WHEN _timescaledb_functions.chunk_status(
    format('%I.%I', c.chunk_schema, c.chunk_name)::regclass) & 8 <> 0 THEN 'partial' ELSE 'compressed' END AS state,
  d.total_bytes::float8 AS bytes
FROM target t JOIN timescaledb_information.chunks c ON c.hypertable_schema = t.sch AND c.hypertable_name = t.tab
LEFT JOIN LATERAL chunks_detailed_size(format('%I.%I', t.sch, t.tab)::regclass) d
  ON d.chunk_schema = c.chunk_schema AND d.chunk_name = c.chunk_name
WHERE $3::timestamptz IS NULL OR c.range_start < $3
ORDER BY c.range_start DESC LIMIT $2`;

export interface ChunkRow {
  readonly relation: string;
  readonly chunk: string;
  readonly from: Date;
  readonly to: Date;
  /** `partial`: compressed, with uncompressed late rows. */
  readonly state: 'row' | 'compressed' | 'partial';
  readonly bytes: number | null;
}

/** Newest first; those that begin before a time. */
export async function listChunks(
  db: Db,
  relation: string,
  limit?: number,
  before: Date | null = null,
): Promise<readonly ChunkRow[]> {
  return (await db.query<ChunkRow>(chunkList, [[relation], limit, before])).rows;
}

const olderChunks = `${TARGETS}
SELECT count(*)::int AS chunks, min(c.range_start) AS from, max(c.range_end) AS to
FROM target t JOIN timescaledb_information.chunks c ON c.hypertable_schema = t.sch AND c.hypertable_name = t.tab
WHERE c.range_end <= now() - $2::interval`;

export interface OlderChunks {
  readonly chunks: number;
  readonly from: Date | null;
  readonly to: Date | null;
}

/** Chunks that a bounded drop would take. */
export async function chunksOlderThan(db: Db, relation: string, age: string): Promise<OlderChunks> {
  const [row] = (await db.query<OlderChunks>(olderChunks, [[relation], age])).rows;
  return row ?? { chunks: 0, from: null, to: null };
}
