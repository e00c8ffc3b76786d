import type { Micros, Millis } from '../reading.ts';
import { about } from './moves.ts';
import type { Effect, Episode, EpisodeState } from './state.ts';

/** Why somebody is not told now. What is deferred is told later, if it is still so. */
export type Suppression = 'backfill';

/** An effect, and whether it leaves the house. */
export interface Delivered {
  readonly effect: Effect;
  readonly suppressed: Suppression | undefined;
  /** The episode was long over when it was evaluated. */
  readonly backfilled: boolean;
}

export interface DeliveryRules {
  readonly backfillAfterUs: Micros;
  /** Time between two reminders; undefined: none. */
  readonly repeatUs: Micros | undefined;
}

/** History arrives in one go; after this long without a reading, what it says is the present. */
const SETTLE_MS = 60_000;

/**
 * Readings that arrive long after they were measured may tell of episodes that are over by now: nobody is woken for
 * those. At the moment of firing that is not known yet, so the notification is owed: it is sent when the episode is
 * still open once readings are recent again (or no more of them come), and never if it ended long ago.
 */
export function deliver(
  state: EpisodeState,
  effects: readonly Effect[],
  nowMs: Millis,
  rules: DeliveryRules,
): { readonly state: EpisodeState; readonly delivered: readonly Delivered[] } {
  const delivered: Delivered[] = [];
  let next = state;
  let owedSinceMs = owedBefore(effects, state);
  for (const effect of effects) {
    const old = nowMs * 1000 - effect.timeUs > rules.backfillAfterUs;
    if (effect.episode === undefined || !isTold(effect)) {
      delivered.push({ effect, suppressed: undefined, backfilled: false });
    } else if (effect.transition === 'resolved') {
      const backfilled = owedSinceMs !== undefined && old;
      if (owedSinceMs !== undefined && !old) delivered.push(...repaid(effect));
      else delivered.push({ effect, suppressed: backfilled ? 'backfill' : undefined, backfilled });
      owedSinceMs = undefined;
    } else {
      if (old && owedSinceMs === undefined) owedSinceMs = nowMs;
      const suppressed = owedSinceMs === undefined ? undefined : 'backfill';
      delivered.push({ effect, suppressed, backfilled: false });
      next = withEpisode(next, (episode) => ({ ...episode, owedSinceMs, toldMs: nowMs }));
    }
  }
  return { state: next, delivered };
}

const TOLD = ['firing', 'escalated', 'resolved', 'flapping_start', 'flapping_end'];
const isTold = ({ transition }: Effect) => TOLD.includes(transition);

function owedBefore(effects: readonly Effect[], state: EpisodeState): Millis | undefined {
  const first = effects.find(({ episode }) => episode !== undefined)?.episode;
  return first?.owedSinceMs ?? ('episode' in state ? state.episode.owedSinceMs : undefined);
}

/** The firing that was kept back, told just before its end: the end is recent, so it is no history. */
function repaid(effect: Effect): Delivered[] {
  const { timeUs, episode } = effect;
  if (episode === undefined) return [];
  const plain = { suppressed: undefined, backfilled: false };
  const fired = about('announced', timeUs, episode.peak, episode);
  return [
    { effect: fired, ...plain },
    { effect: { ...effect, episode: { ...episode, seq: episode.seq + 1 } }, ...plain },
  ];
}

/** When something has to be told of an open episode without any transition: what is owed, or a reminder. */
export function deliveryDueMs(
  state: EpisodeState,
  receivedMs: Millis,
  staleAfterUs: Micros,
  rules: DeliveryRules,
): Millis {
  if (!('episode' in state)) return Infinity;
  const { owedSinceMs, toldMs, ack } = state.episode;
  if (owedSinceMs !== undefined) return Math.max(owedSinceMs, receivedMs) + SETTLE_MS;
  if (rules.repeatUs === undefined || state.kind !== 'firing' || ack !== undefined || toldMs === undefined)
    return Infinity;
  const dueMs = toldMs + rules.repeatUs / 1000;
  // Reminders stop when nothing is heard any more.
  return dueMs - receivedMs > staleAfterUs / 1000 ? Infinity : dueMs;
}

/** Tells what `deliveryDueMs` said. */
export function tellAgain(
  state: EpisodeState,
  nowMs: Millis,
  value: number | undefined,
): { readonly state: EpisodeState; readonly delivered: readonly Delivered[] } {
  if (!('episode' in state)) return { state, delivered: [] };
  const owed = state.episode.owedSinceMs !== undefined;
  const next = withEpisode(state, (episode) => ({
    ...episode,
    seq: episode.seq + 1,
    owedSinceMs: undefined,
    toldMs: nowMs,
  }));
  const episode = (next as typeof state).episode;
  const effect = about(owed ? 'announced' : 'reminder', nowMs * 1000, value, episode);
  return { state: next, delivered: [{ effect, suppressed: undefined, backfilled: false }] };
}

function withEpisode(state: EpisodeState, change: (episode: Episode) => Episode): EpisodeState {
  return 'episode' in state ? { ...state, episode: change(state.episode) } : state;
}
