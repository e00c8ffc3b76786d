import type { LeaderLock } from '../../../ports/maintenance.ts';
import { type LockPurpose, lockKey } from '../connection/connection.ts';
import { databaseError } from '../errors.ts';
import { DatabaseSession, type SessionDeps, type SessionOptions } from '../connection/session.ts';

/**
 * Leadership is a session advisory lock on a connection of its own: it lasts exactly as long as that connection does, so
 * a daemon that is killed, cut off or frozen long enough for its server to notice loses it without a timeout of ours.
 */
export class AdvisoryLeaderLock implements LeaderLock {
  readonly #options: SessionOptions;
  readonly #deps: SessionDeps;
  readonly #work: LockPurpose;
  #session: DatabaseSession | undefined;
  /** On the connection that is open now: a new one starts without. */
  #held = false;

  /** `work` names the task that only one daemon runs at a time. */
  constructor(options: SessionOptions, deps: SessionDeps, work: LockPurpose = 'scheduler') {
    this.#work = work;
    this.#options = {
      statementTimeoutMs: 5000,
      answerTimeoutMs: 10_000,
      ...options,
      onConnect: async () => {
        this.#held = false;
      },
    };
    this.#deps = deps;
  }

  /** Queries the server each time: a connection that looks open may be a dead one. */
  async tryHold(): Promise<boolean> {
    this.#session ??= new DatabaseSession(this.#options, this.#deps);
    try {
      this.#held = await this.#session.run(async (work) => {
        const result = await work.query<{ held: boolean }>(
          this.#held ? 'SELECT true AS held' : `SELECT pg_try_advisory_lock(${lockKey(this.#work)}) AS held`,
        );
        return result.rows[0]?.held === true;
      });
      return this.#held;
    } catch (error) {
      this.#held = false;
      throw databaseError(error, 'taking the scheduler lock');
    }
  }

  /** Closing the connection releases the lock, whatever state it is in. Idempotent. */
  async release(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#held = false;
    await session?.close();
  }
}
