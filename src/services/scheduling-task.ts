import { messageOf } from '../core/errors.ts';
import type { CronTick, Logger } from '../ports.ts';

export type TaskOutcome = 'done' | 'standby';

export interface Task {
  /** Never rejects and never waits. */
  tick(tick: CronTick): void;
  /** Resolves when no run is under way. */
  idle(): Promise<void>;
  /** Why the latest run failed; undefined when it did not. */
  error(): string | undefined;
}

export interface TaskOptions {
  readonly run: () => Promise<TaskOutcome>;
  readonly logger: Logger;
  readonly count: (outcome: TaskOutcome | 'failed' | 'overlap' | 'missed') => void;
}

/**
 * Something that a schedule starts. A tick that comes while a run is under way is refused, one that was missed is not
 * made up for; both are counted, because either, repeated, is a schedule that is too tight. A failure is logged when it
 * begins, not at each tick of an outage.
 */
export function createTask(name: string, options: TaskOptions): Task {
  const { logger, count } = options;
  let running: Promise<void> | undefined;
  let error: string | undefined;

  async function run(): Promise<void> {
    try {
      count(await options.run());
      if (error !== undefined) logger.info({ task: name }, 'scheduler task works again');
      error = undefined;
    } catch (cause) {
      count('failed');
      const message = messageOf(cause);
      if (error === undefined) logger.error({ task: name, error: message }, 'scheduler task failed');
      error = message;
    } finally {
      running = undefined;
    }
  }

  return {
    tick({ kind, atMs }) {
      if (kind === 'missed') {
        count('missed');
        logger.warn({ task: name, at: new Date(atMs).toISOString() }, 'scheduler tick was missed');
      } else if (running !== undefined) {
        count('overlap');
        logger.warn({ task: name }, 'scheduler tick refused: the run before is not over');
      } else {
        running = run();
      }
    },
    idle: async () => running,
    error: () => error,
  };
}
