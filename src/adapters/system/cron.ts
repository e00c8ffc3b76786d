import cron from 'node-cron';
import { FieldwatchError } from '../../core/errors.ts';
import { type CronBeatOutcome, cronBeat, firstCronBeat } from '../../core/policy/jobs/cron-beat.ts';
import { hasWholeHours } from '../../core/zone.ts';
import type { Cron, CronTask, CronTick } from '../../ports/maintenance.ts';
import type { Clock, Timer } from '../../ports/time.ts';

/**
 * node-cron reads the expressions and says when the next slot is; the timer is our own. node-cron's makes up for every
 * slot between two looks at the clock: on a board without a clock that gets the time after its start that is a callback
 * for each minute of a month, in one event loop iteration.
 */
export function createCron(clock: Clock): Cron {
  return {
    validate: (expression) => cron.validate(expression),
    schedule: (expression, timezone, run) => schedule(clock, slotsOf(expression, timezone), run),
  };
}

/** The first slot after now, by the wall clock of the system. */
function slotsOf(expression: string, timezone: string): () => number {
  if (!cron.validate(expression)) {
    throw new FieldwatchError(`scheduler: "${expression}" is no cron expression`, {
      code: 'CRON_INVALID',
      kind: 'config',
      remedy: 'Use five fields (minute hour day month weekday), or six with seconds first.',
    });
  }
  // Never started: it only answers when the next slot is.
  const zone = isEveryHour(expression) && isOfWholeHours(timezone) ? 'UTC' : timezone;
  const task = cron.createTask(expression, () => undefined, { timezone: zone, logger: SILENT });
  return () => {
    const [slot] = task.getNextRuns(1);
    if (slot === undefined) throw new Error(`no next slot of "${expression}"`);
    return slot.getTime();
  };
}

/**
 * Only the minutes matter: the zone must not, for in the hour that comes twice when clocks are set back node-cron finds
 * no slot before the second one.
 */
const isEveryHour = (expression: string): boolean =>
  expression
    .trim()
    .split(/\s+/)
    .slice(-4)
    .every((field) => field === '*');

/** True where full hours are those of UTC, in winter and in summer. */
const isOfWholeHours = (timezone: string): boolean =>
  [0, 6].every((month) => hasWholeHours(timezone, Date.UTC(2026, month, 1)));

/** Exported for tests, which give slots of their own. */
export function schedule(clock: Clock, nextMs: () => number, run: (tick: CronTick) => void): CronTask {
  let timer: Timer | undefined;
  let stopped = false;
  const wait = ({ tick, beat, waitMs }: CronBeatOutcome): void => {
    if (tick !== undefined) run(tick);
    if (stopped) return;
    timer = clock.after(waitMs, () => wait(cronBeat(beat, clock.nowMs(), nextMs)));
  };
  wait(firstCronBeat(clock.nowMs(), nextMs));
  return {
    stop: () => {
      stopped = true;
      timer?.cancel();
    },
  };
}

const SILENT = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} };
