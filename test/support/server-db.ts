import { randomBytes } from 'node:crypto';
import { describe } from '@jest/globals';
import pg from 'pg';
import { queryOnce } from './pg-client.ts';

/** The superuser's URL of a real server, where the tests are to run on one. */
export const REAL_SERVER = process.env['FIELDWATCH_TEST_DATABASE_URL'] || undefined;

/** Suites about what only a real server has: background workers, several sessions at once, its time limits. */
export const describeReal = (name: string, suite: () => void): void =>
  REAL_SERVER === undefined
    ? describe.skip(`${name} (needs FIELDWATCH_TEST_DATABASE_URL)`, suite)
    : describe(name, suite);

/** Suites about what only the embedded server does: there the daemon runs the jobs, and keeps their history. */
export const describeEmbedded = (name: string, suite: () => void): void =>
  REAL_SERVER === undefined ? describe(name, suite) : describe.skip(`${name} (embedded server only)`, suite);

export interface ServerDatabase {
  readonly url: string;
  close(): Promise<void>;
}

export interface ServerDatabaseOptions {
  readonly workers: boolean;
  readonly migrate: ((url: string) => Promise<unknown>) | undefined;
}

/**
 * A database of its own on a real server. Its background workers are stopped unless asked for: they would drop and
 * compress under the feet of a test that inserts old rows. The checks must still see a scheduler, which a session with
 * its name stands in for; tests of the scheduler itself ask for the real one.
 */
export async function openOnServer(
  server: string,
  { workers, migrate }: ServerDatabaseOptions,
): Promise<ServerDatabase> {
  const name = `fieldwatch_test_${randomBytes(6).toString('hex')}`;
  await queryOnce(server, `CREATE DATABASE ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  await queryOnce(url.href, 'CREATE EXTENSION IF NOT EXISTS timescaledb');
  const standIn = workers ? undefined : await holdWorkersOff(url.href);
  await migrate?.(url.href);
  return {
    url: url.href,
    close: async () => {
      await standIn?.end();
      await queryOnce(server, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

async function holdWorkersOff(url: string): Promise<pg.Client> {
  await queryOnce(url, 'SELECT _timescaledb_functions.stop_background_workers()');
  const client = new pg.Client({
    connectionString: url,
    application_name: 'TimescaleDB Background Worker Scheduler',
  });
  // Tests end sessions of their database; that this one is among them is no failure.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
