import type { Micros } from '../../reading.ts';
import type { Condition } from '../rules/condition.ts';
import { type Episode, type EpisodeState, OK, type StepResult } from '../state/state.ts';
import { about, close, resolve, result } from '../state/transitions.ts';
import { duration } from '../../schema/common.ts';
import { defineKind, oneLevel } from './rule-kind.ts';
import { evaluateThreshold } from './limits.ts';
import { ending, show } from './texts.ts';

export const noData = defineKind({
  fields: {
    no_data_after: duration({ min: '1s', max: '365d' })
      .nullable()
      .describe('fires when a sensor that sent it sends nothing more for this long; null: never'),
  },
  suffixes: ['no_data'],
  measure: 'silence',
  isAbsence: true,
  unit: () => 's',
  sentences: {
    subject: 'subject_no_data',
    crossing: ({ isOver }) => (isOver ? 'was_no_data' : 'no_data'),
    open: () => 'still_no_data',
    // The sensor may be in use, and have sent everything else for a week.
    end: { retired: 'end_forgotten' },
    group: { now: 'group_no_data', over: 'group_was_no_data' },
    groupEnd: { message: 'group_resolved_no_data', reasons: ['data_resumed'] },
  },
  conditions({ no_data_after: afterMs, ...values }) {
    if (afterMs === undefined || afterMs === null) return [];
    return [{ side: 'high', suffix: 'no_data', levels: oneLevel(values, afterMs / 1000), plain: true }];
  },
  quiet: true,
  /** Not by numbers: `silence` and `resumed`. */
  evaluate: () => undefined,
  reevaluate: (condition, { lastReceivedMs, nowMs }) =>
    lastReceivedMs === undefined ? undefined : evaluateThreshold(condition, (nowMs - lastReceivedMs) / 1000),
  message(sensorKey, { metric }, effect) {
    if (effect.transition !== 'resolved')
      return `${sensorKey}: no ${metric} for ${show(effect.threshold ?? 0)} s`;
    return `${sensorKey}: ${metric} ${effect.reason === 'data_resumed' ? 'is back' : ending(effect)}`;
  },
});

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

/** Nothing is missed any more, until something was received. */
export function retire(state: EpisodeState, atUs: Micros): StepResult {
  if (state.kind === 'firing') return close(state.episode, atUs, undefined, 'retired', []);
  return result({ kind: 'ok', flaps: [], closedUs: atUs });
}
