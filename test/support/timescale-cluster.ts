import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from '@jest/globals';
import type pg from 'pg';
import { createCatalog } from '../../src/adapters/timescale/policy/catalog.ts';
import { migrateDatabase } from '../../src/adapters/timescale/migrate/migrate.ts';
import { assess } from '../../src/core/policy/assess.ts';
import { codeOf } from '../../src/core/errors.ts';
import { CHECKS } from '../../src/core/policy/check/index.ts';
import type { Finding } from '../../src/core/policy/finding.ts';
import { withClient } from './pg-client.ts';
import { planWith } from './policy-plan.ts';
import { PostgresServer, postgresBin } from './postgres-server.ts';

const PRELOAD = "shared_preload_libraries = 'timescaledb'";
const OWNER_PASSWORD = 'owner';
const ROLES = readFileSync(join(import.meta.dirname, '../../sql/roles/roles.sql'), 'utf8');

/** Whether a server of its own can have the extension: its library is beside the server's programs. */
const AVAILABLE = existsSync(join(postgresBin() ?? '', '../lib/timescaledb.so'));

/** Suites about settings of a whole server, which a test must not change on one that it shares. */
export const describeCluster = (name: string, suite: () => void): void =>
  AVAILABLE
    ? describe(name, suite)
    : describe.skip(`${name} (needs a PostgreSQL with TimescaleDB that can be started)`, suite);

/** A server with TimescaleDB of its own, and a database on it as an operator makes one: with sql/roles/roles.sql. */
export class TimescaleCluster {
  readonly server: PostgresServer;

  private constructor(server: PostgresServer) {
    this.server = server;
  }

  static async start(): Promise<TimescaleCluster> {
    const settings = [
      ...[PRELOAD, 'fsync = on', 'max_worker_processes = 24', 'timescaledb.max_background_workers = 12'],
      ...['timescaledb.telemetry_level = off', 'max_locks_per_transaction = 256'],
    ];
    return new TimescaleCluster(await PostgresServer.start({ settings }));
  }

  /** Restarts it, with the library or without. */
  async restart({ preload }: { readonly preload: boolean }): Promise<void> {
    await this.server.halt();
    await this.server.launch(preload ? [] : ['-c', 'shared_preload_libraries=']);
  }

  /** Roles first, then the migrations by the owner. `options` follow CREATE DATABASE. */
  async database(name: string, options = ''): Promise<OwnedDatabase> {
    const database = await this.emptyDatabase(name, options);
    await this.populate(database);
    return database;
  }

  /** `query` follows the URL of the migrations. */
  async populate(database: OwnedDatabase, query = ''): Promise<void> {
    await database.root(ROLES, `ALTER ROLE fieldwatch_owner PASSWORD '${OWNER_PASSWORD}'`);
    await migrateDatabase(database.url + query);
  }

  async emptyDatabase(name: string, options = ''): Promise<OwnedDatabase> {
    await this.server.sql(`CREATE DATABASE ${name} ${options}`);
    return new OwnedDatabase(this.server, name);
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

export class OwnedDatabase {
  readonly url: string;
  readonly rootUrl: string;
  readonly name: string;

  constructor(server: PostgresServer, name: string) {
    this.name = name;
    this.url = server.url({ user: 'fieldwatch_owner', password: OWNER_PASSWORD, database: name });
    this.rootUrl = server.url({ database: name });
  }

  /** As the superuser, in one session. Rows of the last statement. */
  root(...statements: string[]): Promise<Record<string, unknown>[]> {
    return run(this.rootUrl, statements);
  }

  owner(...statements: string[]): Promise<Record<string, unknown>[]> {
    return run(this.url, statements);
  }

  /** As the daemon's role, over a connection of its own. */
  async verify(url = this.url): Promise<readonly Finding[]> {
    const catalog = createCatalog({ url });
    try {
      const { findings } = await assess(catalog, planWith(), CHECKS);
      return findings.filter(({ severity }) => severity !== 'info');
    } finally {
      await catalog.close();
    }
  }
}

/** The jobs of a new database run meanwhile: a conflict with one passes. */
async function again<T>(query: () => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await query();
    } catch (error) {
      if (codeOf(error) !== '40001' || attempts === 10) throw error;
    }
  }
}

async function run(url: string, statements: readonly string[]): Promise<Record<string, unknown>[]> {
  return withClient(url, async (client) => {
    let rows: Record<string, unknown>[] = [];
    for (const statement of statements) {
      const result: unknown = await again(() => client.query(statement));
      rows = ((Array.isArray(result) ? result.at(-1) : result) as pg.QueryResult<Record<string, unknown>>)
        .rows;
    }
    return rows;
  });
}

/** The statements of a remedy, as psql sends them: what follows the words before them, up to the last semicolon. */
export function statementsOf(remedy: string): string[] {
  const from =
    /(?:^|: )((?:BEGIN|INSERT|SELECT|SET|ALTER|GRANT|DROP|CALL|TRUNCATE|UPDATE|DELETE)\b.*;)/s.exec(
      remedy.split(' -- ')[0] ?? '',
    )?.[1];
  if (from === undefined) throw new Error(`no statement in: ${remedy}`);
  return from.split(/;\s*/).filter((statement) => statement !== '');
}
