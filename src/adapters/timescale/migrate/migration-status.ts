import pg from 'pg';
import { FieldwatchError } from '../../../core/errors.ts';
import { version } from '../../../lib/version.ts';
import { databaseError } from '../errors.ts';
import { type Migration, loadMigrations } from './migrations.ts';

/** Anything that lends one connection for the length of the migration: session locks live on a connection. */
export type MigrationTarget = pg.Pool | pg.ClientBase;

export interface MigrationStatus {
  /** The newest version that is applied; 0 is an empty database. */
  readonly version: number;
  /** The version that this program brings. */
  readonly target: number;
  readonly entries: readonly {
    readonly version: number;
    readonly name: string;
    /** `changed`: applied with another content. `unknown`: applied by a program that is not this one. */
    readonly state: 'applied' | 'pending' | 'changed' | 'unknown';
    readonly appliedAt: Date | null;
  }[];
}

export interface AppliedRow {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  readonly applied_at: Date;
}

export const label = (migration: { version: number; name: string }): string =>
  `${String(migration.version).padStart(4, '0')}_${migration.name}`;

/** Applied and pending migrations; changes nothing, and works on a database that was never migrated. */
export async function status(
  target: MigrationTarget,
  migrations: readonly Migration[] = loadMigrations(),
): Promise<MigrationStatus> {
  const done = await withConnection(target, appliedRows);
  const byVersion = new Map(done.map((row) => [row.version, row]));
  const known = migrations.map(({ version, name, checksum }) => {
    const row = byVersion.get(version);
    byVersion.delete(version);
    const state = row === undefined ? 'pending' : row.checksum === checksum ? 'applied' : 'changed';
    return { version, name, state, appliedAt: row?.applied_at ?? null } as const;
  });
  const unknown = [...byVersion.values()].map(
    ({ version, name, applied_at }) => ({ version, name, state: 'unknown', appliedAt: applied_at }) as const,
  );
  return { version: done.at(-1)?.version ?? 0, target: migrations.length, entries: [...known, ...unknown] };
}

/** Refuses a schema that is older, newer or other than this program's: for a daemon that must not migrate. */
export async function schemaIsCurrent(
  target: MigrationTarget,
  migrations: readonly Migration[] = loadMigrations(),
): Promise<void> {
  const done = await withConnection(target, appliedRows);
  refuseDrift(migrations, done);
  if (done.length === migrations.length) return;
  throw new FieldwatchError(
    `database: its schema has version ${done.length}; this program needs ${migrations.length}`,
    {
      code: 'SCHEMA_PENDING',
      kind: 'schema',
      remedy: 'Run `fieldwatch migrate` as the owner of the tables, or set database.migrate_at_start.',
    },
  );
}

export async function withConnection<T>(
  target: MigrationTarget,
  run: (client: pg.ClientBase) => Promise<T>,
): Promise<T> {
  let client: pg.PoolClient | undefined;
  let broken = true; // a connection of unknown state is closed, not returned
  try {
    client = target instanceof pg.Pool ? await target.connect() : undefined;
    const result = await run(client ?? (target as pg.ClientBase));
    broken = false;
    return result;
  } catch (error) {
    throw databaseError(error, 'migrating');
  } finally {
    client?.release(broken);
  }
}

/** In order of version; none on a database that was never migrated. */
export async function appliedRows(client: pg.ClientBase): Promise<readonly AppliedRow[]> {
  // In the schema that would be created into, not wherever the search_path leads: another program's table of that name
  // does not count.
  const found = await client.query<{ present: boolean }>(
    `SELECT to_regclass(format('%I.schema_migrations', current_schema())) IS NOT NULL AS present`,
  );
  if (found.rows[0]?.present !== true) return [];
  const result = await client.query<AppliedRow>(
    'SELECT version, name, checksum, applied_at FROM schema_migrations ORDER BY version',
  );
  return result.rows;
}

/** Refuses a schema that a newer program made: for what changes it, or compares it with this program's definitions. */
export async function refuseNewerSchema(
  target: MigrationTarget,
  migrations: readonly Migration[] = loadMigrations(),
): Promise<void> {
  refuseNewer(migrations, await withConnection(target, appliedRows));
}

/** `refuseNewerSchema` for commands that only read: they report missing rights (DB_RIGHTS) themselves. */
export async function refuseNewerIfReadable(target: MigrationTarget): Promise<void> {
  await refuseNewerSchema(target).catch((error: unknown) => {
    if (databaseError(error, 'reading the version of the schema').code !== 'DB_RIGHTS') throw error;
  });
}

function refuseNewer(migrations: readonly Migration[], done: readonly AppliedRow[]): void {
  const newest = done.at(-1);
  if (newest !== undefined && newest.version > migrations.length) throw newer(newest, migrations.length);
}

export function refuseDrift(migrations: readonly Migration[], done: readonly AppliedRow[]): void {
  refuseNewer(migrations, done);
  done.forEach((row, index) => {
    const ours = migrations[index];
    if (ours !== undefined && ours.version < row.version) throw forgotten(ours);
    if (ours?.version !== row.version || ours.checksum !== row.checksum) throw drifted(row);
  });
}

const newer = (row: AppliedRow, supported: number) =>
  new FieldwatchError(
    `database: its schema has version ${row.version} (${row.name}); this program, ${version()}, knows up to ${supported}`,
    {
      code: 'SCHEMA_NEWER',
      kind: 'schema',
      remedy: 'Run the newer fieldwatch that migrated this database, or restore a backup from before.',
    },
  );

export const insertRows = (migrations: readonly Migration[]): string => {
  const rows = migrations.map(({ version, name, checksum }) => `(${version}, '${name}', '${checksum}')`);
  return `INSERT INTO schema_migrations (version, name, checksum) VALUES ${rows.join(', ')};`;
};

export const CREATE_HISTORY = `CREATE TABLE IF NOT EXISTS schema_migrations (
  version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now())`;

/** Another program may have a table with one of these names, but hardly all of them. */
const MADE_FIRST = ['sensors', 'metrics', 'sensor_readings', 'sensor_metrics'];

/** All rows were deleted, or the table dropped: running the migrations again would fail, or change what is there. */
export async function refuseEmptied(client: pg.ClientBase, migrations: readonly Migration[]): Promise<void> {
  if ((await appliedRows(client)).length > 0) return;
  const { rows } = await client.query<{ there: number }>(
    `SELECT count(*)::int AS there FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = current_schema() AND c.relname = ANY ($1::text[]) AND c.relkind = 'r'`,
    [MADE_FIRST],
  );
  if ((rows[0]?.there ?? 0) < MADE_FIRST.length) return;
  throw new FieldwatchError(
    'database: schema_migrations has no row, though the tables of fieldwatch are there',
    {
      code: 'SCHEMA_DRIFT',
      kind: 'schema',
      remedy: `If this program, ${version()}, is the one that last ran on it, as the owner of the tables: ${CREATE_HISTORY.replace(/\s+/g, ' ')}; ${insertRows(migrations)} Then \`fieldwatch policies verify\` says what differs. Otherwise do this with the program that did.`,
    },
  );
}

/** A row was deleted by hand,
/** A row was deleted by hand, or left out of a restore; running the migration again would fail. */
const forgotten = (migration: Migration) =>
  new FieldwatchError(
    `database: schema_migrations has no row of migration ${label(migration)}, though later ones are applied`,
    {
      code: 'SCHEMA_DRIFT',
      kind: 'schema',
      remedy: `As the owner of the tables: ${insertRows([migration])}`,
    },
  );

const drifted = (row: AppliedRow) =>
  new FieldwatchError(
    `database: migration ${label(row)} was applied with another content than this program has`,
    {
      code: 'SCHEMA_DRIFT',
      kind: 'schema',
      remedy: 'Use an unmodified release; released files of sql/ are never edited, a change is a new file.',
    },
  );
