// Writes the tables of src/orm from a migrated database: node scripts/orm-schema.js postgres://…
// test/integration/library/orm.test.ts compares them with the schema that the migrations make.
import { writeFileSync } from 'node:fs';
import pg from 'pg';
import * as prettier from 'prettier';

const COLUMNS = `
SELECT c.relname AS relation, c.relkind = 'v' AS view, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type,
  a.attnotnull AS required, a.atthasdef OR a.attidentity <> '' AS filled
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
  AND (c.relkind = 'r' OR c.relname LIKE 'sensor_%_agg')
ORDER BY c.relname, a.attnum`;

const SELECTED = {
  bigint: ['Int8', "bigint({ mode: 'number' })"],
  integer: ['number', 'integer()'],
  smallint: ['number', 'smallint()'],
  'double precision': ['number', 'doublePrecision()'],
  text: ['string', 'text()'],
  uuid: ['string', 'uuid()'],
  boolean: ['boolean', 'boolean()'],
  'timestamp with time zone': ['Timestamp', 'timestamp({ withTimezone: true })'],
  bytea: ['Uint8Array', 'bytea()'],
  json: ['unknown', 'json()'],
  jsonb: ['unknown', 'jsonb()'],
  interval: ['string', 'interval()'],
  'text[]': ['readonly string[]', 'text().array()'],
  'integer[]': ['readonly number[]', 'integer().array()'],
  'double precision[]': ['readonly number[]', 'doublePrecision().array()'],
};

const client = new pg.Client({ connectionString: process.argv[2] });
await client.connect();
const { rows } = await client.query(COLUMNS);
await client.end();
const relations = Map.groupBy?.(rows, ({ relation }) => relation) ?? grouped(rows);

function grouped(all) {
  const groups = new Map();
  for (const row of all) groups.set(row.relation, [...(groups.get(row.relation) ?? []), row]);
  return groups;
}

const typeOf = ({ type }, which) => {
  const found = SELECTED[type];
  if (found === undefined) throw new Error(`no type for ${type}`);
  return found[which];
};
const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
const pascal = (name) => camel(`_${name}`);
const HEAD = '// Written by scripts/orm-schema.js.\n';

function kyselyColumn(row) {
  const type = `${typeOf(row, 0)}${row.required || row.view || typeOf(row, 0) === 'unknown' ? '' : ' | null'}`;
  const nullable = row.view ? `${type} | null` : type;
  return `  ${row.column}: ${row.filled && row.required ? `Filled<${nullable}>` : nullable};`;
}

const kysely = `${HEAD}import type { ColumnType } from 'kysely';

/** The database fills it in: an INSERT may leave it out. */
export type Filled<T> =
  T extends ColumnType<infer S, infer I, infer U> ? ColumnType<S, I | undefined, U> : ColumnType<T, T | undefined, T>;

/** Selected as text, as pg does. */
export type Int8 = ColumnType<string, string | number | bigint, string | number | bigint>;
export type Timestamp = ColumnType<Date, Date | string, Date | string>;

${[...relations].map(([name, columns]) => `export interface ${pascal(name)}Table {\n${columns.map(kyselyColumn).join('\n')}\n}`).join('\n\n')}

/** All tables and aggregates: the type parameter of \`Kysely\`. */
export interface Database {
${[...relations.keys()].map((name) => `  ${name}: ${pascal(name)}Table;`).join('\n')}
}

/** The columns of each of them. */
export const COLUMNS: { readonly [Table in keyof Database]: readonly (keyof Database[Table])[] } = {
${[...relations].map(([name, columns]) => `  ${name}: [${columns.map(({ column }) => `'${column}'`).join(', ')}],`).join('\n')}
};
`;

function drizzleColumn(row) {
  const call = typeOf(row, 1);
  return `  ${camel(row.column)}: ${call}${row.required ? '.notNull()' : ''}${row.filled ? '.default(filled)' : ''},`;
}
const named = (text) => text.replace(/^ {2}(\w+): (\w+)\((\{[^}]*\})?\)/gm, (whole) => whole);
const builders = [
  'bigint',
  'boolean',
  'customType',
  'doublePrecision',
  'integer',
  'interval',
  'json',
  'jsonb',
  'pgTable',
  'pgView',
  'smallint',
  'text',
  'timestamp',
  'uuid',
];

const withName = (row) =>
  drizzleColumn(row).replace(/: (\w+)\(/, (_, builder) =>
    `: ${builder}('${row.column}'`.concat(/\(\)/.test(typeOf(row, 1)) ? '' : ', '),
  );

const drizzle = `${HEAD}import { sql } from 'drizzle-orm';
import { ${builders.join(', ')} } from 'drizzle-orm/pg-core';

const bytea = customType<{ data: Uint8Array }>({ dataType: () => 'bytea' });
/** The database fills it in: an INSERT may leave it out. */
const filled = sql\`DEFAULT\`;

${[...relations]
  .map(([name, columns]) => {
    const body = named(columns.map(withName).join('\n'));
    const isView = columns[0].view;
    return `export const ${camel(name)} = ${isView ? 'pgView' : 'pgTable'}('${name}', {\n${body}\n})${isView ? '.existing()' : ''};`;
  })
  .join('\n\n')}
`;

const options = { ...(await prettier.resolveConfig('src/index.ts')), parser: 'typescript' };
writeFileSync('src/orm/kysely-tables.ts', await prettier.format(kysely, options));
writeFileSync('src/orm/drizzle-tables.ts', await prettier.format(drizzle, options));
