import pg from 'pg';
import type { Logger } from '../../ports.ts';
import { connectionConfig, DEFAULT_TIMEOUTS, type DatabaseOptions } from './connection.ts';

export interface PoolOptions extends DatabaseOptions {
  readonly max?: number;
}

/**
 * Connections for readers: lookups, checks, queries, the CLI. Every question is bounded on the server
 * (statement_timeout) and, for a link that stalls, on this side (query_timeout).
 *
 * Certificates are read once, here: pg keeps the configuration for all later connections of the pool.
 */
export async function createPool(options: PoolOptions, logger: Pick<Logger, 'debug'>): Promise<pg.Pool> {
  const config = await connectionConfig(options);
  const statementTimeoutMs = options.statementTimeoutMs ?? DEFAULT_TIMEOUTS.statementTimeoutMs;
  const pool = new pg.Pool({
    ...config,
    max: options.max ?? 4,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    ...(statementTimeoutMs === 0 ? {} : { query_timeout: statementTimeoutMs + 5000 }),
  });
  // An idle connection that the server closes is replaced at the next query; without a listener it would end the process.
  pool.on('error', (error) => logger.debug({ err: error }, 'idle database connection lost'));
  return pool;
}
