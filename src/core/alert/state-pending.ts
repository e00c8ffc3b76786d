import type { Micros } from '../reading.ts';
import { excessOf } from './kind/threshold.ts';
import { confirmedLevel, pendingDeadlineUs, track } from './ladder.ts';
import { effect, fire, result, then } from './moves.ts';
import type { Condition } from './rule.ts';
import { begin, fireConfirmed } from './state-ok.ts';
import type { LastEvent, StateOf, StepInput, StepResult, Verdict } from './state.ts';
import { step } from './step.ts';

type Pending = StateOf<'pending'>;

export function stepPending(state: Pending, input: StepInput, condition: Condition): StepResult {
  switch (input.kind) {
    case 'reading': {
      // What time alone had decided before this reading comes first, whether or not a tick saw it.
      const held = fireHeld(state, input.timeUs, input.last, condition);
      if (held !== undefined) return then(held, (next) => step(next, input, condition));
      return onReading(state, input, condition);
    }
    case 'tick': {
      const held = fireHeld(state, input.nowUs, input.last, condition);
      return held === undefined ? result(state) : then(held, (next) => step(next, input, condition));
    }
    case 'rule': {
      const { verdict } = input;
      if (input.change === 'removed') return cancel(state, input.nowUs, input.last?.value, condition, []);
      if (verdict === undefined || verdict.breached < 0)
        return cancel(state, input.nowUs, input.last?.value, condition);
      // What the new rule calls breached is known to be so since the last reading.
      return result({
        ...state,
        levels: track(condition, state.levels, verdict, input.last?.timeUs ?? input.nowUs, false),
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
  const { verdict, timeUs, gap } = input;
  if (verdict === undefined) return gap ? cancel(state, timeUs, undefined, condition) : result(state);
  // No deadband here: any value that does not breach cancels.
  if (verdict.breached < 0) return cancel(state, timeUs, verdict.value, condition);
  const { flaps } = state;
  // After a gap nothing confirms that the breach went on: as if this were the first reading of it.
  if (gap)
    return begin(
      condition,
      { sinceUs: timeUs, levels: track(condition, [], verdict, timeUs, true), streak: 1, flaps },
      timeUs,
      verdict,
    );
  return confirm(state, timeUs, verdict, condition);
}

function confirm(state: Pending, timeUs: Micros, verdict: Verdict, condition: Condition): StepResult {
  const levels = track(condition, state.levels, verdict, timeUs, false);
  const streak = Math.min(state.streak + 1, condition.minSamples);
  const run = { sinceUs: state.sinceUs, levels, streak, flaps: state.flaps };
  const fired = fireConfirmed(condition, run, timeUs, verdict);
  if (fired !== undefined) return fired;
  // The same object where nothing changed: an unchanged state is not written again.
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
