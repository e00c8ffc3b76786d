import pg from 'pg';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../ports.ts';
import { connectionConfig, lockKey } from './connection.ts';
import { databaseError, judge } from './errors.ts';
import { ensureTimescale } from './extension.ts';
import { loadMigrations, type Migration } from './migrations.ts';

/** Anything that lends one connection for the length of the migration: session locks live on a connection. */
export type MigrationTarget = pg.Pool | pg.ClientBase;

export interface MigrateOptions {
  readonly log?: Pick<Logger, 'info'>;
  /** Tests bring their own; default: the package's `sql/`. */
  readonly migrations?: readonly Migration[];
}

export interface MigrateResult {
  /** Schema version before and after; 0 is an empty database. */
  readonly from: number;
  readonly to: number;
  /** What this call applied, as `0001_readings`. */
  readonly applied: readonly string[];
}

export interface MigrationStatus {
  readonly version: number;
  readonly target: number;
  readonly entries: readonly {
    readonly version: number;
    readonly name: string;
    readonly state: 'applied' | 'pending' | 'changed' | 'unknown';
    readonly appliedAt: Date | null;
  }[];
}

interface AppliedRow {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  readonly applied_at: Date;
}

const label = (migration: { version: number; name: string }) =>
  `${String(migration.version).padStart(4, '0')}_${migration.name}`;

/**
 * Brings the schema up to date. Two programs that start at once take turns (a session advisory lock), and each migration
 * looks again inside its own transaction, so that it is applied once even where that lock cannot tell sessions apart.
 */
export async function migrate(target: MigrationTarget, options: MigrateOptions = {}): Promise<MigrateResult> {
  const migrations = options.migrations ?? loadMigrations();
  return withConnection(target, async (client) => {
    await client.query(`SELECT pg_advisory_lock(${lockKey('migrate')})`);
    try {
      await ensureTimescale(client, options.log);
      await client.query(`CREATE TABLE IF NOT EXISTS schema_migrations (
        version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now())`);
      const done = await appliedRows(client);
      refuseDrift(migrations, done);
      const from = done.at(-1)?.version ?? 0;
      const applied: string[] = [];
      for (const migration of migrations.slice(done.length)) {
        if (!(await apply(client, migration))) continue;
        applied.push(label(migration));
        options.log?.info({ migration: label(migration) }, 'migration applied');
      }
      return { from, to: migrations.length, applied };
    } finally {
      // On a broken connection the lock is gone with it; that error must not hide the first one.
      await client.query(`SELECT pg_advisory_unlock(${lockKey('migrate')})`).catch(() => undefined);
    }
  });
}

/** What is applied and what is not; changes nothing, and works on a database that was never migrated. */
export async function status(
  target: MigrationTarget,
  options: Pick<MigrateOptions, 'migrations'> = {},
): Promise<MigrationStatus> {
  const migrations = options.migrations ?? loadMigrations();
  return withConnection(target, async (client) => {
    const found = await client.query<{ present: boolean }>(
      `SELECT to_regclass('schema_migrations') IS NOT NULL AS present`,
    );
    const done = found.rows[0]?.present === true ? await appliedRows(client) : [];
    const byVersion = new Map(done.map((row) => [row.version, row]));
    const known = migrations.map((migration) => {
      const row = byVersion.get(migration.version);
      byVersion.delete(migration.version);
      const state =
        row === undefined ? 'pending' : row.checksum === migration.checksum ? 'applied' : 'changed';
      return {
        version: migration.version,
        name: migration.name,
        state,
        appliedAt: row?.applied_at ?? null,
      } as const;
    });
    const unknown = [...byVersion.values()].map(
      (row) =>
        ({ version: row.version, name: row.name, state: 'unknown', appliedAt: row.applied_at }) as const,
    );
    return { version: done.at(-1)?.version ?? 0, target: migrations.length, entries: [...known, ...unknown] };
  });
}

/** `migrate` on a connection of its own, without time limits: creating policies over much data may take long. */
export async function migrateDatabase(url: string, options: MigrateOptions = {}): Promise<void> {
  const client = new pg.Client(
    await connectionConfig({
      url,
      applicationName: 'fieldwatch migrate',
      statementTimeoutMs: 0,
      lockTimeoutMs: 0,
    }),
  );
  client.on('error', () => undefined); // reported by the query that it breaks
  try {
    await client.connect();
    await migrate(client, options);
  } catch (error) {
    throw databaseError(error, 'migrating');
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function withConnection<T>(
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

async function appliedRows(client: pg.ClientBase): Promise<readonly AppliedRow[]> {
  const result = await client.query<AppliedRow>(
    'SELECT version, name, checksum, applied_at FROM schema_migrations ORDER BY version',
  );
  return result.rows;
}

function refuseDrift(migrations: readonly Migration[], done: readonly AppliedRow[]): void {
  done.forEach((row, index) => {
    const ours = migrations[index];
    if (row.version > migrations.length) throw newer(row, migrations.length);
    if (ours?.version !== row.version || ours.checksum !== row.checksum) throw drifted(row);
  });
}

const newer = (row: AppliedRow, supported: number) =>
  new FieldwatchError(
    `database: its schema has version ${row.version} (${row.name}); this program knows up to ${supported}`,
    {
      code: 'SCHEMA_NEWER',
      kind: 'schema',
      remedy: 'Run the newer fieldwatch that migrated this database, or restore a backup from before.',
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

/** False when another session has applied it meanwhile. */
async function apply(client: pg.ClientBase, migration: Migration): Promise<boolean> {
  const record = `INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)`;
  const values = [migration.version, migration.name, migration.checksum];
  try {
    if (!migration.transactional) {
      await client.query(migration.sql);
      await client.query(`${record} ON CONFLICT DO NOTHING`, values);
      return true;
    }
    await client.query('BEGIN');
    await client.query('LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE');
    const seen = await client.query('SELECT FROM schema_migrations WHERE version = $1', [migration.version]);
    if (seen.rowCount === 0) {
      await client.query(migration.sql);
      await client.query(record, values);
    }
    await client.query('COMMIT');
    return seen.rowCount === 0;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw failed(migration, error);
  }
}

function failed(migration: Migration, error: unknown): FieldwatchError {
  const verdict = judge(error);
  if (verdict.kind === 'transient') return databaseError(error, `migration ${label(migration)}`);
  const position = Number((error as { position?: unknown }).position);
  const line = position > 0 ? `:${migration.sql.slice(0, position).split('\n').length}` : '';
  return new FieldwatchError(`migration ${label(migration)}.sql${line}: ${messageOf(error)}`, {
    code: 'MIGRATION_FAILED',
    kind: verdict.kind === 'auth' ? 'auth' : 'schema',
    cause: error,
    remedy: 'Nothing of this migration was kept. Resolve the cause and run `fieldwatch migrate` again.',
  });
}
