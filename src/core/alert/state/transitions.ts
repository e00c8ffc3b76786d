import type { Micros } from '../../reading.ts';
import type { ResolveReason, Severity } from '../model.ts';
import type { Condition, Flap } from '../rules/condition.ts';
import {
  ackEndMs,
  type Effect,
  type Episode,
  type EpisodeState,
  type FlapTimes,
  type LevelTimes,
  NO_FLAPS,
  type StepInput,
  type StepResult,
  type Transition,
} from './state.ts';

/** The steps in the course of an episode; `started` is its first breaching reading. */
export const EPISODE_STEPS = [
  'started',
  'firing',
  'escalated',
  'deescalated',
  'reminder',
  'flapping_start',
  'flapping_end',
  'acked',
  'resolved',
] as const;
export type EpisodeStepName = (typeof EPISODE_STEPS)[number];

/** The transitions that several states share. Each returns the next state and its effects. */

export function result(state: EpisodeState, ...effects: readonly Effect[]): StepResult {
  return { state, effects };
}

/** Chains two transitions: the second starts from the state of the first. */
export function then(first: StepResult, second: (state: EpisodeState) => StepResult): StepResult {
  const next = second(first.state);
  return { state: next.state, effects: [...first.effects, ...next.effects] };
}

export function effect(
  transition: Transition,
  timeUs: Micros,
  about: {
    readonly value?: number | undefined;
    readonly severity: Severity;
    readonly threshold?: number | undefined;
    readonly reason?: ResolveReason | undefined;
    readonly episode?: Episode | undefined;
  },
): Effect {
  return {
    transition,
    timeUs,
    value: about.value,
    severity: about.severity,
    threshold: about.threshold ?? about.episode?.threshold,
    reason: about.reason,
    episode: about.episode,
  };
}

/** An effect for an open episode. */
export function about(
  transition: Transition,
  timeUs: Micros,
  value: number | undefined,
  episode: Episode,
): Effect {
  return effect(transition, timeUs, { value, severity: episode.severity, episode });
}

export interface Firing {
  readonly timeUs: Micros;
  readonly startedAtUs: Micros;
  readonly value: number;
  readonly excess: number;
  readonly level: number;
  readonly limit: number;
  readonly levels: LevelTimes;
}

export function fire(condition: Condition, firing: Firing, flaps: FlapTimes): StepResult {
  const { timeUs, startedAtUs, value } = firing;
  const counted = countFlap(condition.flap, flaps, timeUs);
  const episode: Episode = {
    alertId: undefined,
    startedAtUs,
    firedAtUs: counted.flapping ? [] : [timeUs],
    severity: condition.levels[firing.level]?.severity ?? 'warning',
    threshold: firing.limit,
    peak: value,
    peakExcess: firing.excess,
    seq: 1,
    ack: undefined,
    flapped: counted.flapping,
    deferredSinceMs: undefined,
    deferredBy: undefined,
    notifiedMs: undefined,
  };
  if (counted.flapping)
    return result(
      { kind: 'flapping', episode, raw: 'breach', changedAtUs: startedAtUs, flaps: counted.flaps },
      about('flapping_start', timeUs, value, episode),
    );
  return result(
    { kind: 'firing', episode, levels: firing.levels, flaps: counted.flaps },
    about('firing', timeUs, value, episode),
  );
}

/** Another row of the same episode. The acknowledgement was for the lower severity. */
export function escalate(condition: Condition, before: Episode, firing: Firing): readonly [Episode, Effect] {
  const episode: Episode = {
    ...before,
    firedAtUs: [...before.firedAtUs, firing.timeUs],
    severity: condition.levels[firing.level]?.severity ?? before.severity,
    threshold: firing.limit,
    ack: undefined,
    seq: before.seq + 1,
  };
  return [episode, about('escalated', firing.timeUs, firing.value, episode)];
}

/** Down to the level that still holds; the acknowledgement was for the higher severity. */
export function deescalate(
  before: Episode,
  at: { readonly timeUs: Micros; readonly value: number | undefined },
  level: { readonly severity: Severity; readonly limit: number },
): readonly [Episode, Effect] {
  const { severity, limit: threshold } = level;
  const episode: Episode = { ...before, severity, threshold, seq: before.seq + 1 };
  return [episode, about('deescalated', at.timeUs, at.value, episode)];
}

/** The episode ends because its value is clear: latched until acknowledged, flapping after one change too many, or resolved. */
export function clear(
  condition: Condition,
  episode: Episode,
  at: { readonly timeUs: Micros; readonly value: number; readonly sinceUs: Micros },
  flaps: FlapTimes,
): StepResult {
  if (condition.latch && episode.ack === undefined)
    return result({ kind: 'latched', episode, flaps }, about('latched', at.timeUs, at.value, episode));
  const counted = countFlap(condition.flap, flaps, at.timeUs);
  if (counted.flapping) {
    const open = { ...episode, flapped: true, seq: episode.seq + 1 };
    return result(
      { kind: 'flapping', episode: open, raw: 'clear', changedAtUs: at.sinceUs, flaps: counted.flaps },
      about('flapping_start', at.timeUs, at.value, open),
    );
  }
  return resolve(episode, at.timeUs, at.value, 'value', counted.flaps);
}

/** Never before it fired: the clock of a sensor may be ahead of an operator's, and a deadline ahead of a late reading. */
export function resolve(
  before: Episode,
  atUs: Micros,
  value: number | undefined,
  reason: ResolveReason,
  flaps: FlapTimes,
): StepResult {
  const episode = { ...before, seq: before.seq + 1 };
  const timeUs = Math.max(atUs, before.startedAtUs, ...before.firedAtUs);
  return result(
    { kind: 'ok', flaps },
    effect('resolved', timeUs, { value, severity: episode.severity, reason, episode }),
  );
}

/** Ends it although its condition holds. */
export function close(
  before: Episode,
  atUs: Micros,
  value: number | undefined,
  reason: 'manual' | 'rule_removed' | 'retired',
  flaps: FlapTimes,
): StepResult {
  const { effects } = resolve(before, atUs, value, reason, flaps);
  return result({ kind: 'ok', flaps, closedUs: atUs }, ...effects);
}

/** Acknowledges an episode. The first acknowledgement stands, until an escalation clears it, or one that lasts longer. */
export function acknowledge<S extends EpisodeState & { readonly episode: Episode }>(
  state: S,
  input: Extract<StepInput, { kind: 'ack' }>,
): StepResult {
  const { ack } = state.episode;
  const { atMs, by, untilMs } = input;
  if (ack !== undefined && ackEndMs(ack) >= (untilMs ?? Infinity)) return result(state);
  const episode = { ...state.episode, ack: { atMs, by, ...(untilMs === undefined ? {} : { untilMs }) } };
  const next: S = { ...state, episode };
  return result(next, about('acked', input.atMs * 1000, input.last?.value, episode));
}

export function withPeak(episode: Episode, value: number, excess: number): Episode {
  return excess > episode.peakExcess ? { ...episode, peak: value, peakExcess: excess } : episode;
}

/** Counts a firing or a resolve. The Nth within the window is not emitted. */
function countFlap(
  flap: Flap | undefined,
  before: FlapTimes,
  timeUs: Micros,
): { readonly flaps: FlapTimes; readonly flapping: boolean } {
  if (flap === undefined) return { flaps: NO_FLAPS, flapping: false };
  const flaps = [...before.filter((time) => timeUs - time <= flap.windowUs), timeUs];
  return { flaps, flapping: flaps.length >= flap.changes };
}
