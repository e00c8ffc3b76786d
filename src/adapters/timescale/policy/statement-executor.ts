import type { CatalogRow } from '../../../core/policy/catalog.ts';
import { codeOf } from '../errors.ts';
import type { StatementExecutor } from '../../../core/policy/repair/repair-plan.ts';
import { type RetryPolicy, retried } from '../../../lib/retry.ts';
import { createSystemClock } from '../../system/clock.ts';
import type { DatabaseOptions } from '../connection/connection.ts';
import { databaseError } from '../errors.ts';
import { DatabaseSession } from '../connection/session.ts';

export interface StatementExecutorOptions extends Omit<
  DatabaseOptions,
  'statementTimeoutMs' | 'lockTimeoutMs'
> {
  /** Limit of one slice of a repair. */
  readonly sliceTimeoutMs?: number;
}

export interface ClosableStatementExecutor extends StatementExecutor {
  /** Idempotent; a statement under way is cut off. */
  close(): Promise<void>;
}

/** Short: a statement that waits for a lock on a chunk makes all later ones wait too, readers included. */
const LOCK_TIMEOUT_MS = 2000;
const SLICE_TIMEOUT_MS = 600_000;
/** Past the server's own limit, for one that no longer answers. */
const GRACE_MS = 10_000;
/** A chunk in use, a deadlock, a refresh that overlaps the policy's: a later attempt succeeds. */
const CONTENDED: RetryPolicy = {
  attempts: 4,
  waitMs: (retry) => 500 * retry,
  isRetried: (error) => codeOf(error) === 'DB_CONTENTION',
};

/** Runs repairs over a connection of its own: outside of transactions, and yielding to all other work. */
export function createStatementExecutor(options: StatementExecutorOptions): ClosableStatementExecutor {
  const clock = createSystemClock();
  const sliceMs = options.sliceTimeoutMs ?? SLICE_TIMEOUT_MS;
  const session = new DatabaseSession({
    ...options,
    statementTimeoutMs: sliceMs,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
    answerTimeoutMs: sliceMs + GRACE_MS,
  });

  async function once(sql: string): Promise<readonly CatalogRow[]> {
    try {
      return (await session.run((work) => work.query<CatalogRow>(sql))).rows;
    } catch (error) {
      throw databaseError(error, 'repairing');
    }
  }

  return {
    run: (sql) => retried(clock, CONTENDED, () => once(sql)),
    close: () => session.hangUp(),
  };
}
