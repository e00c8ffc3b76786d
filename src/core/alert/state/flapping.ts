import type { Micros } from '../../reading.ts';
import type { Condition } from '../rules/condition.ts';
import { confirmedLevel, track } from './severity-levels.ts';
import { NO_FLAPS, type StateOf, type StepInput, type StepResult, type Evaluation } from './state.ts';
import { about, acknowledge, close, resolve, result, then, withPeak } from './transitions.ts';

type Flapping = StateOf<'flapping'>;

/** FLAPPING: changes are tracked and not notified, until a reading finds that none happened for `hold`. */
export function fromFlapping(state: Flapping, input: StepInput, condition: Condition): StepResult {
  const { episode } = state;
  switch (input.kind) {
    case 'reading': {
      const { evaluation, timeUs } = input;
      if (evaluation === undefined) return result(state);
      const raw = evaluation.breached >= 0 ? 'breach' : evaluation.held < 0 ? 'clear' : state.raw;
      const changedAtUs = raw === state.raw ? state.changedAtUs : timeUs;
      const peaked = withPeak(episode, evaluation.value, evaluation.excess);
      const now =
        raw === state.raw && peaked === episode ? state : { ...state, raw, changedAtUs, episode: peaked };
      if (condition.flap !== undefined && timeUs - changedAtUs < condition.flap.holdUs) return result(now);
      return end(now, timeUs, evaluation, condition);
    }
    case 'tick':
      return result(state);
    case 'rule':
      if (input.change !== 'changed') {
        const reason = input.change === 'retired' ? 'retired' : 'rule_removed';
        return endFromOutside(state, input.nowUs, input.last?.value, reason);
      }
      if (input.evaluation !== undefined && input.evaluation.held < 0)
        return endFromOutside(state, input.nowUs, input.last?.value, 'rule_changed');
      return result(state);
    case 'ack':
      return acknowledge(state, input);
    case 'resolve':
      return endFromOutside(state, input.atMs * 1000, input.last?.value, 'manual');
  }
}

/** Leaves for the actual state. The history of changes is cleared, or leaving would be the next change. */
function end(state: Flapping, timeUs: Micros, evaluation: Evaluation, condition: Condition): StepResult {
  const ended = ending(state, timeUs, evaluation.value);
  return then(ended, () =>
    state.raw === 'breach'
      ? toBreach(ended.state as Flapping, timeUs, evaluation, condition)
      : toClear(ended.state as Flapping, timeUs, evaluation, condition),
  );
}

function ending(state: Flapping, timeUs: Micros, value: number | undefined): StepResult {
  const episode = { ...state.episode, seq: state.episode.seq + 1 };
  return result({ ...state, episode, flaps: NO_FLAPS }, about('flapping_end', timeUs, value, episode));
}

function toBreach(state: Flapping, timeUs: Micros, evaluation: Evaluation, condition: Condition): StepResult {
  const { episode, changedAtUs } = state;
  const levels = track(
    condition,
    condition.levels.map(() => changedAtUs),
    evaluation,
    timeUs,
    false,
  );
  if (episode.firedAtUs.length > 0) return result({ kind: 'firing', episode, levels, flaps: NO_FLAPS });
  // It began flapping with a firing that was not notified: the row is written now, if `for` has passed.
  const level = confirmedLevel(condition, levels, timeUs);
  if (level < 0) return result({ kind: 'pending', sinceUs: changedAtUs, levels, streak: 1, flaps: NO_FLAPS });
  const fired = {
    ...episode,
    firedAtUs: [timeUs],
    severity: condition.levels[level]?.severity ?? episode.severity,
    threshold: evaluation.limits[level] ?? episode.threshold,
    seq: episode.seq + 1,
  };
  return result(
    { kind: 'firing', episode: fired, levels, flaps: NO_FLAPS },
    about('firing', timeUs, evaluation.value, fired),
  );
}

function toClear(state: Flapping, timeUs: Micros, evaluation: Evaluation, condition: Condition): StepResult {
  const { episode, changedAtUs } = state;
  const { value } = evaluation;
  if (episode.firedAtUs.length === 0) return result({ kind: 'ok', flaps: NO_FLAPS });
  if (timeUs - changedAtUs < condition.keepFiringForUs)
    return result(
      { kind: 'recovering', sinceUs: changedAtUs, episode, flaps: NO_FLAPS },
      about('recovering', timeUs, value, episode),
    );
  if (condition.latch && episode.ack === undefined)
    return result({ kind: 'latched', episode, flaps: NO_FLAPS }, about('latched', timeUs, value, episode));
  return resolve(episode, timeUs, value, 'flapping_end', NO_FLAPS);
}

/** Ends it by an operator or a rule change. An episode that never had a row has nothing to resolve. */
function endFromOutside(
  state: Flapping,
  timeUs: Micros,
  value: number | undefined,
  reason: 'rule_removed' | 'rule_changed' | 'retired' | 'manual',
): StepResult {
  const ended = ending(state, timeUs, value);
  return then(ended, (next) => {
    const { episode } = next as Flapping;
    const closes = reason !== 'rule_changed' && reason !== 'retired' && state.raw === 'breach';
    if (episode.firedAtUs.length === 0)
      return result({ kind: 'ok', flaps: NO_FLAPS, ...(closes ? { closedUs: timeUs } : {}) });
    if (closes) return close(episode, timeUs, value, reason, NO_FLAPS);
    return resolve(episode, timeUs, value, reason, NO_FLAPS);
  });
}
