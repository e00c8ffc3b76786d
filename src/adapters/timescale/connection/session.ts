import type pg from 'pg';
import { FieldwatchError } from '../../../core/errors.ts';
import { SerialQueue } from '../../../lib/serial-queue.ts';
import { noAnswer } from '../../../lib/timeout.ts';
import type { Logger } from '../../../ports/metrics.ts';
import { DEFAULT_TIMEOUTS, type DatabaseOptions } from './connection.ts';
import { Connector } from './connector.ts';
import { copyIn } from './copy-in.ts';
import { databaseError, classify } from '../errors.ts';
import { bounded, cut, endClient } from './query-timeout.ts';
import { rollBack } from './transaction.ts';

export interface SessionOptions extends DatabaseOptions {
  /**
   * How long one statement may stay without an answer before the link counts as dead; more than statementTimeoutMs, so
   * that a slow server answers first. Default: statementTimeoutMs + 5 s.
   */
  readonly answerTimeoutMs?: number;
  /** Run on each new connection, before anything else. */
  readonly onConnect?: (client: pg.Client) => Promise<void>;
}

export interface SessionDeps {
  readonly logger?: Pick<Logger, 'debug'> | undefined;
}

/** One unit of work on the connection: each query is bounded in time. */
export interface Work {
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<pg.QueryResult<Row>>;
  /** Several statements in one message, without parameters; one result each. */
  script(text: string): Promise<readonly pg.QueryResult[]>;
  /** See `copyIn`. */
  copy(text: string, parts: Iterable<Uint8Array>): Promise<number>;
}

/** How long to wait for an answer. */
export interface Wait {
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each answer. */
  readonly answered?: (() => void) | undefined;
}

/**
 * One connection, opened on demand and replaced when it breaks. Work is done one at a time, in the order it came. After
 * work that failed the connection is either clean (rolled back) or gone; it never stays in an unknown state.
 */
export class DatabaseSession {
  readonly #options: SessionOptions;
  readonly #deps: SessionDeps;
  readonly #answerMs: number;
  #connector: Connector | undefined;
  #client: pg.Client | undefined;
  readonly #queue = new SerialQueue();
  #closed = false;

  constructor(options: SessionOptions, deps: SessionDeps = {}) {
    this.#options = options;
    this.#deps = deps;
    this.#answerMs =
      options.answerTimeoutMs ?? (options.statementTimeoutMs ?? DEFAULT_TIMEOUTS.statementTimeoutMs) + 5000;
  }

  /** True while a connection is open, as far as this side knows. */
  get connected(): boolean {
    return this.#client !== undefined;
  }

  /**
   * Rejects with what `work` rejected with; see `databaseError` for making it a FieldwatchError. The signal of `wait` hangs
   * up: the work then rejects with DB_NO_ANSWER.
   */
  run<T>(work: (work: Work) => Promise<T>, wait: Wait = {}): Promise<T> {
    return this.#queue.run(() => this.#run(work, wait));
  }

  /** Idempotent; waits for the work under way, but not for a link that does not answer. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.disconnect();
  }

  /** `close`, and the work under way is cut off. */
  async hangUp(): Promise<void> {
    this.#closed = true;
    await this.#end();
  }

  /** As `close`, and the next work opens another connection. */
  disconnect(): Promise<void> {
    return this.#queue.run(() => this.#end());
  }

  async #end(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (client !== undefined) await endClient(client);
  }

  async #run<T>(work: (work: Work) => Promise<T>, { signal, answered }: Wait): Promise<T> {
    const client = await this.#connect(signal);
    const hangUp = () => cut(client);
    signal?.addEventListener('abort', hangUp);
    try {
      if (signal?.aborted === true) throw noAnswer();
      return await work(this.#workOn(client, answered));
    } catch (cause) {
      const error = signal?.aborted === true ? noAnswer({ cause }) : cause;
      await this.#recover(client, error);
      throw error;
    } finally {
      signal?.removeEventListener('abort', hangUp);
    }
  }

  async #connect(signal: AbortSignal | undefined): Promise<pg.Client> {
    if (this.#closed) throw closed();
    if (this.#client !== undefined) return this.#client;
    const client = await this.#open(signal);
    if (this.#closed) {
      cut(client);
      throw closed();
    }
    client.on('error', (error) => {
      if (this.#client !== client) return;
      this.#client = undefined;
      this.#deps.logger?.debug({ err: error }, 'database connection lost');
    });
    client.on('end', () => {
      if (this.#client === client) this.#client = undefined;
    });
    this.#client = client;
    return client;
  }

  async #open(signal: AbortSignal | undefined): Promise<pg.Client> {
    try {
      this.#connector ??= new Connector(this.#options);
      const client = await this.#connector.open(signal);
      try {
        await bounded(client, this.#answerMs, async () => this.#options.onConnect?.(client));
        return client;
      } catch (error) {
        cut(client);
        throw error;
      }
    } catch (error) {
      throw databaseError(signal?.aborted === true ? noAnswer({ cause: error }) : error, 'connecting');
    }
  }

  #workOn(client: pg.Client, answered: () => void = () => {}): Work {
    const answerTo = async <T>(asked: Promise<T>): Promise<T> => {
      const answer = await bounded(client, this.#answerMs, () => asked);
      answered();
      return answer;
    };
    return {
      query: (text, values) => answerTo(client.query(text, values)),
      script: async (text) => {
        const results: unknown = await answerTo(client.query(text));
        return (Array.isArray(results) ? results : [results]) as pg.QueryResult[];
      },
      copy: (text, parts) => answerTo(copyIn(client, text, parts)),
    };
  }

  async #recover(client: pg.Client, error: unknown): Promise<void> {
    if (this.#client !== client) return cut(client);
    if (error instanceof FieldwatchError ? error.code !== 'DB_NO_ANSWER' : classify(error).lost !== true) {
      try {
        await bounded(client, this.#answerMs, () => rollBack(client));
        return;
      } catch {
        // Not even that: fall through and let it go.
      }
    }
    this.#client = undefined;
    cut(client);
  }
}

const closed = () =>
  new FieldwatchError('database: the connection is closed', { code: 'DB_CLOSED', kind: 'bug' });
