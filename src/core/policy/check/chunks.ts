import { counted } from '../../counted.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck, RepairStep } from '../check.ts';
import type { Finding } from '../finding.ts';
import { formatInterval, parseInterval, sameInterval } from '../interval.ts';
import type { RelationPlan } from '../plan.ts';
import { interval, literal, qualified } from '../repair/policy-sql.ts';

import { numberOf, optionalNumber, optionalText, textOf } from '../row.ts';
import { existingRelations } from '../snapshot.ts';

const CHECK = 'chunks';
/**
 * Every chunk that a statement cannot exclude is opened, planned and locked: beyond some 1,500 an unbounded query
 * takes longer to plan than to run, and drops run out of locks.
 */
const MOST_CHUNKS = 1500;

const QUERY = `
WITH held AS MATERIALIZED (SELECT hypertable_schema, hypertable_name, count(*)::int AS chunks
  FROM timescaledb_information.chunks GROUP BY hypertable_schema, hypertable_name)
SELECT coalesce(a.view_name, d.hypertable_name)::text AS name, coalesce(held.chunks, 0) AS chunks,
  d.time_interval::text AS chunk_interval
FROM timescaledb_information.dimensions d
LEFT JOIN timescaledb_information.continuous_aggregates a
  ON a.materialization_hypertable_schema = d.hypertable_schema AND a.materialization_hypertable_name = d.hypertable_name
LEFT JOIN held ON held.hypertable_schema = d.hypertable_schema AND held.hypertable_name = d.hypertable_name
WHERE d.dimension_number = 1 AND coalesce(a.view_name, d.hypertable_name) = ANY ($1::text[])
  AND coalesce(a.view_schema, d.hypertable_schema) = current_schema()`;

// The only dimension that sql/ creates is time. A dimension cannot be removed, but one with a single partition
// divides nothing.
const DIVIDED = `
SELECT d.hypertable_name::text AS name, d.column_name::text AS column, d.num_partitions AS partitions
FROM timescaledb_information.dimensions d
WHERE d.dimension_number > 1 AND d.num_partitions IS DISTINCT FROM 1
  AND d.hypertable_schema = current_schema() AND d.hypertable_name = ANY ($1::text[]) ORDER BY 1, 2`;

/** Chunks are as wide as declared, partitioned by time only, and not too many. */
export const chunksCheck: PolicyCheck = {
  name: CHECK,
  about: 'chunks span the declared interval and nothing else divides them; their number is bounded',
  queries: (plan, snapshot) => [
    ...[QUERY, DIVIDED].map((text) => ({
      text,
      values: [existingRelations(plan, snapshot).map(({ relation }) => relation.name)],
    })),
  ],
  evaluate: (plan, snapshot, [rows = [], divided = []]) => [
    ...existingRelations(plan, snapshot).flatMap((relation) => {
      const row = rows.find((candidate) => textOf(candidate, 'name') === relation.relation.name);
      return row === undefined
        ? []
        : [...width(relation, row, snapshot.server.schema), ...count(relation, row)];
    }),
    ...divided.map((row) => division(row, snapshot.server.schema)),
  ],
  repair: {
    // The number of chunks follows from the declaration: there is nothing to run.
    steps: ({
      plan,
      snapshot: {
        server: { schema },
      },
      findings,
    }) =>
      plan.relations.flatMap(({ relation, chunkInterval }): readonly RepairStep[] =>
        chunkInterval !== undefined &&
        findings.some(({ subject, verdict }) => subject === relation.name && verdict === 'mismatched')
          ? [
              {
                check: CHECK,
                subject: relation.name,
                effect: 'settings',
                about: `new chunks of ${relation.name} span ${chunkInterval}`,
                sql: `SELECT set_chunk_time_interval(${literal(qualified(schema, relation.name))}, ${interval(chunkInterval)})`,
              },
            ]
          : [],
      ),
  },
};

function division(row: CatalogRow, schema: string): Finding {
  const [relation, column] = [textOf(row, 'name'), textOf(row, 'column')];
  const partitions = optionalNumber(row, 'partitions');
  const table = literal(qualified(schema, relation));
  return {
    ...{ check: CHECK, subject: `${relation} dimension ${column}`, verdict: 'extra', severity: 'warning' },
    expected: `chunks of ${relation} are divided by time alone`,
    actual:
      partitions === undefined
        ? `another dimension, ranges of ${column}: each span of time has several chunks`
        : `another dimension, ${column} in ${counted(partitions, 'partition')}: each span of time has as many chunks`,
    remedy:
      partitions === undefined
        ? `no dimension can be removed: move the rows to a new table (docs/operations.md, restoring)`
        : `SELECT set_number_partitions(${table}, 1, ${literal(column)}); -- it takes effect for chunks to come`,
  };
}

function width(
  { relation, chunkInterval }: RelationPlan,
  row: CatalogRow,
  schema: string,
): readonly Finding[] {
  const actual = parseInterval(optionalText(row, 'chunk_interval') ?? '');
  if (chunkInterval === undefined || actual === undefined || sameInterval(actual, chunkInterval)) return [];
  return [
    {
      check: CHECK,
      subject: relation.name,
      verdict: 'mismatched',
      severity: 'warning',
      expected: `new chunks of ${chunkInterval}`,
      actual: `new chunks of ${formatInterval(actual)}`,
      remedy: `SELECT set_chunk_time_interval(${literal(qualified(schema, relation.name))}, ${interval(chunkInterval)}); -- it takes effect for chunks to come`,
    },
  ];
}

function count({ relation }: RelationPlan, row: CatalogRow): readonly Finding[] {
  const chunks = numberOf(row, 'chunks');
  if (chunks <= MOST_CHUNKS) return [];
  return [
    {
      check: CHECK,
      subject: relation.name,
      verdict: 'unsafe',
      severity: 'warning',
      expected: `at most ${MOST_CHUNKS} chunks`,
      actual: `${chunks} chunks`,
      remedy: `a longer chunk_interval or a shorter retention for ${relation.name}; until then raise max_locks_per_transaction`,
    },
  ];
}
