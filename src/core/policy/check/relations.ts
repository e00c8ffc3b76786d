import type { CatalogRow, CheckQuery } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import { EXPECTED_SCHEMA } from '../schema/expected-schema.ts';
import type { Finding } from '../finding.ts';
import { OUR_TABLES } from '../schema/our-tables.ts';
import type { PolicyPlan } from '../plan.ts';
import { identifier, interval, literal, qualified } from '../repair/policy-sql.ts';
import { listOf, textOf } from '../row.ts';
import type { CatalogSnapshot } from '../snapshot.ts';

const CHECK = 'relations';

type Kind = 'hypertable' | 'aggregate' | 'table';

const A: Readonly<Record<Kind, string>> = {
  hypertable: 'a hypertable',
  aggregate: 'a continuous aggregate',
  table: 'a table',
};

const MISSING = `
SELECT wanted.name FROM unnest($2::text[]) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = wanted.name AND c.relkind IN ('r', 'p'))`;

// Under another name here, or under its own in a schema in which no other fieldwatch has its tables.
const ELSEWHERE = `
SELECT n.nspname::text AS schema, c.relname::text AS name,
  CASE WHEN a.user_view_name IS NOT NULL THEN 'aggregate' WHEN h.id IS NOT NULL THEN 'hypertable' ELSE 'table' END AS kind,
  (SELECT jsonb_agg(t.attname || ' ' || format_type(t.atttypid, t.atttypmod) || CASE WHEN t.attnotnull THEN ' NOT NULL' ELSE '' END)
    FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped) AS columns
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN _timescaledb_catalog.hypertable h ON h.schema_name = n.nspname AND h.table_name = c.relname
LEFT JOIN _timescaledb_catalog.continuous_agg a ON a.user_view_schema = n.nspname AND a.user_view_name = c.relname
WHERE c.relkind IN ('r', 'p', 'v') AND n.nspname !~ '^(pg_|_?timescaledb_|information_schema)'
  AND CASE WHEN n.nspname = $1 THEN c.relname <> ALL ($2::text[])
    ELSE c.relname = ANY ($3::text[]) AND NOT EXISTS (SELECT FROM pg_class m
      WHERE m.relnamespace = n.oid AND m.relname = 'schema_migrations' AND 'schema_migrations' <> ALL ($3::text[])) END
ORDER BY 1, 2`;

/** The tables and views exist with the right kind. No other check reports one that does not. */
export const relationsCheck: PolicyCheck = {
  name: CHECK,
  explains: 'lacking',
  about: 'every table and aggregate exists and is what it should be',
  queries: (plan, { server }) => {
    const plain = OUR_TABLES.filter((name) => kindOf(plan, name) === 'table');
    return [{ text: MISSING, values: [server.schema, plain] }];
  },
  followUpQueries: (plan, snapshot, [tables = []]): readonly CheckQuery[] => {
    const absent = missing(plan, snapshot, tables).map(({ name }) => name);
    return absent.length === 0
      ? []
      : [{ text: ELSEWHERE, values: [snapshot.server.schema, OUR_TABLES, absent] }];
  },
  evaluate: (plan, snapshot, [tables = [], elsewhere = []]) => {
    const lost = missing(plan, snapshot, tables);
    if (lost.length === OUR_TABLES.length && snapshot.relations.size === 0) return [nothing(snapshot)];
    return lost.map((each) => absent(each, plan, snapshot, elsewhere));
  },
};

interface Wanted {
  readonly name: string;
  readonly kind: Kind;
}

function missing(
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  tables: readonly CatalogRow[],
): readonly Wanted[] {
  const planned = plan.relations.filter(
    ({ relation }) => snapshot.relations.get(relation.name)?.kind !== relation.kind,
  );
  return [
    ...planned.map(({ relation: { name, kind } }) => ({ name, kind })),
    ...tables.map((row) => ({ name: textOf(row, 'name'), kind: 'table' as const })),
  ];
}

const kindOf = (plan: PolicyPlan, name: string): Kind =>
  plan.relations.find(({ relation }) => relation.name === name)?.relation.kind ?? 'table';

const nothing = ({ server }: CatalogSnapshot): Finding => ({
  ...{ check: CHECK, subject: 'schema', verdict: 'missing', severity: 'critical' },
  expected: 'the tables of fieldwatch',
  actual: `none of them in schema ${server.schema}`,
  remedy: '`fieldwatch migrate`; where they are in another schema, name it: database.schema',
});

function absent(
  { name, kind }: Wanted,
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  elsewhere: readonly CatalogRow[],
): Finding {
  const { server } = snapshot;
  const places = elsewhere.filter((row) => textOf(row, 'kind') === kind && isLike(row, name, server.schema));
  const alter = `ALTER ${kind === 'aggregate' ? 'MATERIALIZED VIEW' : 'TABLE'}`;
  const [place, another] = places;
  const inTheWay = snapshot.relations.get(name);
  if (place === undefined && inTheWay !== undefined) return replaced({ name, kind }, plan, snapshot);
  const [here, aside] = [qualified(server.schema, name), `${name}_aside`];
  const moved = places.map(
    (row) => `${identifier(textOf(row, 'schema'))}.${identifier(textOf(row, 'name'))}`,
  );
  const nowhere =
    'run `fieldwatch migrate`; if it says that the schema is current, it was dropped: restore it from a backup';
  const back = (row: CatalogRow, from: string): string =>
    textOf(row, 'schema') === server.schema
      ? `${alter} ${from} RENAME TO ${name}`
      : `${alter} ${from} SET SCHEMA ${identifier(server.schema)}`;
  return {
    ...{ check: CHECK, subject: name, severity: 'critical', expected: A[kind] },
    verdict: inTheWay === undefined ? 'missing' : 'mismatched',
    actual:
      place === undefined
        ? `nothing in schema ${server.schema}`
        : `it seems to be ${moved.join(' or ')} now${inTheWay === undefined ? '' : ', and another relation has its name'}`,
    remedy:
      place === undefined
        ? nowhere
        : `${inTheWay === undefined ? '' : `ALTER TABLE ${here} RENAME TO ${aside}; `}${back(place, moved[0] ?? '')}${another === undefined ? '' : ', or that of the other'}`,
  };
}

/** Whether a relation has the expected kind and all of its columns. */
function isLike(row: CatalogRow, name: string, schema: string): boolean {
  const columns = listOf<string>(row, 'columns');
  const expected = EXPECTED_SCHEMA.relations[name];
  if (expected === undefined) return false;
  const wanted = Object.entries(expected.columns).map(
    ([column, { type, notNull }]) =>
      `${column} ${type}${notNull === true && expected.view === undefined ? ' NOT NULL' : ''}`,
  );
  return (
    (textOf(row, 'schema') === schema) === (textOf(row, 'name') !== name) &&
    wanted.every((column) => columns.includes(column))
  );
}

function replaced({ name, kind }: Wanted, plan: PolicyPlan, { server, relations }: CatalogSnapshot): Finding {
  const planned = plan.relations.find(({ relation }) => relation.name === name);
  const isTable = relations.get(name)?.isTable === true;
  const time = planned?.relation.timeColumn;
  return {
    ...{ check: CHECK, subject: name, verdict: 'mismatched', severity: 'critical', expected: A[kind] },
    actual: isTable ? 'a plain table' : 'a view or another relation',
    remedy:
      kind === 'hypertable' && isTable && planned?.chunkInterval !== undefined && time !== undefined
        ? `SELECT create_hypertable(${literal(qualified(server.schema, name))}, by_range(${literal(time)}, ${interval(planned.chunkInterval)}), create_default_indexes => false, migrate_data => true); -- its rows stay; then \`fieldwatch policies repair\` for its policies`
        : `rename it away, then restore ${name} from sql/`,
  };
}
