import { setTimeout as sleep } from 'node:timers/promises';
import type { CatalogRow } from '../../../core/policy/catalog.ts';
import type { StatementExecutor } from '../../../core/policy/repair/repair-plan.ts';
import type { DatabaseOptions } from '../connection/connection.ts';
import { databaseError } from '../errors.ts';
import { Session } from '../connection/session.ts';

export interface StatementExecutorOptions extends Omit<
  DatabaseOptions,
  'statementTimeoutMs' | 'lockTimeoutMs'
> {
  /** Of one slice. */
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
const ATTEMPTS = 4;
const PAUSE_MS = 500;

/** Runs repairs over a connection of its own: outside of transactions, and yielding to all other work. */
export function createStatementExecutor(options: StatementExecutorOptions): ClosableStatementExecutor {
  const sliceMs = options.sliceTimeoutMs ?? SLICE_TIMEOUT_MS;
  const session = new Session({
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
    async run(sql) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await once(sql);
        } catch (error) {
          // A chunk in use, a deadlock, a refresh that overlaps the policy's: a later attempt succeeds.
          const contended = (error as { code?: unknown }).code === 'DB_CONTENTION';
          if (!contended || attempt === ATTEMPTS) throw error;
          await sleep(PAUSE_MS * attempt);
        }
      }
    },
    close: () => session.hangUp(),
  };
}
