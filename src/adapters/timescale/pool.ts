import pg from 'pg';
import type { Clock, Logger } from '../../ports.ts';
import { connectionConfig, currentConfig, DEFAULT_TIMEOUTS, type DatabaseOptions } from './connection.ts';

export interface PoolOptions extends DatabaseOptions {
  readonly max?: number;
}

/**
 * Connections for readers: lookups, checks, queries, the CLI. Every question is bounded on the server
 * (statement_timeout) and, for a link that stalls, on this side (query_timeout).
 * Certificates are read again for each connection: a rotated one must not end the lookups of a daemon that runs for months.
 */
export async function createPool(options: PoolOptions, logger: Pick<Logger, 'debug'>): Promise<pg.Pool> {
  const config = await connectionConfig(options);
  const statementTimeoutMs = options.statementTimeoutMs ?? DEFAULT_TIMEOUTS.statementTimeoutMs;
  const pool = new pg.Pool({
    ...config,
    Client: freshClient(options, config.ssl, logger),
    max: options.max ?? 4,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    ...(statementTimeoutMs === 0 ? {} : { query_timeout: statementTimeoutMs + 5000 }),
  });
  // An idle connection that the server closes is replaced at the next query; without a listener it would end the process.
  pool.on('error', (error) => logger.debug({ err: error }, 'idle database connection lost'));
  const open = new Set<pg.PoolClient>();
  pool.on('connect', (client) => open.add(client));
  pool.on('remove', (client) => open.delete(client));
  clientsOf.set(pool, open);
  return pool;
}

const clientsOf = new WeakMap<pg.Pool, ReadonlySet<pg.PoolClient>>();
const END_PATIENCE_MS = 2000;

/** Ends a pool of `createPool`; a question that nobody answers is hung up on. */
export async function endPool(pool: pg.Pool, clock: Clock): Promise<void> {
  const timer = clock.after(END_PATIENCE_MS, () => {
    for (const client of clientsOf.get(pool) ?? []) streamOf(client).destroy();
  });
  await pool.end();
  timer.cancel();
}

const streamOf = (client: pg.PoolClient) => (client as unknown as pg.Client).connection.stream;

/** A client with the certificates of now. Files that cannot be read at the moment (half a rotation) leave the former ones. */
function freshClient(
  options: PoolOptions,
  first: pg.ClientConfig['ssl'],
  logger: Pick<Logger, 'debug'>,
): typeof pg.Client {
  let latest = first;
  return class extends pg.Client {
    constructor(config?: string | pg.ClientConfig) {
      try {
        latest = currentConfig(options).ssl;
      } catch (error) {
        logger.debug({ err: error }, 'certificates of the database cannot be read; the former ones are used');
      }
      super({ ...(config as pg.ClientConfig), ssl: latest });
    }
  };
}
