import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { silentLogger } from '../src/adapters/log/logger.ts';
import { migrateDatabase } from '../src/adapters/timescale/migrate/migrate.ts';
import { type EmbeddedTimescale, startEmbeddedTimescale } from '../src/embedded/timescale-process.ts';
import { queryOnce } from '../test/support/pg-client.ts';

export interface ChaosDatabase {
  readonly url: string;
  /** The embedded server's process: to be killed on its own. Undefined on a server given by URL. */
  readonly embedded: EmbeddedTimescale | undefined;
  /** Every restart of the embedded server so far. */
  restarts(): number;
  close(keep: boolean): Promise<void>;
}

/** A migrated database for this run alone: embedded, in a process of its own, or on the server that is given. */
export async function openDatabase(server: string | undefined, dir: string): Promise<ChaosDatabase> {
  const database = server === undefined ? await embedded(dir) : await onServer(server);
  try {
    await migrateDatabase(database.url);
  } catch (error) {
    await database.close(false);
    throw error;
  }
  return database;
}

async function embedded(dir: string): Promise<ChaosDatabase> {
  let restarts = 0;
  const onRestart = () => void restarts++;
  const dataDir = join(dir, 'database');
  const process = await startEmbeddedTimescale({ dataDir, port: 0, logger: silentLogger, onRestart });
  return { url: process.url, embedded: process, restarts: () => restarts, close: () => process.stop() };
}

async function onServer(server: string): Promise<ChaosDatabase> {
  const name = `fieldwatch_chaos_${randomBytes(6).toString('hex')}`;
  await queryOnce(server, `CREATE DATABASE ${name}`);
  const drop = () => queryOnce(server, `DROP DATABASE ${name} WITH (FORCE)`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  try {
    await queryOnce(url.href, 'CREATE EXTENSION IF NOT EXISTS timescaledb');
  } catch (error) {
    await drop();
    throw error;
  }
  const close = async (keep: boolean) => void (keep || (await drop()));
  return { url: url.href, embedded: undefined, restarts: () => 0, close };
}
