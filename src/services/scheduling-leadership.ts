import { messageOf } from '../core/errors.ts';
import type { LeaderLock, Logger, Metrics } from '../ports.ts';

/** `unknown`: not asked yet, or the database does not answer. */
export type SchedulingRole = 'unknown' | 'leader' | 'standby';

export interface Leadership {
  hold(): Promise<boolean>;
  role(): SchedulingRole;
  release(): Promise<void>;
}

/** Of several daemons on one database one acts: this asks the lock, and says when that changes. */
export function createLeadership(
  lock: LeaderLock,
  metrics: Metrics,
  logger: Logger,
  onLost: () => void,
): Leadership {
  const gauge = metrics.gauge('fieldwatch_scheduler_leader', '1 while this daemon looks after the policies');
  let role: SchedulingRole = 'unknown';
  let asking: Promise<boolean> | undefined;

  function become(next: SchedulingRole): void {
    gauge.set(next === 'leader' ? 1 : 0);
    if (role === next) return;
    role = next;
    // Not when the database is away: what was found there is still so, as far as anybody knows.
    if (next === 'standby') onLost();
    if (next === 'leader') logger.info({}, 'this daemon looks after the policies');
    if (next === 'standby') logger.info({}, 'another daemon looks after the policies');
  }

  async function ask(): Promise<boolean> {
    try {
      const held = await lock.tryHold();
      become(held ? 'leader' : 'standby');
      return held;
    } catch (error) {
      // What was true of the lock before is not known now; the next tick asks again.
      become('unknown');
      throw error;
    }
  }

  return {
    // Two tasks of one tick ask one question.
    hold: () => (asking ??= ask().finally(() => (asking = undefined))),
    role: () => role,
    async release() {
      await lock.release().catch((error: unknown) => {
        logger.warn({ error: messageOf(error) }, 'leadership was not given up; it ends with the connection');
      });
      become('unknown');
    },
  };
}
