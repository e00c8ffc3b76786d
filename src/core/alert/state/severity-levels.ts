import type { Micros } from '../../reading.ts';
import { type Condition, escalationDelayUs, onDelayUs } from '../rules/condition.ts';
import type { LastEvent, LevelTimes, StateOf, Evaluation } from './state.ts';

/** Continues, starts or breaks the run of each level. A gap breaks every run: what was in between is unknown. */
export function track(
  condition: Condition,
  before: LevelTimes,
  evaluation: Evaluation,
  timeUs: Micros,
  gap: boolean,
): LevelTimes {
  let same = before.length === condition.levels.length;
  const after = condition.levels.map((_, index) => {
    const since = index > evaluation.breached ? undefined : gap ? timeUs : (before[index] ?? timeUs);
    same &&= since === before[index];
    return since;
  });
  return same ? before : after;
}

/** The highest level that has been breached for its delay from OK or PENDING, or -1. */
export function confirmedLevel(condition: Condition, levels: LevelTimes, timeUs: Micros): number {
  return condition.levels.findLastIndex((level, index) => {
    const since = levels[index];
    return since !== undefined && timeUs - since >= onDelayUs(condition, level);
  });
}

/** The highest level above `current` whose own delay has passed, or -1. */
export function escalationLevel(
  condition: Condition,
  levels: LevelTimes,
  current: number,
  timeUs: Micros,
): number {
  const index = condition.levels.findLastIndex((level, index) => {
    const since = levels[index];
    return since !== undefined && timeUs - since >= escalationDelayUs(level);
  });
  return index > current ? index : -1;
}

/**
 * When the passing of time alone fires a `held` condition: since + for, if the last reading is younger than
 * `stale_after` then. Independent of when it is checked, so that a replay gives the same row.
 */
export function pendingDeadlineUs(
  condition: Condition,
  state: StateOf<'pending'>,
  last: LastEvent | undefined,
): Micros | undefined {
  if (condition.forMode !== 'held' || state.streak < condition.minSamples) return undefined;
  return fresh(
    condition,
    last,
    earliest(condition, state.levels, (level) => onDelayUs(condition, level)),
  );
}

/**
 * When the passing of time alone escalates a firing `held` condition. A level that is waiting was breached before the alert
 * fired, so without a `for` of its own it waits for the rule's; the next reading escalates it at once.
 */
export function escalationDeadlineUs(
  condition: Condition,
  levels: LevelTimes,
  current: number,
  last: LastEvent | undefined,
): Micros | undefined {
  if (condition.forMode !== 'held') return undefined;
  const above = levels.map((since, index) => (index > current ? since : undefined));
  return fresh(
    condition,
    last,
    earliest(condition, above, (level) => onDelayUs(condition, level)),
  );
}

function earliest(
  condition: Condition,
  levels: LevelTimes,
  delay: (level: Condition['levels'][number]) => Micros,
): Micros | undefined {
  let found: Micros | undefined;
  condition.levels.forEach((level, index) => {
    const since = levels[index];
    if (since !== undefined && (found === undefined || since + delay(level) < found))
      found = since + delay(level);
  });
  return found;
}

function fresh(
  condition: Condition,
  last: LastEvent | undefined,
  deadlineUs: Micros | undefined,
): Micros | undefined {
  if (deadlineUs === undefined || last === undefined) return undefined;
  return deadlineUs - last.timeUs < condition.staleAfterUs ? deadlineUs : undefined;
}
