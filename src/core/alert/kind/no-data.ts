import type { Micros } from '../../reading.ts';
import type { Condition } from '../rules/condition.ts';
import { type Episode, type EpisodeState, OK, type StepResult } from '../state/state.ts';
import { about, resolve, result } from '../state/transitions.ts';

/**
 * No data: fires at a deadline of the receive clock, and the next number of any age ends it. It has no value to
 * evaluate, hence no delays and no deadband; the row's value and threshold are the seconds of silence, 0 if a sensor
 * reported itself offline.
 */
export function silence(
  state: EpisodeState,
  deadlineUs: Micros,
  condition: Condition,
  seconds = condition.levels[0]?.limit ?? 0,
): StepResult {
  if (state.kind !== 'ok') return result(state);
  const level = condition.levels[0];
  const episode: Episode = {
    alertId: undefined,
    startedAtUs: deadlineUs,
    firedAtUs: [deadlineUs],
    severity: level?.severity ?? 'warning',
    threshold: seconds,
    peak: seconds,
    peakExcess: seconds,
    seq: 1,
    ack: undefined,
    flapped: false,
    deferredSinceMs: undefined,
    deferredBy: undefined,
    notifiedMs: undefined,
  };
  return result(
    { kind: 'firing', episode, levels: [deadlineUs], flaps: [] },
    about('firing', deadlineUs, seconds, episode),
  );
}

/** A number arrived, even a late one or a duplicate: the sensor is back. */
export function resumed(state: EpisodeState, receivedUs: Micros, value: number | undefined): StepResult {
  if (state.kind !== 'firing') return result(state.kind === 'ok' ? OK : state);
  // A clock that was set back must not end the episode before its start.
  const timeUs = Math.max(receivedUs, state.episode.startedAtUs);
  return resolve(state.episode, timeUs, value, 'data_resumed', []);
}
