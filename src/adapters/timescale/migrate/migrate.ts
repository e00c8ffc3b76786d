import type pg from 'pg';
import { FieldwatchError, messageOf } from '../../../core/errors.ts';
import type { Logger } from '../../../ports/metrics.ts';
import { type DatabaseOptions, lockKey } from '../connection/connection.ts';
import { Connector } from '../connection/connector.ts';
import { codeOf, databaseError, classify } from '../errors.ts';
import { ensureTimescale } from '../connection/extension.ts';
import { inTransaction } from '../connection/transaction.ts';
import {
  CREATE_HISTORY,
  type MigrationTarget,
  appliedRows,
  insertRows,
  label,
  refuseDrift,
  refuseEmptied,
  withConnection,
} from './migration-status.ts';
import { type Migration, loadMigrations } from './migrations.ts';

export interface MigrateOptions {
  readonly log?: Pick<Logger, 'info'>;
  /** Tests bring their own; default: the package's `sql/`. */
  readonly migrations?: readonly Migration[];
}

export interface MigrateResult {
  /** Schema version before and after; 0 is an empty database. */
  readonly from: number;
  readonly to: number;
  /** Migrations that this call applied, as `0001_readings`. */
  readonly applied: readonly string[];
}

/**
 * Brings the schema up to date. Two programs that start at once run one after the other (a session advisory lock), and each migration
 * checks again inside its own transaction, so that it is applied once even where that lock cannot distinguish sessions.
 * On a database that is up to date only a SELECT runs: a role without the right to create tables is enough.
 */
export async function migrate(target: MigrationTarget, options: MigrateOptions = {}): Promise<MigrateResult> {
  const migrations = options.migrations ?? loadMigrations();
  return withConnection(target, async (client) => {
    const before = await versionOf(client, migrations);
    if (before === migrations.length) return { from: before, to: before, applied: [] };
    await client.query(`SELECT pg_advisory_lock(${lockKey('migrate')})`);
    try {
      return await applyPending(client, migrations, options.log);
    } finally {
      // On a broken connection the lock is gone with it; that error must not hide the first one.
      await client.query(`SELECT pg_advisory_unlock(${lockKey('migrate')})`).catch(() => undefined);
    }
  });
}

async function versionOf(client: pg.ClientBase, migrations: readonly Migration[]): Promise<number> {
  const done = await appliedRows(client);
  refuseDrift(migrations, done);
  return done.length;
}

async function applyPending(
  client: pg.ClientBase,
  migrations: readonly Migration[],
  log: MigrateOptions['log'],
): Promise<MigrateResult> {
  await ensureTimescale(client, log);
  await refuseEmptied(client, migrations);
  await client.query(CREATE_HISTORY);
  const from = await versionOf(client, migrations);
  const applied: string[] = [];
  for (const migration of migrations.slice(from)) {
    if (!(await apply(client, migration))) continue;
    applied.push(label(migration));
    log?.info({ migration: label(migration) }, 'migration applied');
  }
  return { from, to: migrations.length, applied };
}

/**
 * `migrate` on connections of its own: one that looks, with the usual time limits, and where there is something to apply
 * one without, because creating policies over much data may take long.
 */
export async function migrateDatabase(
  database: string | DatabaseOptions,
  options: MigrateOptions = {},
): Promise<MigrateResult> {
  const given = typeof database === 'string' ? { url: database } : database;
  const named = { ...given, applicationName: `${given.applicationName ?? 'fieldwatch'} migrate` };
  const migrations = options.migrations ?? loadMigrations();
  try {
    const version = await new Connector(named).use((client) => versionOf(client, migrations));
    if (version === migrations.length) return { from: version, to: version, applied: [] };
    const patient = new Connector({ ...named, statementTimeoutMs: 0, lockTimeoutMs: 0 });
    return await patient.use((client) => migrate(client, { ...options, migrations }));
  } catch (error) {
    throw databaseError(error, 'migrating');
  }
}

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
    return await inTransaction(client, async () => {
      await client.query('LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE');
      const seen = await client.query('SELECT FROM schema_migrations WHERE version = $1', [
        migration.version,
      ]);
      if (seen.rowCount !== 0) return false;
      await client.query(migration.sql);
      await client.query(record, values);
      return true;
    });
  } catch (error) {
    throw failed(migration, error);
  }
}

/** Duplicate tables, columns, functions, schemas and other objects. */
const ALREADY_THERE: readonly (string | undefined)[] = ['42P07', '42701', '42723', '42P06', '42710'];

function failed(migration: Migration, error: unknown): FieldwatchError {
  const verdict = classify(error);
  if (verdict.kind === 'transient') return databaseError(error, `migration ${label(migration)}`);
  const position = Number((error as { position?: unknown }).position);
  const line = position > 0 ? `:${migration.sql.slice(0, position).split('\n').length}` : '';
  return new FieldwatchError(`migration ${label(migration)}.sql${line}: ${messageOf(error)}`, {
    code: 'MIGRATION_FAILED',
    kind: verdict.kind === 'auth' ? 'auth' : 'schema',
    cause: error,
    remedy: ALREADY_THERE.includes(codeOf(error))
      ? `Nothing of this migration was kept. Where its row of schema_migrations was lost, put it back as the owner of the tables: ${insertRows([migration])} Then run \`fieldwatch migrate\` again, and \`fieldwatch policies verify\`, which says what differs.`
      : 'Nothing of this migration was kept. Resolve the cause and run `fieldwatch migrate` again.',
  });
}
