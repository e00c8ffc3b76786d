import type pg from 'pg';
import type { Catalog, CatalogRow } from '../../core/policy/catalog.ts';
import { FieldwatchError } from '../../core/errors.ts';
import { cut, endClient } from './bounded.ts';
import type { DatabaseOptions } from './connection.ts';
import { Connector } from './connector.ts';
import { databaseError } from './errors.ts';

export interface CatalogOptions extends DatabaseOptions {
  /** Of one query. Short: a verification must neither wait long for a lock nor hold up who waits behind it. */
  readonly statementTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
}

export interface ClosableCatalog extends Catalog {
  /** Idempotent; a query under way is cut off. */
  close(): Promise<void>;
}

const STATEMENT_TIMEOUT_MS = 10_000;
const LOCK_TIMEOUT_MS = 1000;
/** Past the server's own limit, for a server that has none (the embedded one) or that answers no more. */
const GRACE_MS = 5000;

/**
 * Reads for policy checks over a connection of its own, opened when first needed and again after it was lost. Each
 * query is a read-only transaction with its own limits: it can change nothing, whatever its text.
 */
export function createCatalog(options: CatalogOptions): ClosableCatalog {
  const limits = {
    statementTimeoutMs: options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
    lockTimeoutMs: options.lockTimeoutMs ?? LOCK_TIMEOUT_MS,
  };
  const connector = new Connector({ ...options, ...limits });
  let client: pg.Client | undefined;
  let closed = false;
  let turn: Promise<unknown> = Promise.resolve();

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

  async function select(text: string, values: readonly unknown[]): Promise<readonly CatalogRow[]> {
    const using = await connected();
    // Cutting the connection makes pending queries of `using` fail, so the promise below always settles.
    let silent = false;
    const guard = setTimeout(() => {
      silent = true;
      cut(using);
    }, limits.statementTimeoutMs + GRACE_MS);
    try {
      await using.query('BEGIN TRANSACTION READ ONLY');
      const result = await using.query<CatalogRow>(text, [...values]);
      await using.query('COMMIT');
      // The one way to read a root table (see the check `root_rows`): the driver leaves out what is copied, and the tag counts it.
      return result.command === 'COPY' ? [{ copied: result.rowCount }] : result.rows;
    } catch (error) {
      await using.query('ROLLBACK').catch(() => drop(using));
      throw silent ? noAnswer(limits.statementTimeoutMs + GRACE_MS, error) : error;
    } finally {
      clearTimeout(guard);
    }
  }

  return {
    // One at a time: a transaction is a state of the connection.
    select(text, values = []) {
      const result = turn.then(() => select(text, values));
      turn = result.catch(() => undefined);
      return result.catch((error: unknown) => {
        throw databaseError(error, 'reading the catalog');
      });
    },
    async close() {
      closed = true;
      const open = client;
      client = undefined;
      if (open !== undefined) await endClient(open);
    },
  };
}

const noAnswer = (afterMs: number, cause: unknown) =>
  new FieldwatchError(`database: reading the catalog: no answer within ${afterMs} ms`, {
    code: 'CATALOG_TIMEOUT',
    kind: 'transient',
    cause,
  });
