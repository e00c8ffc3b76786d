import { acknowledge, resolve, result, then } from './moves.ts';
import type { Condition } from './rule.ts';
import type { StateOf, StepInput, StepResult } from './state.ts';
import { step } from './step.ts';

/** LATCHED: clear again, and open until somebody has seen it. */
export function stepLatched(state: StateOf<'latched'>, input: StepInput, condition: Condition): StepResult {
  const { episode, flaps } = state;
  switch (input.kind) {
    case 'reading': {
      const { verdict } = input;
      // The band between breach and clear does not wake it; a breach does, and emits nothing.
      if (verdict === undefined || verdict.breached < 0) return result(state);
      return then(result({ kind: 'firing', episode, levels: [], flaps }), (next) =>
        step(next, { ...input, last: undefined }, condition),
      );
    }
    case 'tick':
      return result(state);
    case 'rule':
      if (input.change === 'removed')
        return resolve(episode, input.nowUs, input.last?.value, 'rule_removed', []);
      // Without `latch` it would not be here: its value is clear.
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
