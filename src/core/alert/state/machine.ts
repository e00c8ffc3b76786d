import { isAbsence, kindOf } from '../kind/index.ts';
import type { Micros, Millis } from '../../reading.ts';
import { excessOf, evaluateThreshold } from '../kind/limits.ts';
import { type Condition, levelOf } from '../rules/condition.ts';
import { fromFlapping } from './flapping.ts';
import {
  confirmedLevel,
  escalationDeadlineUs,
  escalationLevel,
  pendingDeadlineUs,
  track,
} from './severity-levels.ts';
import type {
  Effect,
  EpisodeState,
  FlapTimes,
  LastEvent,
  LevelTimes,
  StateOf,
  StepInput,
  StepResult,
  Evaluation,
} from './state.ts';
import {
  about,
  acknowledge,
  clear,
  close,
  deescalate,
  effect,
  escalate,
  fire,
  resolve,
  result,
  then,
  withPeak,
} from './transitions.ts';

/**
 * The only state machine of an alert instance, and pure: the daemon, backtests, rule tests and recovery run it.
 * docs/alerts.md and test/unit/alert/machine.test.ts mirror its table.
 */
export function nextState(state: EpisodeState, input: StepInput, condition: Condition): StepResult {
  switch (state.kind) {
    case 'ok':
      return fromOk(state, input, condition);
    case 'pending':
      return fromPending(state, input, condition);
    case 'firing':
      return fromFiring(state, input, condition);
    case 'recovering':
      return fromRecovering(state, input, condition);
    case 'latched':
      return fromLatched(state, input, condition);
    case 'flapping':
      return fromFlapping(state, input, condition);
  }
}

/** When a tick would change this state: the deadline of a `held` condition. Infinity for all others. */
export function heldDueMs(state: EpisodeState, condition: Condition, last: LastEvent | undefined): Millis {
  if (condition.forMode !== 'held') return Infinity;
  const deadlineUs =
    state.kind === 'pending'
      ? pendingDeadlineUs(condition, state, last)
      : state.kind === 'firing'
        ? escalationDeadlineUs(condition, state.levels, levelOf(condition, state.episode.severity), last)
        : undefined;
  return deadlineUs === undefined ? Infinity : Math.ceil(deadlineUs / 1000);
}

/** OK: only a breach matters. Neither time nor a change of rules ever fires from here. */
export function fromOk(state: StateOf<'ok'>, input: StepInput, condition: Condition): StepResult {
  switch (input.kind) {
    case 'reading': {
      const { evaluation, timeUs } = input;
      if (evaluation === undefined) return result(state);
      if (evaluation.breached < 0) return result({ kind: 'ok', flaps: state.flaps });
      if (isClosed(state, input.last, condition)) return result(state);
      const levels = track(condition, [], evaluation, timeUs, true);
      return begin(condition, { sinceUs: timeUs, levels, streak: 1, flaps: state.flaps }, timeUs, evaluation);
    }
    case 'tick':
    case 'ack':
    case 'resolve':
      return result(state);
    case 'rule':
      if (input.change !== 'changed') return result({ ...state, flaps: [] });
      return result(seenFalse(input.evaluation, condition) ? { kind: 'ok', flaps: state.flaps } : state);
  }
}

/** Closed by an operator, it stays so until its condition was seen false: under this rule, or in a time without it. */
function isClosed({ closedUs }: StateOf<'ok'>, last: LastEvent | undefined, condition: Condition): boolean {
  if (closedUs === undefined) return false;
  if (kindOf(condition.kind).comparesReadings !== true || last === undefined || last.timeUs <= closedUs)
    return true;
  return !seenFalse(evaluateThreshold(condition, last.value), condition);
}

/** For missing data a longer time does not count as clear: data has to arrive. */
const seenFalse = (evaluation: Evaluation | undefined, { kind }: Condition): boolean =>
  !isAbsence(kind) && evaluation !== undefined && evaluation.breached < 0;

/** The first breach: fires if no level has a delay, else PENDING. */
export function begin(
  condition: Condition,
  run: { sinceUs: number; levels: LevelTimes; streak: number; flaps: FlapTimes },
  timeUs: number,
  evaluation: Evaluation,
): StepResult {
  const fired = fireConfirmed(condition, run, timeUs, evaluation);
  if (fired !== undefined) return fired;
  const severity = condition.levels[evaluation.breached]?.severity ?? 'warning';
  const threshold = evaluation.limits[evaluation.breached];
  return result(
    { kind: 'pending', ...run },
    effect('pending', run.sinceUs, { value: evaluation.value, severity, threshold }),
  );
}

/** Fires the highest level whose delay has passed, given a breaching reading at or after that moment. */
export function fireConfirmed(
  condition: Condition,
  run: { sinceUs: number; levels: LevelTimes; streak: number; flaps: FlapTimes },
  timeUs: number,
  evaluation: Evaluation,
): StepResult | undefined {
  const level = run.streak >= condition.minSamples ? confirmedLevel(condition, run.levels, timeUs) : -1;
  if (level < 0) return undefined;
  const { value, excess, limits } = evaluation;
  const limit = limits[level] ?? value;
  return fire(
    condition,
    { timeUs, startedAtUs: run.sinceUs, value, excess, level, limit, levels: run.levels },
    run.flaps,
  );
}

type Pending = StateOf<'pending'>;

export function fromPending(state: Pending, input: StepInput, condition: Condition): StepResult {
  switch (input.kind) {
    case 'reading': {
      // What time alone decided before this reading comes first, whether or not a tick noticed it.
      const held = fireHeld(state, input.timeUs, input.last, condition);
      if (held !== undefined) return then(held, (next) => nextState(next, input, condition));
      return onReading(state, input, condition);
    }
    case 'tick': {
      const held = fireHeld(state, input.nowUs, input.last, condition);
      return held === undefined ? result(state) : then(held, (next) => nextState(next, input, condition));
    }
    case 'rule': {
      const { evaluation } = input;
      if (input.change !== 'changed') return cancel(state, input.nowUs, input.last?.value, condition, []);
      if (evaluation === undefined || evaluation.breached < 0)
        return cancel(state, input.nowUs, input.last?.value, condition);
      // What the new rule calls breached is known only since the last reading.
      return result({
        ...state,
        levels: track(condition, state.levels, evaluation, input.last?.timeUs ?? input.nowUs, false),
      });
    }
    case 'ack':
    case 'resolve':
      return result(state);
  }
}

function onReading(
  state: Pending,
  input: Extract<StepInput, { kind: 'reading' }>,
  condition: Condition,
): StepResult {
  const { evaluation, timeUs, gap } = input;
  if (evaluation === undefined) return gap ? cancel(state, timeUs, undefined, condition) : result(state);
  // No deadband here: any value that does not breach cancels.
  if (evaluation.breached < 0) return cancel(state, timeUs, evaluation.value, condition);
  const { flaps } = state;
  // After a gap nothing confirms that the breach continued: this counts as its first reading.
  if (gap)
    return begin(
      condition,
      { sinceUs: timeUs, levels: track(condition, [], evaluation, timeUs, true), streak: 1, flaps },
      timeUs,
      evaluation,
    );
  return confirm(state, timeUs, evaluation, condition);
}

function confirm(state: Pending, timeUs: Micros, evaluation: Evaluation, condition: Condition): StepResult {
  const levels = track(condition, state.levels, evaluation, timeUs, false);
  const streak = Math.min(state.streak + 1, condition.minSamples);
  const run = { sinceUs: state.sinceUs, levels, streak, flaps: state.flaps };
  const fired = fireConfirmed(condition, run, timeUs, evaluation);
  if (fired !== undefined) return fired;
  // An unchanged state stays the same object, which is not written again.
  return result(levels === state.levels && streak === state.streak ? state : { kind: 'pending', ...run });
}

function fireHeld(
  state: Pending,
  untilUs: Micros,
  last: LastEvent | undefined,
  condition: Condition,
): StepResult | undefined {
  const deadlineUs = pendingDeadlineUs(condition, state, last);
  if (deadlineUs === undefined || deadlineUs > untilUs || last === undefined) return undefined;
  const level = confirmedLevel(condition, state.levels, deadlineUs);
  const limit = condition.levels[level]?.limit ?? last.value;
  const { sinceUs, levels, flaps } = state;
  return fire(
    condition,
    {
      timeUs: deadlineUs,
      startedAtUs: sinceUs,
      value: last.value,
      excess: excessOf(condition, last.value),
      level,
      limit,
      levels,
    },
    flaps,
  );
}

function cancel(
  state: Pending,
  timeUs: Micros,
  value: number | undefined,
  condition: Condition,
  flaps = state.flaps,
): StepResult {
  const severity = condition.levels[0]?.severity ?? 'warning';
  return result(
    { kind: 'ok', flaps },
    effect('cancelled', timeUs, { value, severity, threshold: condition.levels[0]?.limit }),
  );
}

/** Reason of an alert's end, by the end of its rule. */
const ENDING = { removed: 'rule_removed', retired: 'retired' } as const;

type Firing = StateOf<'firing'>;

export function fromFiring(state: Firing, input: StepInput, condition: Condition): StepResult {
  switch (input.kind) {
    case 'reading': {
      const held = escalateHeld(state, input.timeUs, input.last, condition);
      if (held !== undefined) return then(held, (next) => nextState(next, input, condition));
      // A reading that the kind cannot evaluate neither ends nor prolongs anything.
      if (input.evaluation === undefined) return result(state);
      return onEvaluation(state, input.timeUs, input.gap, input.evaluation, condition);
    }
    case 'tick': {
      const held = escalateHeld(state, input.nowUs, input.last, condition);
      return held === undefined ? result(state) : then(held, (next) => nextState(next, input, condition));
    }
    case 'rule': {
      const { nowUs, evaluation } = input;
      const value = input.last?.value;
      if (input.change === 'removed') return close(state.episode, nowUs, value, 'rule_removed', []);
      if (input.change === 'retired') return resolve(state.episode, nowUs, value, 'retired', []);
      // Only a value that is clear under the new rule ends it; a longer `for` never demotes a firing alert.
      if (evaluation !== undefined && evaluation.held < 0)
        return resolve(state.episode, nowUs, value, 'rule_changed', state.flaps);
      return result({ ...state, levels: condition.levels.map((_, index) => state.levels[index]) });
    }
    case 'ack':
      return acknowledge(state, input);
    case 'resolve':
      return close(state.episode, input.atMs * 1000, input.last?.value, 'manual', state.flaps);
  }
}

function onEvaluation(
  state: Firing,
  timeUs: Micros,
  gap: boolean,
  evaluation: Evaluation,
  condition: Condition,
): StepResult {
  const { value } = evaluation;
  if (evaluation.held < 0) {
    if (condition.keepFiringForUs === 0)
      return clear(condition, state.episode, { timeUs, value, sinceUs: timeUs }, state.flaps);
    return result(
      { kind: 'recovering', sinceUs: timeUs, episode: state.episode, flaps: state.flaps },
      about('recovering', timeUs, value, state.episode),
    );
  }
  const levels = track(condition, state.levels, evaluation, timeUs, gap);
  const before = withPeak(state.episode, value, evaluation.excess);
  const [episode, effects] = climb(condition, before, levels, timeUs, evaluation);
  // An unchanged state stays the same object, which is not written again.
  if (episode === state.episode && levels === state.levels) return result(state);
  return result({ kind: 'firing', episode, levels, flaps: state.flaps }, ...effects);
}

/** Up to the highest level that has been breached long enough, or down to the highest that is not clear yet. */
function climb(
  condition: Condition,
  before: Firing['episode'],
  levels: Firing['levels'],
  timeUs: Micros,
  evaluation: Evaluation,
): readonly [Firing['episode'], readonly Effect[]] {
  const current = levelOf(condition, before.severity);
  const { value, excess, limits } = evaluation;
  const up = escalationLevel(condition, levels, current, timeUs);
  if (up >= 0) {
    const { startedAtUs } = before;
    const firing = { timeUs, startedAtUs, value, excess, level: up, limit: limits[up] ?? value, levels };
    const [episode, raised] = escalate(condition, before, firing);
    return [episode, [raised]];
  }
  // The changed rule may no longer have this severity.
  const index = Math.min(evaluation.held, current);
  const lower = condition.levels[index];
  if (lower === undefined || lower.severity === before.severity) return [before, []];
  const limit = limits[index] ?? lower.limit;
  const [episode, lowered] = deescalate(before, { timeUs, value }, { severity: lower.severity, limit });
  return [episode, [lowered]];
}

function escalateHeld(
  state: Firing,
  untilUs: Micros,
  last: LastEvent | undefined,
  condition: Condition,
): StepResult | undefined {
  const current = levelOf(condition, state.episode.severity);
  const timeUs = escalationDeadlineUs(condition, state.levels, current, last);
  if (timeUs === undefined || timeUs > untilUs || last === undefined) return undefined;
  const level = confirmedLevel(condition, state.levels, timeUs);
  const { startedAtUs } = state.episode;
  const limit = condition.levels[level]?.limit ?? last.value;
  const { levels } = state;
  const [episode, raised] = escalate(condition, state.episode, {
    timeUs,
    startedAtUs,
    value: last.value,
    excess: state.episode.peakExcess,
    level,
    limit,
    levels,
  });
  return result({ ...state, episode }, raised);
}

type Recovering = StateOf<'recovering'>;

/** RECOVERING: clear, but not yet for `keep_firing_for`. Still the same episode. */
export function fromRecovering(state: Recovering, input: StepInput, condition: Condition): StepResult {
  const { episode, flaps } = state;
  switch (input.kind) {
    case 'reading': {
      const { evaluation, timeUs } = input;
      if (evaluation === undefined) return result(input.gap ? { ...state, sinceUs: timeUs } : state);
      if (evaluation.held >= 0) {
        const back = result(
          { kind: 'firing', episode, levels: [], flaps },
          about('refiring', timeUs, evaluation.value, episode),
        );
        return then(back, (next) => nextState(next, { ...input, last: undefined }, condition));
      }
      // The gap was not observed: the quiet time restarts.
      if (input.gap) return result({ ...state, sinceUs: timeUs });
      if (timeUs - state.sinceUs < condition.keepFiringForUs) return result(state);
      return clear(condition, episode, { timeUs, value: evaluation.value, sinceUs: state.sinceUs }, flaps);
    }
    case 'tick':
      // Silence never resolves a threshold alert.
      return result(state);
    case 'rule':
      if (input.change !== 'changed')
        return resolve(episode, input.nowUs, input.last?.value, ENDING[input.change], []);
      return result(state);
    case 'ack':
      return acknowledge(state, input);
    case 'resolve':
      return resolve(episode, input.atMs * 1000, input.last?.value, 'manual', flaps);
  }
}

/** LATCHED: clear again, and open until it is acknowledged. */
export function fromLatched(state: StateOf<'latched'>, input: StepInput, condition: Condition): StepResult {
  const { episode, flaps } = state;
  switch (input.kind) {
    case 'reading': {
      const { evaluation } = input;
      // The band between breach and clear does not reactivate it; a breach does, and emits nothing.
      if (evaluation === undefined || evaluation.breached < 0) return result(state);
      return then(result({ kind: 'firing', episode, levels: [], flaps }), (next) =>
        nextState(next, { ...input, last: undefined }, condition),
      );
    }
    case 'tick':
      return result(state);
    case 'rule':
      if (input.change !== 'changed')
        return resolve(episode, input.nowUs, input.last?.value, ENDING[input.change], []);
      // Without `latch` this state does not exist: its value is clear.
      if (!condition.latch) return resolve(episode, input.nowUs, input.last?.value, 'rule_changed', flaps);
      return result(state);
    case 'ack':
      return then(acknowledge(state, input), (next) => {
        const acked = (next as typeof state).episode;
        return resolve(acked, input.atMs * 1000, input.last?.value, 'manual', flaps);
      });
    case 'resolve':
      return resolve(episode, input.atMs * 1000, input.last?.value, 'manual', flaps);
  }
}
