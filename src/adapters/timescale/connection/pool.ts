import pg from 'pg';
import type { Logger } from '../../../ports/metrics.ts';
import type { Clock } from '../../../ports/time.ts';
import { DEFAULT_TIMEOUTS, type DatabaseOptions } from './connection.ts';
import { Connector } from './connector.ts';
import { databaseError } from '../errors.ts';
import { cut } from './query-timeout.ts';

export interface PoolOptions extends DatabaseOptions {
  readonly max?: number;
}

/**
 * Connections for readers: lookups, checks, queries, the CLI. Every question is bounded on the server
 * (statement_timeout) and, for a link that stalls, on this side (query_timeout).
 */
export async function createPool(options: PoolOptions, logger: Pick<Logger, 'debug'>): Promise<pg.Pool> {
  const connector = new Connector(options);
  const { connectionTimeoutMillis } = connector.config();
  const statementTimeoutMs = options.statementTimeoutMs ?? DEFAULT_TIMEOUTS.statementTimeoutMs;
  const open = new Set<pg.Client>();
  const pool = new HostPool(connector, {
    connectionTimeoutMillis,
    Client: pooledClient(connector, open),
    onConnect: settledBy(connector),
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

/** Ends a pool of `createPool`; an unanswered query is abandoned. */
export async function endPool(pool: pg.Pool, clock: Clock): Promise<void> {
  const timer = clock.after(END_PATIENCE_MS, () => {
    for (const client of clientsOf.get(pool) ?? []) cut(client);
  });
  await pool.end();
  timer.cancel();
}

/** A pool as the queries see it: its errors carry a code, a kind and a remedy. */
export const readerOf = (pool: pg.Pool) => ({
  query: async <Row>(text: string, values: unknown[]): Promise<{ rows: Row[] }> => {
    try {
      const { rows } = await pool.query(text, values);
      return { rows: rows as Row[] };
    } catch (error) {
      throw databaseError(error, 'reading');
    }
  },
});

/** The pool waits for what it returns, whatever its declaration says. */
const settledBy =
  (connector: Connector): ((client: pg.ClientBase) => void) =>
  (client) =>
    connector.pinSettings(client as pg.Client);

type Lent = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  release: (error?: Error) => void,
) => void;

/** A pool that tries the next host where one does not do. */
class HostPool extends pg.Pool {
  readonly #connector: Connector;

  constructor(connector: Connector, config: pg.PoolConfig) {
    super(config);
    this.#connector = connector;
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Lent): void;
  override connect(callback?: Lent): Promise<pg.PoolClient> | void {
    if (callback === undefined) return this.#connect();
    this.#connect().then(
      (client) => callback(undefined, client, (error) => client.release(error)),
      (error: Error) => callback(error, undefined, () => undefined),
    );
  }

  async #connect(): Promise<pg.PoolClient> {
    for (let left = this.#connector.hosts - 1; ; left--) {
      try {
        return await super.connect();
      } catch (error) {
        if (!this.#connector.tryNext(error) || left <= 0) throw error;
      }
    }
  }
}

/** The pool makes its clients itself: this one has the host, password and certificates of now, and is hung up if refused. */
function pooledClient(connector: Connector, open: Set<pg.Client>): typeof pg.Client {
  return class extends pg.Client {
    constructor(config?: string | pg.ClientConfig) {
      // What the pool was given is spread without a password, which it hides: the connector's comes by name.
      super({ ...(config as pg.ClientConfig), ...connector.config() });
      open.add(this);
      this.once('end', () => open.delete(this));
    }

    override connect(): Promise<pg.Client>;
    override connect(callback: (error: Error | null) => void): void;
    override connect(callback?: (error: Error | null) => void): Promise<pg.Client> | void {
      if (callback === undefined) return super.connect();
      super.connect((error: Error | null) => {
        if (error !== null) cut(this);
        callback(error);
      });
    }
  };
}
