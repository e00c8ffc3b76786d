import { about, acknowledge, clear, resolve, result, then } from './moves.ts';
import type { Condition } from './rule.ts';
import type { StateOf, StepInput, StepResult } from './state.ts';
import { step } from './step.ts';

type Recovering = StateOf<'recovering'>;

/** RECOVERING: clear, but not for `keep_firing_for` yet. Still the same episode. */
export function stepRecovering(state: Recovering, input: StepInput, condition: Condition): StepResult {
  const { episode, flaps } = state;
  switch (input.kind) {
    case 'reading': {
      const { verdict, timeUs } = input;
      if (verdict === undefined) return result(input.gap ? { ...state, sinceUs: timeUs } : state);
      if (verdict.held >= 0) {
        const back = result(
          { kind: 'firing', episode, levels: [], flaps },
          about('refiring', timeUs, verdict.value, episode),
        );
        return then(back, (next) => step(next, { ...input, last: undefined }, condition));
      }
      // Nobody saw what was in the gap: the quiet time starts anew.
      if (input.gap) return result({ ...state, sinceUs: timeUs });
      if (timeUs - state.sinceUs < condition.keepFiringForUs) return result(state);
      return clear(condition, episode, { timeUs, value: verdict.value, sinceUs: state.sinceUs }, flaps);
    }
    case 'tick':
      // Silence never resolves a threshold alert.
      return result(state);
    case 'rule':
      if (input.change === 'removed')
        return resolve(episode, input.nowUs, input.last?.value, 'rule_removed', []);
      return result(state);
    case 'ack':
      return acknowledge(state, input);
    case 'resolve':
      return resolve(episode, input.atMs * 1000, input.last?.value, 'manual', flaps);
  }
}
