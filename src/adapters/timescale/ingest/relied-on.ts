import type pg from 'pg';
import { FieldwatchError, messageOf } from '../../../core/errors.ts';
import { isRaised } from '../errors.ts';
import type { Work } from '../connection/session.ts';

/** Where rows go that must not be lost; those that exist have to be hypertables. */
const HYPERTABLES = ['sensor_readings', 'sensor_metrics', 'sensor_alerts', 'dead_letters', 'app_metrics'];

interface Seen {
  readonly tables: readonly string[];
  readonly installed: boolean;
  readonly loaded: boolean;
  readonly restoring: boolean;
}

const LOOK = `
SELECT ARRAY(SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname = current_schema() AND c.relname IN (${HYPERTABLES.map((name) => `'${name}'`).join(', ')})
              ORDER BY 1) AS tables,
  EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') AS installed,
  current_setting('timescaledb.license', true) IS NOT NULL AS loaded,
  coalesce(current_setting('timescaledb.restoring', true), 'off') = 'on' AS restoring`;

const PLAIN = `
SELECT name FROM unnest($1::text[]) AS name
 WHERE NOT EXISTS (SELECT FROM _timescaledb_catalog.hypertable WHERE schema_name = current_schema() AND table_name = name)
 ORDER BY 1`;

/**
 * States of a server in which it takes rows and loses them: COPY fills the root table, reports success, and nothing is
 * ever seen of it. The writer queries it once per connection; until it is fixed the database counts as away.
 */
export async function refuseUnsafe(client: Pick<pg.ClientBase, 'query'>): Promise<void> {
  const { rows } = await client.query<Seen>(LOOK);
  const { tables, installed, loaded, restoring } = rows[0] as Seen;
  // Before the first migration there is nothing to lose.
  if (tables.length === 0) return;
  if (!installed || !loaded) throw notLoaded(installed);
  if (restoring) throw beingRestored();
  const plain = await client.query<{ name: string }>(PLAIN, [tables]);
  if (plain.rows.length > 0) throw plainTables(plain.rows.map(({ name }) => name));
}

/** In every write: a trigger that returns NULL, or a rule, takes rows away without an error. */
export function refuseVanished(table: string, sent: number, kept: number | null): void {
  if (sent === kept) return;
  throw new FieldwatchError(
    `database: ${table} kept ${kept ?? 'no'} of ${sent} rows that it took without an error`,
    {
      code: 'DB_ROWS_VANISHED',
      kind: 'transient',
      remedy: `Look for triggers that return NULL, and for rules, on ${table}: \\d ${table} in psql. Nothing was acknowledged.`,
    },
  );
}

/** An INSERT with RETURNING or ON CONFLICT into a table with rules fails with this. */
const FEATURE_NOT_SUPPORTED = '0A000';
const RULES = `SELECT rulename::text AS name FROM pg_rewrite
 WHERE ev_class = to_regclass($1) AND is_instead AND ev_enabled <> 'D' ORDER BY 1`;

/** A failed write to a table that has rules is the fault of those: named, and the database counts as away. */
export async function nameRules(work: Pick<Work, 'query'>, table: string, error: unknown): Promise<unknown> {
  if ((error as { readonly code?: unknown }).code !== FEATURE_NOT_SUPPORTED) return error;
  const { rows } = await work.query<{ name: string }>(RULES, [table]);
  if (rows.length === 0) return error;
  const names = rows.map(({ name }) => name);
  return new FieldwatchError(`database: rules take away what is written to ${table}: ${names.join(', ')}`, {
    code: 'DB_ROWS_VANISHED',
    kind: 'transient',
    remedy: `${names.map((name) => `DROP RULE "${name}" ON ${table};`).join(' ')} Nothing was acknowledged.`,
    cause: error,
  });
}

/** Column that a trial row of each table fills, to see whether it is refused; undone in any case. */
const TRIALS = { sensors: 'key', metrics: 'name' } as const;
const UNDONE = 'FW001';

/** A refused row of names: by a trigger that refuses any name, the database counts as away. */
export async function refuseBlocked(
  work: Pick<Work, 'query'>,
  table: keyof typeof TRIALS,
  error: unknown,
): Promise<void> {
  if (!isRaised(error)) return;
  try {
    await work.query(`DO $$ BEGIN
      INSERT INTO ${table} (${TRIALS[table]}) VALUES ('fieldwatch trial ' || gen_random_uuid());
      RAISE EXCEPTION USING ERRCODE = '${UNDONE}';
    EXCEPTION WHEN SQLSTATE '${UNDONE}' THEN NULL; END $$`);
  } catch (cause) {
    throw isRaised(cause) ? rowsBlocked(table, messageOf(cause)) : cause;
  }
}

/** A trigger has nothing against one row, it has against all. */
export const rowsBlocked = (table: string, raised: string) =>
  new FieldwatchError(`database: a trigger on ${table} refuses every row: ${raised}`, {
    code: 'DB_ROWS_BLOCKED',
    kind: 'transient',
    remedy: `Look for triggers on ${table} that raise an exception: \\d ${table} in psql. Nothing was acknowledged.`,
  });

/**
 * Checks a write that may have nothing to do, since a row is there already: where it reports fewer than were sent, `missing`
 * asks how many are not as they should be.
 */
export async function refuseMissing(
  work: Work,
  table: string,
  [sent, written]: readonly [number, number | null],
  missing: string,
  values: unknown[],
): Promise<void> {
  if (sent === written) return;
  const { rows } = await work.query<{ missing: number }>(missing, values);
  refuseVanished(table, sent, sent - (rows[0]?.missing ?? sent));
}

const notLoaded = (installed: boolean) =>
  new FieldwatchError(
    `database: the extension timescaledb is not ${installed ? 'loaded' : 'there any more'}, and rows would be lost`,
    {
      code: 'TIMESCALE_NOT_LOADED',
      kind: 'transient',
      remedy: installed
        ? "Set shared_preload_libraries = 'timescaledb' in postgresql.conf and restart the server."
        : 'Restore the database from a backup, or create the extension and the tables anew.',
    },
  );

const beingRestored = () =>
  new FieldwatchError('database: timescaledb.restoring is on, and rows would be lost', {
    code: 'TIMESCALE_RESTORING',
    kind: 'transient',
    remedy: 'When the restore is done, run SELECT timescaledb_post_restore() in this database.',
  });

const plainTables = (names: readonly string[]) =>
  new FieldwatchError(`database: no hypertable any more: ${names.join(', ')}`, {
    code: 'DB_NOT_HYPERTABLE',
    kind: 'transient',
    remedy: `Make it one again: ${names
      .map((name) => `SELECT create_hypertable('${name}', by_range('${timeOf(name)}'), migrate_data => true)`)
      .join('; ')}; then see \`fieldwatch policies verify\`.`,
  });

const timeOf = (table: string) => (table === 'dead_letters' ? 'received_at' : 'time');
