import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import { TABLES, VIEWS, normalExpression, parseView } from '../definition.ts';
import { present } from '../facts.ts';
import type { Finding } from '../finding.ts';
import { flagOf, objectOf, optionalText, textOf } from '../row.ts';

const CHECK = 'definitions';

const TABLES_QUERY = `
SELECT c.relname::text AS relation,
  (SELECT jsonb_object_agg(a.attname, format_type(a.atttypid, a.atttypmod)) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
  (SELECT string_agg(a.attname, ',' ORDER BY a.attname) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef
      AND a.attidentity = '') AS required,
  (SELECT jsonb_object_agg(i.indexrelid::text, (SELECT string_agg(a.attname, ',' ORDER BY a.attname)
      FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)))
    FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
      AND i.indexprs IS NULL) AS keys
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
WHERE c.relname = ANY ($1::text[]) AND c.relkind = 'r'`;

const VIEWS_QUERY = `
SELECT view_name::text AS relation, view_definition::text AS definition, materialized_only
FROM timescaledb_information.continuous_aggregates
WHERE view_schema = current_schema() AND view_name = ANY ($1::text[])`;

/** Tables and views are those of sql/. CREATE ... IF NOT EXISTS keeps an old definition with a mere notice. */
export const definitionsCheck: PolicyCheck = {
  name: CHECK,
  about: 'columns, keys and aggregate definitions are those of sql/',
  queries: (plan, facts) => {
    const names = present(plan, facts).map(({ relation }) => relation.name);
    return [
      { text: TABLES_QUERY, values: [names] },
      { text: VIEWS_QUERY, values: [names] },
    ];
  },
  judge: (_plan, _facts, [tables = [], views = []]) => [
    ...tables.flatMap(judgeTable),
    ...views.flatMap(judgeView),
  ],
};

interface Difference {
  readonly expected: string;
  readonly actual: string;
}

function judgeTable(row: CatalogRow): readonly Finding[] {
  const name = textOf(row, 'relation');
  const wanted = TABLES[name];
  if (wanted === undefined) return [];
  const columns = objectOf(row, 'columns');
  const differences: Difference[] = [];
  for (const [column, type] of Object.entries(wanted.columns)) {
    if (columns[column] === type) continue;
    differences.push({
      expected: `${column} ${type}`,
      actual: `${column} ${text(columns[column])}`,
    });
  }
  for (const column of (optionalText(row, 'required') ?? '').split(',')) {
    if (column === '' || column in wanted.columns) continue;
    differences.push({
      expected: `no required column ${column}`,
      actual: `${column} is NOT NULL without a default`,
    });
  }
  const key = wanted.key === undefined ? undefined : [...wanted.key].sort().join(',');
  if (key !== undefined && !Object.values(objectOf(row, 'keys')).includes(key)) {
    differences.push({
      expected: `a unique index on (${wanted.key?.join(', ')})`,
      actual: 'no such index: rows may be stored twice',
    });
  }
  return finding(
    name,
    differences,
    'restore what is missing from sql/; `fieldwatch migrate --status` shows what was applied',
  );
}

function judgeView(row: CatalogRow): readonly Finding[] {
  const name = textOf(row, 'relation');
  const wanted = VIEWS[name];
  if (wanted === undefined) return [];
  const differences: Difference[] = [];
  const actual = parseView(textOf(row, 'definition'));
  if (actual?.source !== wanted.source) {
    differences.push({
      expected: `made of ${wanted.source}`,
      actual: `made of ${actual?.source ?? 'something else'}`,
    });
  }
  for (const [column, expression] of Object.entries(wanted.columns)) {
    const found = actual?.columns[column];
    if (found === normalExpression(expression)) continue;
    differences.push({
      expected: `${column} = ${expression}`,
      actual: `${column} ${found === undefined ? 'is not there' : `= ${found}`}`,
    });
  }
  if (!flagOf(row, 'materialized_only')) {
    differences.push({
      expected: 'materialized_only = true',
      actual: 'materialized_only = false: each query also reads raw rows',
    });
  }
  // Dropping it would lose the history whose source rows are gone.
  return finding(
    name,
    differences,
    'create the right one beside it from sql/, fill it, and swap the names; do not drop this one (docs/policies.md)',
  );
}

const text = (value: unknown): string => (typeof value === 'string' ? value : 'is not there');

/** One finding per relation: a replaced view differs in everything at once. */
function finding(subject: string, differences: readonly Difference[], remedy: string): readonly Finding[] {
  if (differences.length === 0) return [];
  const show = (side: keyof Difference) => {
    const texts = differences.slice(0, 5).map((difference) => difference[side]);
    return texts.join('; ') + (differences.length > 5 ? `; and ${differences.length - 5} more` : '');
  };
  return [
    {
      check: CHECK,
      subject,
      verdict: 'mismatched',
      severity: 'critical',
      expected: show('expected'),
      actual: show('actual'),
      remedy,
    },
  ];
}
