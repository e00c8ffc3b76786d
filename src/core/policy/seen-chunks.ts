import type { CheckQuery } from './catalog.ts';

import { heldFrom, keptBy } from './horizons.ts';
import type { PolicyPlan } from './plan.ts';
import { literal } from './policy-sql.ts';
import { RELATIONS } from './relations.ts';
import { computable } from './slices.ts';
import { type CatalogSnapshot, present } from './snapshot.ts';

/**
 * SQL: a chunk, of the relations `k` and `s` (`WITH_FILES`), has a page. A chunk without one was emptied by TRUNCATE, or row by row and then
 * by VACUUM. For one stored elsewhere it is unknown.
 */
export const HAS_PAGES = `(k.relkind <> 'r' OR pg_relation_size(k.oid) > 0 OR coalesce(pg_relation_size(s.compress_relid), 0) > 0)`;

/** SQL: the tables of a chunk `c`, and its compressed rows. */
export const WITH_FILES = `JOIN pg_class k ON k.oid = to_regclass(format('%I.%I', c.chunk_schema, c.chunk_name))
  LEFT JOIN _timescaledb_catalog.compression_settings s ON s.relid = k.oid`;

/** SQL: its rows went one by one, as the server counted them. Compression, too, takes the rows of a chunk without a count. */
const DELETED = `coalesce(pg_stat_get_tuples_deleted(s.compress_relid) >= greatest(pg_stat_get_tuples_inserted(s.compress_relid), 1),
    pg_stat_get_tuples_deleted(k.oid) > 0)`;

/** SQL: the existing chunks, by the relation that they belong to. */
const CHUNKS = `SELECT coalesce(a.view_name, c.hypertable_name)::text AS relation, c.range_start, c.range_end,
  ${HAS_PAGES} AS filled, ${DELETED} AS deleted
FROM timescaledb_information.chunks c ${WITH_FILES}
LEFT JOIN timescaledb_information.continuous_aggregates a
  ON a.materialization_hypertable_schema = c.hypertable_schema AND a.materialization_hypertable_name = c.hypertable_name
WHERE coalesce(a.view_schema, c.hypertable_schema) = current_schema() AND ${computable('c')}`;

/** SQL: the time from which each relation has to have its chunks, forever if nothing is dropped. */
const held = (plan: PolicyPlan, relations: readonly string[]): string =>
  `(VALUES ${relations
    .map(
      (name) =>
        `(${literal(name)}, coalesce(${heldFrom(name, keptBy(plan, name))}, '-infinity'::timestamptz))`,
    )
    .join(', ')}) AS held (relation, since)`;

/** Records the chunks that have rows, and forgets those that may be dropped by now, or were emptied row by row. */
export function noteChunks(plan: PolicyPlan): string {
  const names = RELATIONS.map(({ name }) => name);
  return `WITH held AS (SELECT * FROM ${held(plan, names)}), chunk AS MATERIALIZED (${CHUNKS}),
expired AS (DELETE FROM storage_chunks s USING held WHERE s.relation = held.relation
  AND (s.range_end <= held.since OR EXISTS (SELECT FROM chunk c WHERE c.relation = s.relation AND c.range_start = s.range_start AND NOT c.filled AND c.deleted)))
INSERT INTO storage_chunks (relation, range_start, range_end)
SELECT c.relation, c.range_start, c.range_end FROM chunk c JOIN held USING (relation) WHERE c.range_end > held.since AND c.filled
ON CONFLICT DO NOTHING`;
}

/** The seen chunks that no longer exist or have no rows, though they are to be kept; in microseconds. */
export function missingChunks(plan: PolicyPlan, snapshot: CatalogSnapshot): CheckQuery {
  const relations = present(plan, snapshot).map(({ relation }) => relation.name);
  if (relations.length === 0) return { text: 'SELECT WHERE false' };
  return {
    text: `WITH chunk AS MATERIALIZED (${CHUNKS})
SELECT s.relation, ${micros('s.range_start')} AS lo, ${micros('s.range_end')} AS hi FROM storage_chunks s
JOIN ${held(plan, relations)} ON held.relation = s.relation AND s.range_end > held.since
WHERE NOT EXISTS (SELECT FROM chunk c WHERE c.relation = s.relation AND c.range_start < s.range_end AND c.range_end > s.range_start AND (c.filled OR c.deleted))
ORDER BY 1, 2`,
  };
}

const micros = (time: string): string => `_timescaledb_functions.to_unix_microseconds(${time})::float8`;
