import { unquoted, withNames } from './expected-view.ts';
import { identifier, literal } from '../repair/policy-sql.ts';
import type { ColumnSchema, FoundColumn, FoundIndex, FoundRelation, RelationSchema } from './schema.ts';

/** A difference from sql/, and the statement that removes it. */
export interface SchemaDrift {
  readonly expected: string;
  readonly actual: string;
  readonly remedy: string;
  /** Slower or laxer than it should be, but reads and writes are correct. */
  readonly harmless?: true;
}

/** Renamed columns: current name -> name in sql/. By position and type. */
export function renamedColumns(expected: RelationSchema, found: FoundRelation): ReadonlyMap<string, string> {
  const wanted = Object.entries(expected.columns);
  const renamed = new Map<string, string>();
  wanted.forEach(([name, { type }], place) => {
    if (found.columns.some((column) => column.name === name)) return;
    const before = wanted[place - 1]?.[0];
    const candidate = found.columns.find(
      (column, at) =>
        column.type === type &&
        expected.columns[column.name] === undefined &&
        (at === place || (before !== undefined && found.columns[at - 1]?.name === before)),
    );
    if (candidate !== undefined) renamed.set(candidate.name, name);
  });
  return renamed;
}

/** Compares columns, indexes and constraints of a table with the expected ones; `there`: our tables. */
export function tableDrift(
  expected: RelationSchema,
  found: FoundRelation,
  there: readonly string[],
): readonly SchemaDrift[] {
  const renamed = renamedColumns(expected, found);
  const same: FoundRelation = {
    ...found,
    indexes: found.indexes.map((index) => ({ ...index, definition: withNames(index.definition, renamed) })),
    constraints: Object.fromEntries(
      Object.entries(found.constraints).map(([name, text]) => [name, withNames(text, renamed)]),
    ),
  };
  return [
    // The columns of an aggregate are those of its query, which is compared as a whole.
    ...(expected.view === undefined ? columnDifferences(expected, found) : []),
    ...uniqueDifferences(expected, same),
    ...indexDifferences(expected, same),
    ...constraintDifferences(expected, same, there),
  ];
}

function columnDifferences(expected: RelationSchema, found: FoundRelation): readonly SchemaDrift[] {
  const renamed = renamedColumns(expected, found);
  const alter = `ALTER TABLE ${found.table}`;
  const differences: SchemaDrift[] = [...renamed].map(([now, name]) => ({
    expected: `a column ${name}`,
    actual: `it is named ${now}`,
    remedy: `${alter} RENAME COLUMN ${identifier(now)} TO ${identifier(name)}`,
  }));
  const named = new Map(found.columns.map((column) => [renamed.get(column.name) ?? column.name, column]));
  for (const [name, column] of Object.entries(expected.columns)) {
    const actual = named.get(name);
    if (actual !== undefined) differences.push(...changedColumn(name, column, actual, found.table));
    else differences.push(missingColumn(name, column, alter));
  }
  for (const [name, column] of named) {
    if (expected.columns[name] !== undefined || !required(column)) continue;
    differences.push({
      expected: `no required column ${name}`,
      actual: `${name} is NOT NULL without a default: no row can be written`,
      remedy: `${alter} ALTER COLUMN ${identifier(name)} DROP NOT NULL`,
    });
  }
  return differences;
}

const required = (column: ColumnSchema): boolean =>
  column.notNull === true &&
  column.default === undefined &&
  column.identity === undefined &&
  column.generated === undefined;

function missingColumn(name: string, column: ColumnSchema, alter: string): SchemaDrift {
  const add = `${alter} ADD COLUMN ${identifier(name)} ${column.type}`;
  return {
    expected: `${name} ${describe(column)}`,
    actual: `no column ${name}`,
    remedy: required(column)
      ? `${add}; fill it (its values are in a backup only), then ${alter} ALTER COLUMN ${identifier(name)} SET NOT NULL`
      : `${add}${constraintsOf(column)} (its values are in a backup only)`,
  };
}

const constraintsOf = ({ notNull, default: value, identity }: ColumnSchema): string =>
  [
    notNull === true ? ' NOT NULL' : '',
    value === undefined ? '' : ` DEFAULT ${value}`,
    identity === undefined ? '' : ` GENERATED ${identity} AS IDENTITY`,
  ].join('');

const describe = (column: ColumnSchema): string =>
  [
    column.type,
    column.collation === undefined ? '' : ` COLLATE ${column.collation}`,
    constraintsOf(column),
    column.generated === undefined ? '' : ` GENERATED ALWAYS AS (${column.generated}) STORED`,
  ].join('');

function changedColumn(
  name: string,
  wanted: ColumnSchema,
  actual: FoundColumn,
  table: string,
): readonly SchemaDrift[] {
  if (describe(wanted) === describe(actual)) return [];
  const column = `ALTER COLUMN ${identifier(name)}`;
  const actions: string[] = [];
  if (wanted.type !== actual.type || wanted.collation !== actual.collation)
    actions.push(
      `${column} TYPE ${wanted.type}${actual.collation === undefined ? '' : ` COLLATE "default"`}`,
    );
  if (actual.generated !== undefined) actions.push(`${column} DROP EXPRESSION`);
  if (wanted.notNull !== actual.notNull)
    actions.push(`${column} ${wanted.notNull === true ? 'SET' : 'DROP'} NOT NULL`);
  if (wanted.default !== actual.default)
    actions.push(
      `${column} ${wanted.default === undefined ? 'DROP DEFAULT' : `SET DEFAULT ${wanted.default}`}`,
    );
  if (wanted.identity !== actual.identity) actions.push(`${column} ${identityAction(wanted, actual)}`);

  return [
    {
      expected: `${name} ${describe(wanted)}`,
      actual: `${name} ${describe(actual)}`,
      // A new sequence begins at 1, whatever ids exist.
      remedy: [
        ...actions.map((action) => `ALTER TABLE ${table} ${action}`),
        ...(wanted.identity !== undefined && actual.identity === undefined ? [goOn(table, name)] : []),
      ].join('; '),
    },
  ];
}

const goOn = (table: string, column: string): string =>
  `SELECT setval(pg_get_serial_sequence(${literal(table)}, ${literal(column)}), (SELECT max(${identifier(column)}) FROM ${table}))`;

function identityAction({ identity }: ColumnSchema, actual: ColumnSchema): string {
  if (identity === undefined) return 'DROP IDENTITY';
  return actual.identity === undefined
    ? `ADD GENERATED ${identity} AS IDENTITY`
    : `SET GENERATED ${identity}`;
}

function uniqueDifferences(expected: RelationSchema, found: FoundRelation): readonly SchemaDrift[] {
  const wanted = Object.entries(expected.unique);
  const differences: SchemaDrift[] = [];
  const kept = new Set<FoundIndex>();
  for (const [name, definition] of wanted) {
    const same = found.indexes.filter(
      (index) => index.unique && keyOf(index.definition) === keyOf(definition),
    );
    for (const index of same) kept.add(index);
    if (same.some(({ usable }) => usable)) continue;
    const inTheWay = same[0] ?? found.indexes.find((index) => bareName(index.name) === name);
    if (inTheWay !== undefined) kept.add(inTheWay);
    differences.push(missingKey(name, definition, inTheWay, found.table));
  }
  const keys = wanted.map(([, definition]) => keyOf(definition));
  for (const index of found.indexes) {
    if (!index.unique || kept.has(index) || keys.some((key) => follows(key, index.definition))) continue;
    differences.push({
      expected: 'no other unique index',
      actual: `${index.name} on ${index.definition.replace(/^btree /, '')}: rows that belong together are refused`,
      remedy: dropIndex(index, found.table),
    });
  }
  return differences;
}

function missingKey(
  name: string,
  definition: string,
  inTheWay: FoundIndex | undefined,
  table: string,
): SchemaDrift {
  const create = definition.startsWith('PRIMARY KEY')
    ? `ALTER TABLE ${table} ADD CONSTRAINT ${name} ${definition}`
    : `CREATE UNIQUE INDEX ${name} ON ${table} USING ${definition}`;
  const actual =
    inTheWay === undefined
      ? 'no such index: rows may be stored twice'
      : !inTheWay.usable
        ? `${inTheWay.name} is invalid or deferrable: rows may be stored twice`
        : `${inTheWay.name} is ${inTheWay.unique ? '' : 'not unique, '}on ${inTheWay.definition.replace(/^btree /, '')}: rows may be stored twice`;
  return {
    expected: `a unique index on ${definition.replace(/^(btree|PRIMARY KEY) /, '')}`,
    actual,
    remedy: `${inTheWay === undefined ? '' : `${dropIndex(inTheWay, table)}; `}${create}`,
  };
}

const dropIndex = ({ name, constraint }: FoundIndex, table: string): string =>
  constraint === undefined || constraint === null
    ? `DROP INDEX ${name}`
    : `ALTER TABLE ${table} DROP CONSTRAINT ${identifier(constraint)}`;

function indexDifferences(expected: RelationSchema, found: FoundRelation): readonly SchemaDrift[] {
  return expected.indexes.flatMap((definition): readonly SchemaDrift[] => {
    const same = found.indexes.filter((index) => index.definition === definition);
    if (same.some(({ usable }) => usable)) return [];
    const broken = same[0] === undefined ? '' : `DROP INDEX ${same[0].name}; `;
    return [
      {
        expected: `an index ${definition}`,
        actual: same[0] === undefined ? 'no such index: queries are slow' : `${same[0].name} is invalid`,
        remedy: `${broken}CREATE INDEX ON ${found.table} USING ${definition}`,
        harmless: true,
      },
    ];
  });
}

function constraintDifferences(
  expected: RelationSchema,
  found: FoundRelation,
  there: readonly string[],
): readonly SchemaDrift[] {
  // A renamed referenced table is a finding of its own.
  const valid = (definition: string) =>
    definition
      .replace(/ NOT VALID$/, '')
      .replace(/ REFERENCES ([^(]+)\(/, (text, table: string) =>
        there.includes(table) ? text : ' REFERENCES (',
      );
  const [wanted, actual] = [Object.entries(expected.constraints), Object.entries(found.constraints)];
  const has = (list: readonly (readonly [string, string])[], definition: string) =>
    list.some(([, other]) => valid(other) === valid(definition));
  return [
    ...wanted
      .filter(([, definition]) => !has(actual, definition))
      .map(([name, definition]): SchemaDrift => ({
        expected: definition,
        actual: `no such constraint`,
        remedy: `ALTER TABLE ${found.table} ADD CONSTRAINT ${name} ${definition}`,
        harmless: true,
      })),
    ...actual
      .filter(([, definition]) => !has(wanted, definition))
      .map(([name, definition]): SchemaDrift => ({
        expected: 'no constraint that sql/ does not have',
        actual: `${name} ${definition}: rows may be refused`,
        remedy: `ALTER TABLE ${found.table} DROP CONSTRAINT ${identifier(name)}`,
      })),
  ];
}

/** The identity of two rows: the order and direction of the columns do not matter. */
export function keyOf(definition: string): string {
  const { columns, rest } = keyParts(definition);
  return `${[...columns].sort().join(', ')}${rest}`;
}

/** Whether a unique index rejects nothing that a key does not: it has the columns of the key, and more. */
export function follows(key: string, definition: string): boolean {
  const { columns, rest } = keyParts(definition);
  return rest === '' && key.split(', ').every((column) => columns.includes(column));
}

/** The columns of a unique index, in their order. */
export const keyColumns = (definition: string): readonly string[] =>
  keyParts(definition).columns.map(unquoted);

function keyParts(definition: string): { readonly columns: readonly string[]; readonly rest: string } {
  const from = definition.indexOf('(') + 1;
  let [depth, to] = [1, from];
  for (; to < definition.length && depth > 0; to++) {
    if (definition[to] === '(') depth += 1;
    if (definition[to] === ')') depth -= 1;
  }
  const columns = definition
    .slice(from, to - 1)
    .split(', ')
    .map((column) => column.replace(/( ASC| DESC)?( NULLS (FIRST|LAST))?$/, ''));
  return { columns, rest: definition.slice(to).replace(/^ INCLUDE \([^)]*\)/, '') };
}

const bareName = (name: string): string => name.replace(/^.*\./, '');
