import type { Micros } from '../reading.ts';
import { confirmedLevel, escalationDeadlineUs, escalationLevel, track } from './ladder.ts';
import {
  about,
  acknowledge,
  clear,
  close,
  deescalate,
  escalate,
  resolve,
  result,
  then,
  withPeak,
} from './moves.ts';
import { levelOf } from './rule.ts';
import type { Condition } from './rule.ts';
import type { Effect, LastEvent, StateOf, StepInput, StepResult, Verdict } from './state.ts';
import { step } from './step.ts';

type Firing = StateOf<'firing'>;

export function stepFiring(state: Firing, input: StepInput, condition: Condition): StepResult {
  switch (input.kind) {
    case 'reading': {
      const held = escalateHeld(state, input.timeUs, input.last, condition);
      if (held !== undefined) return then(held, (next) => step(next, input, condition));
      // A reading that the kind cannot judge neither ends nor prolongs anything.
      if (input.verdict === undefined) return result(state);
      return onVerdict(state, input.timeUs, input.gap, input.verdict, condition);
    }
    case 'tick': {
      const held = escalateHeld(state, input.nowUs, input.last, condition);
      return held === undefined ? result(state) : then(held, (next) => step(next, input, condition));
    }
    case 'rule': {
      const { nowUs, verdict } = input;
      const value = input.last?.value;
      if (input.change === 'removed') return close(state.episode, nowUs, value, 'rule_removed', []);
      // Only a value that the new rule calls clear ends it; a longer `for` never demotes what fires.
      if (verdict !== undefined && verdict.held < 0)
        return resolve(state.episode, nowUs, value, 'rule_changed', state.flaps);
      return result({ ...state, levels: condition.levels.map((_, index) => state.levels[index]) });
    }
    case 'ack':
      return acknowledge(state, input);
    case 'resolve':
      return close(state.episode, input.atMs * 1000, input.last?.value, 'manual', state.flaps);
  }
}

function onVerdict(
  state: Firing,
  timeUs: Micros,
  gap: boolean,
  verdict: Verdict,
  condition: Condition,
): StepResult {
  const { value } = verdict;
  if (verdict.held < 0) {
    if (condition.keepFiringForUs === 0)
      return clear(condition, state.episode, { timeUs, value, sinceUs: timeUs }, state.flaps);
    return result(
      { kind: 'recovering', sinceUs: timeUs, episode: state.episode, flaps: state.flaps },
      about('recovering', timeUs, value, state.episode),
    );
  }
  const levels = track(condition, state.levels, verdict, timeUs, gap);
  const before = withPeak(state.episode, value, verdict.excess);
  const [episode, effects] = climb(condition, before, levels, timeUs, verdict);
  // The same object where nothing changed: an unchanged state is not written again.
  if (episode === state.episode && levels === state.levels) return result(state);
  return result({ kind: 'firing', episode, levels, flaps: state.flaps }, ...effects);
}

/** Up to the highest level that has been breached long enough, or down to the highest that is not clear yet. */
function climb(
  condition: Condition,
  before: Firing['episode'],
  levels: Firing['levels'],
  timeUs: Micros,
  verdict: Verdict,
): readonly [Firing['episode'], readonly Effect[]] {
  const current = levelOf(condition, before.severity);
  const { value, excess, limits } = verdict;
  const up = escalationLevel(condition, levels, current, timeUs);
  if (up >= 0) {
    const { startedAtUs } = before;
    const firing = { timeUs, startedAtUs, value, excess, level: up, limit: limits[up] ?? value, levels };
    const [episode, raised] = escalate(condition, before, firing);
    return [episode, [raised]];
  }
  // The severity may be one that a changed rule does not have any more.
  const index = Math.min(verdict.held, current);
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
