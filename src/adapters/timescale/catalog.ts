import type pg from 'pg';
import { FieldwatchError } from '../../core/errors.ts';
import type { Catalog, CatalogRow } from '../../core/policy/catalog.ts';
import { SerialQueue } from '../../lib/serial-queue.ts';
import type { DatabaseOptions } from './connection.ts';
import { Connector } from './connector.ts';
import { codeOf, databaseError, isSqlState } from './errors.ts';
import { cut, endClient } from './query-timeout.ts';

export interface CatalogOptions extends DatabaseOptions {
  /** Of one query. Short: a verification must neither wait long for a lock nor block statements that wait behind it. */
  readonly statementTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
}

export interface ClosableCatalog extends Catalog {
  /** Idempotent; a query under way is aborted. */
  close(): Promise<void>;
}

const STATEMENT_TIMEOUT_MS = 10_000;
const LOCK_TIMEOUT_MS = 1000;
/** Of trial statements, which others may wait for meanwhile: the result of a longer one is unknown. */
const TRIAL_LOCK_MS = 200;
const TRIAL_MS = 2000;
/** What is read is small, and has many plan nodes: compiling them (JIT) takes several times as long as running them. */
const UNCOMPILED = 'SET LOCAL jit = off';
/** Past the server's own limit, for a server that has none (the embedded one) or that answers no more. */
const GRACE_MS = 5000;

/**
 * Reads for policy checks over a connection of its own, opened when first needed and again after it was lost. Each
 * query is a read-only transaction with its own limits, or one that is rolled back: it can change nothing, whatever its text.
 */
export function createCatalog(options: CatalogOptions): ClosableCatalog {
  const limits = {
    statementTimeoutMs: options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
    lockTimeoutMs: options.lockTimeoutMs ?? LOCK_TIMEOUT_MS,
  };
  const connector = new Connector({ ...options, ...limits });
  let client: pg.Client | undefined;
  let closed = false;
  const queue = new SerialQueue();

  async function connected(): Promise<pg.Client> {
    if (closed) throw new FieldwatchError('catalog: closed', { code: 'CATALOG_CLOSED', kind: 'bug' });
    if (client !== undefined) return client;
    const opened = await connector.open();
    opened.on('error', () => drop(opened));
    client = opened;
    return opened;
  }

  function drop(lost: pg.Client): void {
    if (client === lost) client = undefined;
    void endClient(lost);
  }

  async function transaction<Answer>(
    begin: string,
    work: (using: pg.Client) => Promise<Answer>,
  ): Promise<Answer> {
    const using = await connected();
    // Cutting the connection makes pending queries of `using` fail, so the promise below always settles.
    let silent = false;
    const guard = setTimeout(() => {
      silent = true;
      cut(using);
    }, limits.statementTimeoutMs + GRACE_MS);
    try {
      await using.query(begin);
      return await work(using);
    } catch (error) {
      await using.query('ROLLBACK').catch(() => drop(using));
      throw silent ? noAnswer(limits.statementTimeoutMs + GRACE_MS, error) : error;
    } finally {
      clearTimeout(guard);
    }
  }

  // One at a time: a transaction is a state of the connection.
  function inTurn<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    return queue.run(work).catch((error: unknown) => {
      throw databaseError(error, 'reading the catalog');
    });
  }

  return {
    select: (text, values = []) =>
      inTurn(() =>
        transaction(`BEGIN TRANSACTION READ ONLY; ${UNCOMPILED}`, async (using) => {
          const result = await using.query<CatalogRow>(text, [...values]);
          await using.query('COMMIT');
          // The one way to read a root table (see the check `root_rows`): the driver leaves out what is copied, and the tag counts it.
          return result.command === 'COPY' ? [{ copied: result.rowCount }] : result.rows;
        }),
      ),
    tryOut: (text) =>
      inTurn(() =>
        transaction(`BEGIN; ${UNCOMPILED}`, async (using) => {
          await using.query(`SET LOCAL lock_timeout = ${TRIAL_LOCK_MS}`);
          await using.query(`SET LOCAL statement_timeout = ${TRIAL_MS}`);
          const refused = await using.query(text).then(() => undefined, refusal);
          await using.query('ROLLBACK');
          return refused === undefined ? [] : [refused];
        }),
      ),
    async close() {
      closed = true;
      const open = client;
      client = undefined;
      if (open !== undefined) await endClient(open);
    },
  };
}

/** What the server refused, and whether it did: an error of the connection does not count. */
function refusal(error: unknown): CatalogRow | undefined {
  const code = codeOf(error);
  if (code === undefined || !isSqlState(code)) throw error;
  const { message, detail } = error as { message?: unknown; detail?: unknown };
  return UNDECIDED.test(code) ? undefined : { code, message, detail };
}

/** A conflict with others, a limit of time, or a server that shuts down. */
const UNDECIDED = /^(40|55P03|57)/;

const noAnswer = (afterMs: number, cause: unknown) =>
  new FieldwatchError(`database: reading the catalog: no answer within ${afterMs} ms`, {
    code: 'CATALOG_TIMEOUT',
    kind: 'transient',
    cause,
  });
