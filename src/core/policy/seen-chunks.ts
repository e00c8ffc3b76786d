import type { CheckQuery } from './catalog.ts';

import { heldFrom, keptBy } from './horizons.ts';
import type { PolicyPlan } from './plan.ts';
import { literal } from './repair/policy-sql.ts';
import { RELATIONS } from './schema/relations.ts';
import { computable } from './repair/slices.ts';
import { type CatalogSnapshot, existingRelations } from './snapshot.ts';

/**
 * SQL: a chunk, of the relations `k` and `s` (`WITH_FILES`), has a page. A chunk without one was emptied by TRUNCATE, or row by row and then
 * by VACUUM. For one stored elsewhere it is unknown.
 */
export const HAS_PAGES = `(k.relkind <> 'r' OR coalesce(pg_relation_size(s.compress_relid), 0) > 0 OR pg_relation_size(k.oid) > 0)`;

/** SQL: the tables of a chunk `c`, and its compressed rows. */
export const WITH_FILES = `JOIN pg_namespace n ON n.nspname = c.chunk_schema JOIN pg_class k ON k.relnamespace = n.oid AND k.relname = c.chunk_name
  LEFT JOIN _timescaledb_catalog.compression_settings s ON s.relid = k.oid`;

/** SQL: the rows of a chunk without a page went one by one, as the server counted them. Compression, too, takes the rows of a chunk without a count. */
const DELETED = `coalesce(pg_stat_get_tuples_deleted(c.compressed) >= greatest(pg_stat_get_tuples_inserted(c.compressed), 1),
    pg_stat_get_tuples_deleted(c.oid) > 0)`;

/** SQL: `chunk`, the existing chunks, by the relation that they belong to. */
const CHUNKS = `target AS MATERIALIZED (SELECT held.relation, coalesce(a.materialization_hypertable_schema, current_schema()) AS sch,
    coalesce(a.materialization_hypertable_name, held.relation) AS tab
  FROM held LEFT JOIN timescaledb_information.continuous_aggregates a ON a.view_schema = current_schema() AND a.view_name = held.relation),
own AS MATERIALIZED (SELECT t.relation, c.* FROM target t JOIN timescaledb_information.chunks c
  ON c.hypertable_schema = t.sch AND c.hypertable_name = t.tab AND ${computable('c')}),
sized AS MATERIALIZED (SELECT c.relation, c.range_start, c.range_end, k.oid, s.compress_relid AS compressed, ${HAS_PAGES} AS filled
  FROM own c ${WITH_FILES}),
chunk AS MATERIALIZED (SELECT c.relation, c.range_start, c.range_end, c.filled, NOT c.filled AND ${DELETED} AS deleted FROM sized c)`;

/** SQL: `held`, the time from which each relation has to have its chunks, forever if nothing is dropped. */
const held = (plan: PolicyPlan, relations: readonly string[]): string =>
  `held (relation, since) AS MATERIALIZED (VALUES ${relations
    .map(
      (name) =>
        `(${literal(name)}, coalesce(${heldFrom(name, keptBy(plan, name))}, '-infinity'::timestamptz))`,
    )
    .join(', ')})`;

/** Records the chunks that have rows, and forgets those that may be dropped by now, or were emptied row by row. */
export function noteChunks(plan: PolicyPlan): string {
  const names = RELATIONS.map(({ name }) => name);
  return `WITH ${held(plan, names)}, ${CHUNKS},
expired AS (DELETE FROM storage_chunks s USING held WHERE s.relation = held.relation
  AND (s.range_end <= held.since OR (s.relation, s.range_start) IN (SELECT c.relation, c.range_start FROM chunk c WHERE c.deleted)))
INSERT INTO storage_chunks (relation, range_start, range_end)
SELECT c.relation, c.range_start, c.range_end FROM chunk c JOIN held USING (relation) WHERE c.range_end > held.since AND c.filled
ON CONFLICT DO NOTHING`;
}

/** The seen chunks that no longer exist or have no rows, though they are to be kept; in microseconds. */
export function missingChunks(plan: PolicyPlan, snapshot: CatalogSnapshot): CheckQuery {
  const relations = existingRelations(plan, snapshot).map(({ relation }) => relation.name);
  if (relations.length === 0) return { text: 'SELECT WHERE false' };
  return {
    // Nearly all are there with the very range: only the others are compared with every chunk. NOT IN is hashed, whatever
    // the planner takes the number of chunks for: without statistics it takes them for one.
    text: `WITH ${held(plan, relations)}, ${CHUNKS},
present AS MATERIALIZED (SELECT relation, range_start, range_end FROM chunk WHERE filled OR deleted),
absent AS MATERIALIZED (SELECT s.relation, s.range_start, s.range_end FROM storage_chunks s
  JOIN held ON held.relation = s.relation AND s.range_end > held.since
  WHERE (s.relation, s.range_start) NOT IN (SELECT c.relation, c.range_start FROM present c))
SELECT s.relation, ${micros('s.range_start')} AS lo, ${micros('s.range_end')} AS hi FROM absent s
WHERE NOT EXISTS (SELECT FROM present c WHERE c.relation = s.relation AND c.range_start < s.range_end AND c.range_end > s.range_start)
ORDER BY 1, 2`,
  };
}

const micros = (time: string): string => `_timescaledb_functions.to_unix_microseconds(${time})::float8`;
