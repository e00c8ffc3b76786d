import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../src/adapters/log/logger.ts';
import { migrateDatabase } from '../src/adapters/timescale/migrate/migrate.ts';
import { startEmbeddedTimescale } from '../src/embedded/timescale-process.ts';
import type { CleanupStack } from '../src/lib/cleanup-stack.ts';
import { queryOnce } from '../test/support/pg-client.ts';
import type { EngineFacts } from './machine.ts';

export interface BenchDatabase {
  readonly url: string;
  readonly facts: Pick<EngineFacts, 'postgresql' | 'timescaledb' | 'database'>;
}

/** A migrated database for this run alone, removed with it. */
export async function openBenchDatabase(
  server: string | undefined,
  cleanup: CleanupStack,
): Promise<BenchDatabase> {
  const url = server === undefined ? await embedded(cleanup) : await onServer(server, cleanup);
  await migrateDatabase(url);
  return { url, facts: { ...(await versions(url)), database: server === undefined ? 'embedded' : 'server' } };
}

async function embedded(cleanup: CleanupStack): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'fieldwatch-bench-'));
  cleanup.add('data folder', () => rm(dataDir, { recursive: true, force: true }));
  const database = await startEmbeddedTimescale({ dataDir, port: 0, logger: silentLogger });
  cleanup.add('embedded database', () => database.stop());
  return database.url;
}

async function onServer(server: string, cleanup: CleanupStack): Promise<string> {
  const name = `fieldwatch_bench_${randomBytes(6).toString('hex')}`;
  await queryOnce(server, `CREATE DATABASE ${name}`);
  cleanup.add('database', async () => {
    await queryOnce(server, `DROP DATABASE ${name} WITH (FORCE)`);
  });
  const url = new URL(server);
  url.pathname = `/${name}`;
  await queryOnce(url.href, 'CREATE EXTENSION IF NOT EXISTS timescaledb');
  return url.href;
}

async function versions(url: string): Promise<{ postgresql: string | null; timescaledb: string | null }> {
  const rows = await queryOnce(
    url,
    `SELECT current_setting('server_version') AS postgresql,
            (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb`,
  );
  const [found] = rows as { postgresql: string; timescaledb: string }[];
  return { postgresql: found?.postgresql ?? null, timescaledb: found?.timescaledb ?? null };
}
