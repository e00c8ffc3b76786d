import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type pg from 'pg';
import { silentLogger } from '../adapters/log/logger.ts';
import { createSystemClock } from '../adapters/system/clock.ts';
import { refuseSharedConnections } from '../adapters/timescale/connection/examine.ts';
import { refuseNewerIfReadable, refuseNewerSchema } from '../adapters/timescale/migrate/migration-status.ts';
import { createPool, endPool, readerOf } from '../adapters/timescale/connection/pool.ts';
import { databaseOptions } from '../app/options.ts';
import type { Config } from '../config/schema/index.ts';
import { FieldwatchError } from '../core/errors.ts';
import { embeddedUrl, readPassword } from '../embedded/password.ts';
import { startEmbeddedTimescale } from '../embedded/timescale-process.ts';
import type { Db } from '../queries/db.ts';
import type { Cli } from './command.ts';
import { runningFolder } from './demo/folder.ts';

export interface DatabaseAccess {
  /**
   * Whether the embedded server may be started for the time of the command when none runs. Default true; false for what
   * goes on for long: the daemon could not start meanwhile.
   */
  readonly mayStart?: boolean;
  /** Whether that server may create a database if none exists yet. Default false: there is nothing to read. */
  readonly mayCreate?: boolean;
  /** Whether the command only reads what the daemon stores: a standby may answer (`database.read_url`). Default false. */
  readonly readsOnly?: boolean;
  /**
   * Whether a schema that a newer fieldwatch made is refused (SCHEMA_NEWER): for what changes the database, or compares it
   * with the definitions of this program. `if readable`: also goes on where the right to look is missing. Default false.
   */
  readonly refuseNewer?: boolean | 'if readable';
}

/**
 * Calls `run` with the URL of the configured database; without one, of the embedded server that runs, or of one that is
 * started for the time of the call.
 */
export async function withDatabaseUrl<T>(
  cli: Pick<Cli, 'stderr'>,
  config: Config,
  then: (url: string) => Promise<T>,
  { mayStart = true, mayCreate = false, refuseNewer = false, readsOnly = false }: DatabaseAccess = {},
): Promise<T> {
  const run = async (url: string): Promise<T> => {
    if (refuseNewer !== false)
      await withPool(config, url, refuseNewer === true ? refuseNewerSchema : refuseNewerIfReadable);
    return then(url);
  };
  const { url, read_url: readUrl } = config.database;
  const configured = readsOnly ? (readUrl ?? url) : url;
  if (configured !== undefined) {
    await refuseSharedConnections({ ...databaseOptions(config, configured, 'cli'), readsOnly });
    return run(configured);
  }
  const { database_port: port, data_dir: dataDir } = config.embedded;
  if (await listens(port)) return run(embeddedUrl('127.0.0.1', port, readPassword(runningFolder(dataDir))));
  if (!mayStart || !(mayCreate || existsSync(join(dataDir, 'pgdata')))) throw notRunning(port, dataDir);
  cli.stderr.write(
    'fieldwatch: the daemon is not running; starting the embedded database for this command\n',
  );
  const server = await startEmbeddedTimescale({ dataDir, port });
  try {
    return await run(server.url);
  } finally {
    await server.stop();
  }
}

/** Calls `run` with a reader of the database. Errors say what is wrong and what to do about it. */
export async function withDatabase<T>(
  cli: Pick<Cli, 'stderr'>,
  config: Config,
  run: (db: Db) => Promise<T>,
  access: DatabaseAccess = {},
): Promise<T> {
  const read = (url: string) => withPool(config, url, (pool) => run(readerOf(pool)), access.readsOnly);
  return withDatabaseUrl(cli, config, read, access);
}

async function withPool<T>(
  config: Config,
  url: string,
  run: (pool: pg.Pool) => Promise<T>,
  readsOnly = false,
): Promise<T> {
  const pool = await createPool({ ...databaseOptions(config, url, 'cli'), max: 1, readsOnly }, silentLogger);
  try {
    return await run(pool);
  } finally {
    await endPool(pool, createSystemClock());
  }
}

/** Whether anything listens on the loopback port. */
async function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2_000, () => settle(false));
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}

const notRunning = (port: number, dataDir: string) =>
  new FieldwatchError(`no embedded database is running on port ${port} (folder ${dataDir})`, {
    code: 'EMBEDDED_DB_NOT_RUNNING',
    kind: 'transient',
    remedy: 'start the daemon (`fieldwatch run`, or `fieldwatch demo`), or set database.url to a real server',
  });
