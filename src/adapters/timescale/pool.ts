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
  const open = new Set<pg.Client>();
  const pool = new pg.Pool({
    ...config,
    Client: freshClient(options, config.ssl, logger, open),
    max: options.max ?? 4,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    ...(statementTimeoutMs === 0 ? {} : { query_timeout: statementTimeoutMs + 5000 }),
  });
  // An idle connection that the server closes is replaced at the next query; without a listener it would end the process.
  pool.on('error', (error) => logger.debug({ err: error }, 'idle database connection lost'));
  clientsOf.set(pool, open);
  return pool;
}

/** Also those that are still connecting: the end of a pool waits for them, too. */
const clientsOf = new WeakMap<pg.Pool, ReadonlySet<pg.Client>>();
const END_PATIENCE_MS = 2000;

/** Ends a pool of `createPool`; a question that nobody answers is hung up on. */
export async function endPool(pool: pg.Pool, clock: Clock): Promise<void> {
  const timer = clock.after(END_PATIENCE_MS, () => {
    for (const client of clientsOf.get(pool) ?? []) client.connection.stream.destroy();
  });
  await pool.end();
  timer.cancel();
}

/** A client with the certificates of now. Files that cannot be read at the moment (half a rotation) leave the former ones. */
function freshClient(
  options: PoolOptions,
  first: pg.ClientConfig['ssl'],
  logger: Pick<Logger, 'debug'>,
  open: Set<pg.Client>,
): typeof pg.Client {
  let latest = first;
  return class extends pg.Client {
    constructor(config?: string | pg.ClientConfig) {
      try {
        latest = currentConfig(options).ssl;
      } catch (error) {
        logger.debug({ err: error }, 'certificates of the database cannot be read; the former ones are used');
      }
      const given = config as pg.ClientConfig;
      // By name: the pool hides the password from being spread.
      super({ ...given, password: given.password, ssl: latest });
      open.add(this);
      this.once('end', () => open.delete(this));
    }
  };
}
