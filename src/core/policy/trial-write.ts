import type { CatalogRow, CheckQuery } from './catalog.ts';

import { EXPECTED_SCHEMA } from './schema/expected-schema.ts';
import { identifier, literal, qualified } from './repair/policy-sql.ts';
import { relationNamed } from './schema/relations.ts';
import type { ColumnSchema } from './schema/schema.ts';

/** Statements that call triggers, in the order of a trial write. */
export type TrialEvent = 'INSERT' | 'UPDATE' | 'DELETE';

/** Why a trial write was rejected. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly event: TrialEvent;
  /** False: the table was empty, and the row was synthetic. */
  readonly copied: boolean;
  /** The functions being executed, as PostgreSQL names them. */
  readonly context: string;
}

/**
 * Stores a row as the newest of a table, changes and deletes it, and rolls back. A new key is generated here: no
 * sequence advances, and no row that others may need is locked. Effects of the table's triggers are rolled back, too.
 * Its variables have names that no column has: a column of the same name would be ambiguous.
 */
export function trialWrite(schema: string, relation: string, events: readonly TrialEvent[]): CheckQuery {
  const table = qualified(schema, relation);
  const columns = Object.entries(EXPECTED_SCHEMA.relations[relation]?.columns ?? {}).filter(
    ([, { generated }]) => generated === undefined,
  );
  const of = (name: string) => `r.${identifier(name)}`;
  const names = columns.map(([name]) => name);
  const key = keyOf(relation);
  const own = `WHERE ${[...key].map((name) => `${identifier(name)} = ${of(name)}`).join(' AND ')}`;
  const set = names.filter((name) => !key.has(name) || names.length === key.size);
  const statements: Readonly<Record<TrialEvent, string>> = {
    INSERT: `INSERT INTO ${table} (${names.map(identifier).join(', ')}) OVERRIDING SYSTEM VALUE VALUES (${names.map(of).join(', ')})`,
    UPDATE: `UPDATE ${table} SET ${set
      .filter((name) => EXPECTED_SCHEMA.relations[relation]?.columns[name]?.identity !== 'ALWAYS')
      .map((name) => `${identifier(name)} = ${of(name)}`)
      .join(', ')} ${own}`,
    DELETE: `DELETE FROM ${table} ${own}`,
  };
  const madeUp = columns.flatMap(([name, column]) =>
    column.notNull === true ? [`${of(name)} := ${valueFor(name, column)};`] : [],
  );
  const fresh = [...freshColumns(relation)].map(
    ([name, { type }]) => `${of(name)} := ${FRESH[type]?.(of(name))};`,
  );
  return {
    rolledBack: true,
    text: `DO $trial$
DECLARE r ${table}; trial_since timestamptz; trial_event text := 'INSERT'; trial_copied boolean := false; trial_context text;
BEGIN
  SET CONSTRAINTS ALL IMMEDIATE;
  ${newestRow(schema, relation)}
  IF NOT trial_copied THEN ${madeUp.join(' ')} END IF;
  ${fresh.join(' ')}
  ${events.map((event) => `trial_event := ${literal(event)}; ${statements[event]};`).join('\n  ')}
EXCEPTION WHEN OTHERS OR ASSERT_FAILURE THEN
  GET STACKED DIAGNOSTICS trial_context = PG_EXCEPTION_CONTEXT;
  RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM, DETAIL = json_build_object('event', trial_event, 'copied', trial_copied, 'context', trial_context)::text;
END $trial$`,
  };
}

/** Chunks that may be empty before the whole table is searched. */
const NEWEST_CHUNKS = 4;

/**
 * Selects the newest row into \`r\`. Chunk by chunk from the newest on: a search of the whole table plans and locks every
 * chunk, which takes most of a second for 1,400 of them, and may run out of locks.
 */
function newestRow(schema: string, relation: string): string {
  const table = qualified(schema, relation);
  const time = relationNamed(relation)?.timeColumn;
  const whole = `SELECT * INTO r FROM ${table}${time === undefined ? '' : ` ORDER BY ${identifier(time)} DESC`} LIMIT 1; trial_copied := FOUND;`;
  if (time === undefined) return whole;
  return `FOR trial_since IN SELECT DISTINCT c.range_start FROM timescaledb_information.chunks c
    WHERE c.hypertable_schema = ${literal(schema)} AND c.hypertable_name = ${literal(relation)} ORDER BY 1 DESC LIMIT ${NEWEST_CHUNKS} LOOP
    SELECT * INTO r FROM ${table} WHERE ${identifier(time)} >= trial_since ORDER BY ${identifier(time)} DESC LIMIT 1;
    trial_copied := FOUND;
    EXIT WHEN trial_copied;
  END LOOP;
  IF NOT trial_copied THEN ${whole} END IF;`;
}

/** The rejection in the one row of such a query; undefined: none, or not caused by the trial write. */
export function refusalOf(rows: readonly CatalogRow[]): Refusal | undefined {
  const { code, message, detail } = rows[0] ?? {};
  if (typeof code !== 'string' || typeof message !== 'string' || typeof detail !== 'string') return undefined;
  try {
    return { ...(JSON.parse(detail) as Pick<Refusal, 'event' | 'copied' | 'context'>), code, message };
  } catch {
    return undefined;
  }
}

/** A value different from that of the row, by type; the types in order of preference. */
const FRESH: Readonly<Record<string, (column: string) => string>> = {
  'timestamp with time zone': (column) => `${column} + INTERVAL '1 microsecond'`,
  text: (column) => `${column} || '_trial'`,
  uuid: () => 'gen_random_uuid()',
  bigint: () => '-1',
  integer: () => '-1',
};

/** The column of each unique key that gets a value of its own. */
function freshColumns(relation: string): ReadonlyMap<string, ColumnSchema> {
  const { columns = {}, unique = {} } = EXPECTED_SCHEMA.relations[relation] ?? {};
  const fresh = new Map<string, ColumnSchema>();
  for (const definition of Object.values(unique)) {
    const named = columnsIn(definition, columns);
    const type = Object.keys(FRESH).find((each) => named.some((name) => columns[name]?.type === each));
    const name = named.find((each) => columns[each]?.type === type);
    if (name !== undefined && columns[name] !== undefined) fresh.set(name, columns[name]);
  }
  return fresh;
}

const columnsIn = (definition: string, columns: object): readonly string[] =>
  (/\(([^)]*)\)/.exec(definition)?.[1] ?? '')
    .split(', ')
    .map((part) => (part.split(' ')[0] ?? '').replaceAll('"', ''))
    .filter((name) => name in columns);

/** Columns that identify the row, by an index if there is one. */
function keyOf(relation: string): ReadonlySet<string> {
  const { columns = {}, unique = {} } = EXPECTED_SCHEMA.relations[relation] ?? {};
  const required = Object.keys(columns).filter((name) => columns[name]?.notNull === true);
  const [definition] = Object.values(unique);
  const named = definition === undefined ? [] : columnsIn(definition, columns);
  const key = named.filter((name) => required.includes(name));
  return new Set(key.length === 0 ? required : key);
}

function valueFor(name: string, { type }: ColumnSchema): string {
  if (name === 'sensor_id') return 'coalesce((SELECT min(id) FROM sensors), 0)';
  if (type.endsWith('[]')) return `'{}'`;
  switch (type) {
    case 'timestamp with time zone':
      return 'now()';
    case 'uuid':
      return 'gen_random_uuid()';
    case 'jsonb':
      return `'{}'`;
    case 'boolean':
      return 'false';
    case 'text':
    case 'bytea':
      return `''`;
    default:
      return '0';
  }
}
