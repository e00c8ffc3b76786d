import { counted } from '../../counted.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck, RepairStep } from '../check.ts';
import type { Finding } from '../finding.ts';
import type { ColumnstorePlan, RelationPlan } from '../plan.ts';
import { columnstoreSettings, literal, qualified } from '../repair/policy-sql.ts';

import { numberOf, optionalText, textOf } from '../row.ts';
import { existingRelations } from '../snapshot.ts';

const CHECK = 'columnstore';

// Reads the catalog instead of the settings view, which reads the names of all hypertables of the database, and fails
// as a whole on one in a schema that this role may not use.
const QUERY = `
SELECT c.relname::text AS relation, array_to_string(s.segmentby, ', ') AS segmentby,
  (SELECT string_agg(s.orderby[i] || CASE WHEN s.orderby_desc[i] THEN ' DESC' ELSE '' END, ', ' ORDER BY i)
    FROM generate_subscripts(s.orderby, 1) i) AS orderby
FROM _timescaledb_catalog.compression_settings s
JOIN pg_class c ON c.oid = s.relid JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
WHERE c.relname = ANY ($1::text[])`;

/** Compression joins chunks up to such an interval: retention then drops them later than declared. */
const JOINED = `
SELECT h.table_name::text AS relation, _timescaledb_functions.to_interval(d.compress_interval_length)::text AS width
FROM _timescaledb_catalog.dimension d JOIN _timescaledb_catalog.hypertable h ON h.id = d.hypertable_id
WHERE h.schema_name = current_schema() AND h.table_name = ANY ($1::text[]) AND d.compress_interval_length IS NOT NULL ORDER BY 1`;

// Chunks compressed before a change of the declaration have the earlier layout.
const OTHERWISE = `
SELECT c.relname::text AS relation, count(*)::int AS chunks, min(s.relid::regclass::text) AS chunk
FROM _timescaledb_catalog.compression_settings s JOIN pg_inherits i ON i.inhrelid = s.relid
JOIN pg_class c ON c.oid = i.inhparent JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
JOIN _timescaledb_catalog.compression_settings t ON t.relid = c.oid
WHERE c.relname = ANY ($1::text[]) AND s.compress_relid IS NOT NULL
  AND (s.segmentby, s.orderby, s.orderby_desc) IS DISTINCT FROM (t.segmentby, t.orderby, t.orderby_desc)
GROUP BY c.relname ORDER BY 1`;

/** Compressed chunks have the declared layout: the wrong segments make them bigger than the rows they replace. */
export const columnstoreCheck: PolicyCheck = {
  name: CHECK,
  about: 'compressed chunks are segmented and ordered as declared',
  queries: (plan, snapshot) =>
    [QUERY, JOINED, OTHERWISE].map((text) => ({
      text,
      values: [existingRelations(plan, snapshot).map(({ relation }) => relation.name)],
    })),
  evaluate: (plan, snapshot, [rows = [], joined = [], otherwise = []]) => [
    ...joined.map((row) => checkJoined(row, snapshot.server.schema)),
    ...otherwise.map(checkOtherwise),
    ...existingRelations(plan, snapshot).flatMap((relation) => {
      const row = rows.find((candidate) => textOf(candidate, 'relation') === relation.relation.name);
      if (relation.columnstore === undefined) return [];
      const actual =
        row === undefined
          ? undefined
          : {
              segmentBy: listOf(optionalText(row, 'segmentby')),
              orderBy: optionalText(row, 'orderby') ?? '',
            };
      return evaluate(relation, relation.columnstore, actual, snapshot.server.schema);
    }),
  ],
  repair: {
    steps: ({ plan, snapshot, findings, answers: [, joined = []] }) => [
      ...joined.map((row): RepairStep => {
        const relation = textOf(row, 'relation');
        return {
          ...{ check: CHECK, subject: intervalSubject(relation), effect: 'settings' },
          about: `chunks of ${relation} that are compressed from now on stay as long as they are`,
          sql: unjoined(relation, snapshot.server.schema),
        };
      }),
      ...plan.relations.flatMap(({ relation, columnstore }): readonly RepairStep[] =>
        columnstore !== undefined && findings.some(({ subject }) => subject === relation.name)
          ? [
              {
                check: CHECK,
                subject: relation.name,
                effect: 'settings',
                about: `chunks of ${relation.name} that are compressed from now on are laid out as declared`,
                sql: columnstoreSettings(qualified(snapshot.server.schema, relation.name), columnstore),
              },
            ]
          : [],
      ),
    ],
  },
};

const intervalSubject = (relation: string): string => `${relation} compressed chunks`;

const unjoined = (relation: string, schema: string): string =>
  `ALTER TABLE ${qualified(schema, relation)} SET (timescaledb.compress_chunk_time_interval = '0 days')`;

function checkJoined(row: CatalogRow, schema: string): Finding {
  const [relation, width] = [textOf(row, 'relation'), textOf(row, 'width')];
  return {
    ...{ check: CHECK, subject: intervalSubject(relation), verdict: 'mismatched', severity: 'warning' },
    expected: 'compressed chunks are as long as they were',
    actual: `compression joins them up to ${width}: retention drops them that much later`,
    remedy: `${unjoined(relation, schema)}; -- it takes effect for chunks to come`,
  };
}

function checkOtherwise(row: CatalogRow): Finding {
  const [relation, chunk, chunks] = [textOf(row, 'relation'), textOf(row, 'chunk'), numberOf(row, 'chunks')];
  return {
    ...{ check: CHECK, subject: `${relation} chunks`, verdict: 'mismatched', severity: 'info' },
    expected: 'compressed chunks are laid out as the table is',
    actual: `${counted(chunks, 'chunk')} of ${relation} ${chunks === 1 ? 'is' : 'are'} laid out in another way, such as ${chunk}`,
    remedy: `for each: SELECT decompress_chunk(${literal(chunk)}); SELECT compress_chunk(${literal(chunk)}); -- chunks that were compressed before a change stay as they are`,
  };
}

function evaluate(
  { relation }: RelationPlan,
  declared: ColumnstorePlan,
  actual: ColumnstorePlan | undefined,
  schema: string,
): readonly Finding[] {
  if (actual !== undefined && normal(actual) === normal(declared)) return [];
  return [
    {
      check: CHECK,
      subject: relation.name,
      verdict: actual === undefined ? 'missing' : 'mismatched',
      severity: 'warning',
      expected: show(declared),
      actual: actual === undefined ? 'columnstore is not enabled' : show(actual),
      remedy: `${columnstoreSettings(qualified(schema, relation.name), declared)}; -- it takes effect for chunks to come`,
    },
  ];
}

const show = ({ segmentBy, orderBy }: ColumnstorePlan): string =>
  `segmentby = ${segmentBy.join(', ') || 'none'}, orderby = ${orderBy || 'none'}`;

const listOf = (text: string | undefined): readonly string[] =>
  (text ?? '')
    .split(',')
    .map((column) => column.trim().replaceAll('"', ''))
    .filter((column) => column !== '');

/** Ignores quotes, case of keywords and spelled-out defaults. */
function normal({ segmentBy, orderBy }: ColumnstorePlan): string {
  const order = listOf(orderBy)
    .map((column) =>
      column
        .toLowerCase()
        .replace(/ nulls (first|last)$/, '')
        .replace(/ asc$/, ''),
    )
    .join(',');
  return `${segmentBy.join(',')} / ${order}`;
}
