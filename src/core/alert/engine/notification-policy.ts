import type { Micros, Millis } from '../../reading.ts';
import type { Severity, SuppressedBy } from '../model.ts';
import type { Effect, Episode, EpisodeState } from '../state/state.ts';
import { about } from '../state/transitions.ts';

/** Why somebody is not told now. What is deferred is told later, if it is still so. */
export type Suppression = 'backfill' | SuppressedBy;

/** What keeps an alert of this severity from being told at the moment in hand. */
export type SuppressedAt = (severity: Severity) => SuppressedBy | undefined;

/** An effect, and whether it leaves the house. */
export interface Delivered {
  readonly effect: Effect;
  readonly suppressed: Suppression | undefined;
  /** The episode was long over when it was evaluated. */
  readonly backfilled: boolean;
  /** No line of its own: what was deferred until now is told in the same step, as it is. */
  readonly unsaid?: boolean;
}

export interface DeliveryRules {
  readonly backfillAfterUs: Micros;
  /** Time between two reminders; undefined: none. */
  readonly repeatUs: Micros | undefined;
}

export interface Notified {
  readonly state: EpisodeState;
  readonly delivered: readonly Delivered[];
}

/** History arrives in one go; after this long without a reading, what it says is the present. */
const SETTLE_MS = 60_000;

/**
 * Readings that arrive long after they were measured may tell of episodes that are over by now: nobody is woken for
 * those. At the moment of firing that is not known yet, so the notification is owed: it is sent when the episode is
 * still open once readings are recent again (or no more of them come), and never if it ended long ago.
 * What is suppressed (a silence, a maintenance window, an alert that explains it) is deferred until that is over: `review`.
 */
export function deliver(
  state: EpisodeState,
  effects: readonly Effect[],
  nowMs: Millis,
  rules: DeliveryRules,
  suppressedAt: SuppressedAt,
): Notified {
  const delivered: Delivered[] = [];
  let next = state;
  let { deferredSinceMs, deferredBy, notifiedMs } = before(effects, state);
  for (const effect of effects) {
    if (effect.episode === undefined || !isNotified(effect)) {
      delivered.push(plain(effect));
      continue;
    }
    if (effect.transition === 'deescalated') {
      const notified = lowered(effect, nowMs, { deferredSinceMs, deferredBy, notifiedMs }, suppressedAt);
      ({ deferredSinceMs, deferredBy, notifiedMs } = notified.debt);
      delivered.push(notified.delivered);
      next = withEpisode(next, notified.debt);
      continue;
    }
    const old = nowMs * 1000 - effect.timeUs > rules.backfillAfterUs;
    const suppressedBy = suppressedAt(effect.severity);
    if (effect.transition === 'resolved') {
      delivered.push(...ended(effect, { old, suppressedBy, deferredSinceMs, deferredBy, notifiedMs }));
      [deferredSinceMs, deferredBy, notifiedMs] = [undefined, undefined, undefined];
    } else {
      if (old) deferredSinceMs ??= nowMs;
      deferredBy = suppressedBy;
      const suppressed = suppressedBy ?? (deferredSinceMs === undefined ? undefined : 'backfill');
      if (suppressed === undefined) notifiedMs = nowMs;
      delivered.push({ effect, suppressed, backfilled: false });
      next = withEpisode(next, { deferredSinceMs, deferredBy, notifiedMs });
    }
  }
  return { state: next, delivered };
}

const NOTIFIED = ['firing', 'escalated', 'deescalated', 'resolved', 'flapping_start', 'flapping_end'];
const isNotified = ({ transition }: Effect) => NOTIFIED.includes(transition);

const plain = (effect: Effect): Delivered => ({ effect, suppressed: undefined, backfilled: false });

type Debt = Pick<Episode, 'deferredSinceMs' | 'deferredBy' | 'notifiedMs'>;
const NO_DEBT: Debt = { deferredSinceMs: undefined, deferredBy: undefined, notifiedMs: undefined };

function before(effects: readonly Effect[], state: EpisodeState): Debt {
  const first = effects.find(({ episode }) => episode !== undefined)?.episode;
  return first ?? ('episode' in state ? state.episode : NO_DEBT);
}

/**
 * Told where the higher severity was. What nobody knows of yet is told as it is then, once nothing is in the way:
 * `review`.
 */
function lowered(
  effect: Effect,
  nowMs: Millis,
  debt: Debt,
  suppressedAt: SuppressedAt,
): { readonly debt: Debt; readonly delivered: Delivered } {
  const suppressedBy = suppressedAt(effect.severity);
  const deferredBy = debt.deferredBy ?? suppressedBy;
  const suppressed =
    suppressedBy ?? deferredBy ?? (debt.deferredSinceMs === undefined ? undefined : ('backfill' as const));
  const notifiedMs = suppressed === undefined ? nowMs : debt.notifiedMs;
  return {
    debt: { ...debt, deferredBy, notifiedMs },
    delivered: {
      effect,
      suppressed,
      backfilled: false,
      unsaid: suppressedBy === undefined && deferredBy !== undefined,
    },
  };
}

/** The end of an episode: told, unless it is suppressed itself or nobody knew of what ended. */
function ended(
  effect: Effect,
  debt: Debt & { readonly old: boolean; readonly suppressedBy: SuppressedBy | undefined },
): Delivered[] {
  const { old, suppressedBy, deferredSinceMs, deferredBy, notifiedMs } = debt;
  const backfilled = deferredSinceMs !== undefined && old;
  if (suppressedBy !== undefined) return [{ effect, suppressed: suppressedBy, backfilled }];
  // What suppressed it has just gone, and it ended before anybody was told.
  if (deferredBy !== undefined && notifiedMs === undefined)
    return [{ effect, suppressed: deferredBy, backfilled }];
  if (deferredSinceMs === undefined) return [plain(effect)];
  return backfilled ? [{ effect, suppressed: 'backfill', backfilled }] : sent(effect);
}

/** The firing that was kept back, told just before its end: the end is recent, so it is no history. */
function sent(effect: Effect): Delivered[] {
  const { timeUs, episode } = effect;
  if (episode === undefined) return [];
  const fired = about('belated', timeUs, episode.peak, episode);
  return [plain(fired), plain({ ...effect, episode: { ...episode, seq: episode.seq + 1 } })];
}

/** When something has to be told of an open episode without any transition: what is owed, or a reminder. */
export function deliveryDueMs(
  state: EpisodeState,
  receivedMs: Millis,
  staleAfterUs: Micros,
  rules: DeliveryRules,
): Millis {
  if (!('episode' in state)) return Infinity;
  const { deferredSinceMs, deferredBy, notifiedMs, ack } = state.episode;
  if (deferredBy !== undefined) return Infinity;
  if (deferredSinceMs !== undefined) return Math.max(deferredSinceMs, receivedMs) + SETTLE_MS;
  if (
    rules.repeatUs === undefined ||
    state.kind !== 'firing' ||
    ack !== undefined ||
    notifiedMs === undefined
  )
    return Infinity;
  const dueMs = notifiedMs + rules.repeatUs / 1000;
  // Reminders stop when nothing is heard any more.
  return dueMs - receivedMs > staleAfterUs / 1000 ? Infinity : dueMs;
}

/** Tells what `deliveryDueMs` said, or defers it. */
export function renotify(
  state: EpisodeState,
  nowMs: Millis,
  value: number | undefined,
  suppressedAt: SuppressedAt,
): Notified {
  if (!('episode' in state)) return { state, delivered: [] };
  const { severity, deferredSinceMs } = state.episode;
  const deferredBy = suppressedAt(severity);
  // From here on it is no history any more: only what suppresses it is in the way.
  if (deferredBy !== undefined)
    return { state: withEpisode(state, { deferredBy, deferredSinceMs: undefined }), delivered: [] };
  return notify(state, deferredSinceMs === undefined ? 'reminder' : 'announced', nowMs, nowMs, value);
}

/**
 * What suppresses alerts has changed. Whatever is open and suppressed now is deferred; what was and is not any more is
 * told once, unless somebody has acknowledged it meanwhile. `dueMs` is the moment of the change, whenever it is noticed.
 */
export function review(
  state: EpisodeState,
  { dueMs, nowMs }: { readonly dueMs: Millis; readonly nowMs: Millis },
  value: number | undefined,
  suppressedAt: SuppressedAt,
): Notified {
  if (!('episode' in state)) return { state, delivered: [] };
  const { severity, deferredBy, deferredSinceMs, ack } = state.episode;
  const suppressedBy = suppressedAt(severity);
  if (suppressedBy === deferredBy) return { state, delivered: [] };
  if (suppressedBy !== undefined || ack !== undefined)
    return { state: withEpisode(state, { deferredBy: suppressedBy }), delivered: [] };
  // History is told when it has become the present, not before; nor in the time when it was suppressed.
  if (deferredSinceMs !== undefined) {
    const sinceMs = Math.max(deferredSinceMs, dueMs - SETTLE_MS);
    return { state: withEpisode(state, { deferredBy: undefined, deferredSinceMs: sinceMs }), delivered: [] };
  }
  return notify(state, 'announced', dueMs, nowMs, value);
}

function notify(
  state: EpisodeState,
  transition: 'announced' | 'reminder',
  timeMs: Millis,
  nowMs: Millis,
  value: number | undefined,
): Notified {
  if (!('episode' in state)) return { state, delivered: [] };
  const seq = state.episode.seq + 1;
  const debt: Debt = { deferredSinceMs: undefined, deferredBy: undefined, notifiedMs: nowMs };
  const next = withEpisode(state, { seq, ...debt });
  const { episode } = next as typeof state;
  const effect =
    state.kind === 'firing'
      ? about(transition, timeMs * 1000, value, episode)
      : about(unfinished(episode), timeMs * 1000, episode.peak, episode);
  return { state: next, delivered: [plain(effect)] };
}

/** Told as flapping what never fired: the end of the flapping is its end, and there is no other. */
const unfinished = ({ firedAtUs }: Episode) => (firedAtUs.length > 0 ? 'outstanding' : 'still_flapping');

function withEpisode(state: EpisodeState, change: Partial<Episode>): EpisodeState {
  return 'episode' in state ? { ...state, episode: { ...state.episode, ...change } } : state;
}
