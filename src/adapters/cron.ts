import cron from 'node-cron';
import { FieldwatchError } from '../core/errors.ts';
import type { Cron, CronTask, CronTick } from '../ports.ts';

/** node-cron with its own logging off: what it would print, the scheduling service counts and logs. */
export function createCron(): Cron {
  return {
    validate: (expression) => cron.validate(expression),
    schedule: (expression, timezone, run) => schedule(expression, timezone, run),
  };
}

function schedule(expression: string, timezone: string, run: (tick: CronTick) => void): CronTask {
  if (!cron.validate(expression)) {
    throw new FieldwatchError(`scheduler: "${expression}" is no cron expression`, {
      code: 'CRON_INVALID',
      kind: 'config',
      remedy: 'Use five fields (minute hour day month weekday), or six with seconds first.',
    });
  }
  // Whether a run overlaps the one before is the service's question: it also runs at start, and it counts.
  const task = cron.schedule(expression, ({ date }) => run({ kind: 'due', atMs: date.getTime() }), {
    timezone,
    logger: SILENT,
    suppressMissedWarning: true,
  });
  task.on('execution:missed', ({ date }) => run({ kind: 'missed', atMs: date.getTime() }));
  return { stop: () => void task.destroy() };
}

const SILENT = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} };
