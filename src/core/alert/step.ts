import type { Millis } from '../reading.ts';
import { escalationDeadlineUs, pendingDeadlineUs } from './ladder.ts';
import { levelOf } from './rule.ts';
import type { Condition } from './rule.ts';
import { stepFiring } from './state-firing.ts';
import { stepFlapping } from './state-flapping.ts';
import { stepLatched } from './state-latched.ts';
import { stepOk } from './state-ok.ts';
import { stepPending } from './state-pending.ts';
import { stepRecovering } from './state-recovering.ts';
import type { EpisodeState, LastEvent, StepInput, StepResult } from './state.ts';

/**
 * The state machine of one alert type of one sensor: pure, and the only one. The daemon, backtests, rule tests and
 * recovery run it. One file per state; docs/alerts.md and test/unit/alert/step.test.ts mirror the table.
 */
export function step(state: EpisodeState, input: StepInput, condition: Condition): StepResult {
  switch (state.kind) {
    case 'ok':
      return stepOk(state, input, condition);
    case 'pending':
      return stepPending(state, input, condition);
    case 'firing':
      return stepFiring(state, input, condition);
    case 'recovering':
      return stepRecovering(state, input, condition);
    case 'latched':
      return stepLatched(state, input, condition);
    case 'flapping':
      return stepFlapping(state, input, condition);
  }
}

/** When a tick would change this state: the deadline of a `held` condition. Infinity for every other one. */
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
