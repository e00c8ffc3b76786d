import type pg from 'pg';
import { FieldwatchError, codeOf as fieldwatchCode } from '../../../core/errors.ts';
import type { Catalog, CatalogRow } from '../../../core/policy/catalog.ts';
import type { DatabaseOptions } from '../connection/connection.ts';
import { codeOf, databaseError, isSqlState } from '../errors.ts';
import { DatabaseSession, type Work } from '../connection/session.ts';

export interface CatalogOptions extends DatabaseOptions {
  /** Limits of one query. Short: a verification must neither wait long for a lock nor block statements that wait behind it. */
  readonly statementTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
}

export interface ClosableCatalog extends Catalog {
  /** Idempotent; a query under way is aborted. */
  close(): Promise<void>;
}

const STATEMENT_TIMEOUT_MS = 10_000;
const LOCK_TIMEOUT_MS = 1000;
/** Limits of trial statements, which others may wait for meanwhile: the result of a longer one is unknown. */
const TRIAL_LOCK_MS = 200;
const TRIAL_MS = 2000;
/** The queries read little, and have many plan nodes: compiling them (JIT) takes several times as long as running them. */
const UNCOMPILED = 'SET LOCAL jit = off';
const BEGIN = `BEGIN TRANSACTION READ ONLY; ${UNCOMPILED}`;
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
  const answerTimeoutMs = limits.statementTimeoutMs + GRACE_MS;
  const session = new DatabaseSession({ ...options, ...limits, answerTimeoutMs });

  async function transaction<Answer>(run: (work: Work) => Promise<Answer>): Promise<Answer> {
    try {
      return await session.run(async (work) => {
        try {
          return await run(work);
        } catch (error) {
          throw fieldwatchCode(error) === 'DB_NO_ANSWER' ? noAnswer(answerTimeoutMs, error) : error;
        }
      });
    } catch (error) {
      throw databaseError(error, 'reading the catalog');
    }
  }

  return {
    select: (text, values = []) =>
      transaction(async (work) => {
        const result =
          values.length === 0 ? await inOneMessage(work, text) : await inSteps(work, text, values);
        // The one way to read a root table (see the check `root_rows`): the driver leaves out what is copied, and the tag counts it.
        return result.command === 'COPY' ? [{ copied: result.rowCount }] : (result.rows as CatalogRow[]);
      }),
    tryOut: (text) =>
      transaction(async (work) => {
        await work.script(`BEGIN; ${UNCOMPILED}`);
        await work.query(`SET LOCAL lock_timeout = ${TRIAL_LOCK_MS}`);
        await work.query(`SET LOCAL statement_timeout = ${TRIAL_MS}`);
        const refused = await work.query(text).then(() => undefined, refusal);
        await work.query('ROLLBACK');
        return refused === undefined ? [] : [refused];
      }),
    close: () => session.hangUp(),
  };
}

/** A verification asks a hundred times: one round trip each. The time limit is that of each statement. */
async function inOneMessage(work: Work, text: string): Promise<pg.QueryResult> {
  const [, , result] = await work.script(`${BEGIN};\n${text}\n;COMMIT`);
  if (result === undefined) throw new Error('the database gave no result for a query');
  return result;
}

async function inSteps(work: Work, text: string, values: readonly unknown[]): Promise<pg.QueryResult> {
  await work.script(BEGIN);
  const result = await work.query<CatalogRow>(text, [...values]);
  await work.query('COMMIT');
  return result;
}

/** The server's refusal as a row; undefined for an error of the connection. */
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
