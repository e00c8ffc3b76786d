import { type ViewDefinition, parseView } from './expected-view.ts';
import { identifier } from '../repair/policy-sql.ts';
import { type SchemaDrift, renamedColumns } from './schema-drift.ts';
import type { DatabaseSchema, FoundRelation, FoundView } from './schema.ts';

const REPLACE =
  'create the right one under another name from sql/, fill it, and swap the names; do not drop this one (docs/policies.md)';

/** Compares the query of an aggregate with that of sql/: as created, as refreshed by, as read. */
export function viewDrift(
  view: FoundView,
  { relations }: DatabaseSchema,
  found: readonly FoundRelation[],
  schema: string,
): readonly SchemaDrift[] {
  const expected = relations[view.name]?.view;
  const rows = found.find(({ name }) => name === view.name);
  if (expected === undefined || rows === undefined) return [];
  const source = expected.clauses['FROM'] ?? '';
  const sourceSchema = relations[source];
  const sourceTable = found.find(({ name }) => name === source);
  const names = {
    schema,
    extension: view.extension,
    renamed:
      sourceSchema === undefined || sourceTable === undefined
        ? undefined
        : renamedColumns(sourceSchema, sourceTable),
  };
  // A renamed or moved source is a finding of its own.
  const ignored = sourceTable === undefined ? ['FROM'] : [];
  const compare = (text: string) => queryDifferences(expected, parseView(text, names), ignored);
  const given = compare(view.direct.text);
  return [
    ...given.map((difference) => renamedOutput(difference, view.name)),
    ...(given.length > 0 ? [] : refreshedBy(view, compare(view.partial.text))),
    ...(given.length > 0 ? [] : readAs(view, rows)),
  ];
}

interface QueryDifference {
  readonly expected: string;
  readonly actual: string;
  /** The output column that now has the right expression. */
  readonly renamed?: { readonly now: string; readonly name: string };
}

function queryDifferences(
  expected: ViewDefinition,
  actual: ViewDefinition,
  ignored: readonly string[],
): readonly QueryDifference[] {
  const differences: QueryDifference[] = [];
  const keywords = new Set([...Object.keys(expected.clauses), ...Object.keys(actual.clauses)]);
  for (const keyword of keywords) {
    const [wanted, has] = [expected.clauses[keyword], actual.clauses[keyword]];
    if (wanted === has || ignored.includes(keyword)) continue;
    const show = (text: string | undefined) => (text === undefined ? `no ${keyword}` : `${keyword} ${text}`);
    differences.push({ expected: show(wanted), actual: show(has) });
  }
  for (const [name, expression] of Object.entries(expected.columns)) {
    const has = actual.columns[name];
    if (has === expression) continue;
    const now = Object.keys(actual.columns).find(
      (other) => actual.columns[other] === expression && expected.columns[other] === undefined,
    );
    differences.push({
      expected: `${name} = ${expression}`,
      actual:
        has !== undefined ? `${name} = ${has}` : now === undefined ? `no ${name}` : `it is named ${now}`,
      ...(has === undefined && now !== undefined ? { renamed: { now, name } } : {}),
    });
  }
  return differences;
}

const renamedOutput = ({ expected, actual, renamed }: QueryDifference, view: string): SchemaDrift => ({
  ...{ expected, actual },
  remedy:
    renamed === undefined
      ? REPLACE
      : `ALTER MATERIALIZED VIEW ${view} RENAME COLUMN ${identifier(renamed.now)} TO ${identifier(renamed.name)}`,
});

/** TimescaleDB stores the query a second time, for refreshes. */
function refreshedBy(view: FoundView, differences: readonly QueryDifference[]): readonly SchemaDrift[] {
  const { partial, direct } = view;
  return differences.map(({ expected, actual }) => ({
    expected: `refreshed by ${expected}`,
    actual,
    remedy:
      `DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW ${partial.view} AS ' || pg_get_viewdef('${direct.view}'::regclass); END $$; ` +
      `then \`fieldwatch storage refresh ${view.name} --force\` from when it was changed`,
  }));
}

/** A reader gets the rows of the aggregate's own table, all of them. */
function readAs(view: FoundView, rows: FoundRelation): readonly SchemaDrift[] {
  if (view.realtime)
    return [
      {
        expected: 'materialized_only = true',
        actual: 'materialized_only = false: each query also reads raw rows',
        remedy: `ALTER MATERIALIZED VIEW ${view.name} SET (timescaledb.materialized_only = true)`,
      },
    ];
  const columns = rows.columns.map(({ name }) => name);
  const plain = columns.map((name) => identifier(name)).join(', ');
  const { clauses, columns: read } = parseView(view.user.text, { schema: '', extension: '' });
  const { FROM: from, ...others } = clauses;
  const asIs = columns.every((name) => read[name]?.replace(/^"(.*)"$/, '$1') === name);
  if (from === rows.table && asIs && Object.keys(others).length === 0) return [];
  return [
    {
      expected: `read as it is from ${rows.table}`,
      actual: Object.entries(clauses)
        .map(([keyword, text]) => `${keyword} ${text}`)
        .join(' '),
      remedy: `CREATE OR REPLACE VIEW ${view.name} AS SELECT ${plain} FROM ${rows.table}`,
    },
  ];
}
