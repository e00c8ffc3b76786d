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
 * made up for; both are counted. One refused tick is no trouble (the first run, beside the start, takes long); several in
 * a row are a schedule that is too tight. A failure is logged when it begins, not at each tick of an outage.
 */
/** So many ticks in a row find the run before them still under way: worth a warning, once. */
const OVERLAPS_TO_WARN = 3;

export function createTask(name: string, options: TaskOptions): Task {
  const { logger, count } = options;
  let running: Promise<void> | undefined;
  let error: string | undefined;
  let refusedInARow = 0;

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
        if (++refusedInARow === OVERLAPS_TO_WARN)
          logger.warn(
            { task: name, ticks: refusedInARow },
            'scheduler ticks refused: the run before is not over',
          );
      } else {
        refusedInARow = 0;
        running = run();
      }
    },
    idle: async () => running,
    error: () => error,
  };
}
