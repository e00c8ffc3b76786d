import type { PolicyCheck } from '../check.ts';
import { present } from '../facts.ts';
import type { Finding } from '../finding.ts';
import type { ColumnstorePlan, RelationPlan } from '../plan.ts';
import type { RepairStep } from '../repair.ts';
import { optionalText, textOf } from '../row.ts';
import { columnstoreSettings, qualified } from '../statement.ts';

const CHECK = 'columnstore';

// From the catalog: the view of the settings reads the names of all hypertables of the database, and fails as a whole on
// one in a schema that this role may not use.
const QUERY = `
SELECT c.relname::text AS relation, array_to_string(s.segmentby, ', ') AS segmentby,
  (SELECT string_agg(s.orderby[i] || CASE WHEN s.orderby_desc[i] THEN ' DESC' ELSE '' END, ', ' ORDER BY i)
    FROM generate_subscripts(s.orderby, 1) i) AS orderby
FROM _timescaledb_catalog.compression_settings s
JOIN pg_class c ON c.oid = s.relid JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
WHERE c.relname = ANY ($1::text[])`;

/** How compressed chunks are laid out is as declared: the wrong segments make them bigger than what they replace. */
export const columnstoreCheck: PolicyCheck = {
  name: CHECK,
  about: 'compressed chunks are segmented and ordered as declared',
  queries: (plan, facts) => [
    { text: QUERY, values: [present(plan, facts).map(({ relation }) => relation.name)] },
  ],
  judge: (plan, facts, [rows = []]) =>
    present(plan, facts).flatMap((relation) => {
      const row = rows.find((candidate) => textOf(candidate, 'relation') === relation.relation.name);
      if (relation.columnstore === undefined) return [];
      const actual =
        row === undefined
          ? undefined
          : {
              segmentBy: listOf(optionalText(row, 'segmentby')),
              orderBy: optionalText(row, 'orderby') ?? '',
            };
      return judge(relation, relation.columnstore, actual, facts.server.schema);
    }),
  repair: {
    steps: ({ plan, facts, findings }) =>
      plan.relations.flatMap(({ relation, columnstore }): readonly RepairStep[] =>
        columnstore !== undefined && findings.some(({ subject }) => subject === relation.name)
          ? [
              {
                check: CHECK,
                subject: relation.name,
                effect: 'settings',
                about: `chunks of ${relation.name} that are compressed from now on are laid out as declared`,
                sql: columnstoreSettings(qualified(facts.server.schema, relation.name), columnstore),
              },
            ]
          : [],
      ),
  },
};

function judge(
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

/** Quotes, case of keywords and a spelled-out default do not count. */
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
