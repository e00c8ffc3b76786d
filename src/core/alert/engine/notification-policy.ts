import type { Micros, Millis } from '../../reading.ts';
import type { Severity, SuppressedBy } from '../model.ts';
import { ackEndMs, type Effect, type Episode, type EpisodeState } from '../state/state.ts';
import { about } from '../state/transitions.ts';

/** Why an alert is not notified now. A deferred notification is sent later, if the alert is still open. */
export type Suppression = 'backfill' | SuppressedBy;

/** The reason that suppresses an alert of this severity at the current moment. */
export type SuppressedAt = (severity: Severity) => SuppressedBy | undefined;

/** An effect, and whether it is notified. */
export interface Delivered {
  readonly effect: Effect;
  readonly suppressed: Suppression | undefined;
  /** The episode was long over when it was evaluated. */
  readonly backfilled: boolean;
  /** Not logged: the notification deferred until now is sent in the same step, with the current state. */
  readonly unlogged?: boolean;
}

export interface DeliveryRules {
  readonly backfillAfterUs: Micros;
  /** Interval of reminders; undefined: none. */
  readonly repeatUs: Micros | undefined;
}

export interface Notified {
  readonly state: EpisodeState;
  readonly delivered: readonly Delivered[];
}

/** History arrives in one burst; after this long without a reading its last state is the present. */
const SETTLE_MS = 60_000;

/**
 * Readings that arrive long after they were measured may describe episodes that are over by now: those are not
 * notified. At the moment of firing that is not known yet, so the notification is deferred: it is sent if the episode
 * is still open once readings are recent again (or stop), and never if it ended long ago. A suppressed alert (by
 * silence, maintenance window or inhibition) is deferred until the suppression ends: `review`.
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
 * Notified if the higher severity was. An episode not notified yet is notified with its state once nothing suppresses
 * it: `review`.
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
      unlogged: suppressedBy === undefined && deferredBy !== undefined,
    },
  };
}

/** The end of an episode: notified, unless it is suppressed itself or the episode never was notified. */
function ended(
  effect: Effect,
  debt: Debt & { readonly old: boolean; readonly suppressedBy: SuppressedBy | undefined },
): Delivered[] {
  const { old, suppressedBy, deferredSinceMs, deferredBy, notifiedMs } = debt;
  const backfilled = deferredSinceMs !== undefined && old;
  if (suppressedBy !== undefined) return [{ effect, suppressed: suppressedBy, backfilled }];
  // Its suppression has just ended, and it ended before it was notified.
  if (deferredBy !== undefined && notifiedMs === undefined)
    return [{ effect, suppressed: deferredBy, backfilled }];
  if (deferredSinceMs === undefined) return [plain(effect)];
  return backfilled ? [{ effect, suppressed: 'backfill', backfilled }] : sent(effect);
}

/** The deferred firing, sent just before the end: the end is recent, so it is not history. */
function sent(effect: Effect): Delivered[] {
  const { timeUs, episode } = effect;
  if (episode === undefined) return [];
  const fired = about('belated', timeUs, episode.peak, episode);
  return [plain(fired), plain({ ...effect, episode: { ...episode, seq: episode.seq + 1 } })];
}

/** When an open episode needs a notification without a transition: a deferred one, or a reminder. */
export function deliveryDueMs(
  state: EpisodeState,
  receivedMs: Millis,
  staleAfterUs: Micros,
  rules: DeliveryRules,
): Millis {
  if (!('episode' in state)) return Infinity;
  const { deferredSinceMs, deferredBy, notifiedMs, ack } = state.episode;
  if (deferredBy !== undefined) return Infinity;
  if (ack?.untilMs !== undefined) return ack.untilMs;
  if (deferredSinceMs !== undefined) return Math.max(deferredSinceMs, receivedMs) + SETTLE_MS;
  if (
    rules.repeatUs === undefined ||
    state.kind !== 'firing' ||
    ack !== undefined ||
    notifiedMs === undefined
  )
    return Infinity;
  const dueMs = notifiedMs + rules.repeatUs / 1000;
  // Reminders stop when nothing is received any more.
  return dueMs - receivedMs > staleAfterUs / 1000 ? Infinity : dueMs;
}

/** Sends what `deliveryDueMs` found due, or defers it. */
export function renotify(
  state: EpisodeState,
  nowMs: Millis,
  value: number | undefined,
  suppressedAt: SuppressedAt,
): Notified {
  if (!('episode' in state)) return { state, delivered: [] };
  if (hasAckEnded(state.episode, nowMs)) return ackEnded(state, nowMs, value, suppressedAt);
  const { severity, deferredSinceMs } = state.episode;
  const deferredBy = suppressedAt(severity);
  // From here on it is not history: only suppression can defer it.
  if (deferredBy !== undefined)
    return { state: withEpisode(state, { deferredBy, deferredSinceMs: undefined }), delivered: [] };
  return notify(state, deferredSinceMs === undefined ? 'reminder' : 'announced', nowMs, nowMs, value);
}

const hasAckEnded = ({ ack }: Episode, atMs: Millis): boolean => ack !== undefined && ackEndMs(ack) <= atMs;

/** From here on it counts as not acknowledged. What is firing is notified once more, whatever its repeat_interval. */
function ackEnded(
  state: EpisodeState & { readonly episode: Episode },
  nowMs: Millis,
  value: number | undefined,
  suppressedAt: SuppressedAt,
): Notified {
  const open = withEpisode(state, { ack: undefined });
  const deferredBy = suppressedAt(state.episode.severity);
  if (deferredBy !== undefined) return { state: withEpisode(open, { deferredBy }), delivered: [] };
  const { deferredSinceMs, notifiedMs } = state.episode;
  // What was never notified is announced by other rules; what is clear again may never need a notification.
  if (state.kind !== 'firing' || deferredSinceMs !== undefined || notifiedMs === undefined)
    return { state: open, delivered: [] };
  return notify(open, 'reminder', nowMs, nowMs, value);
}

/**
 * The suppressions have changed. An open alert that is suppressed now is deferred; one that no longer is suppressed
 * is notified once, unless it was acknowledged meanwhile. `dueMs` is the moment of the change, whenever it is
 * noticed.
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
  const isAcked = ack !== undefined && ackEndMs(ack) > dueMs;
  if (suppressedBy !== undefined || isAcked)
    return { state: withEpisode(state, { deferredBy: suppressedBy }), delivered: [] };
  // History is notified once it is the present, not before, and not during a suppression.
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
  const ack = hasAckEnded(state.episode, timeMs) ? undefined : state.episode.ack;
  const next = withEpisode(state, { seq, ack, ...debt });
  const { episode } = next as typeof state;
  const effect =
    state.kind === 'firing'
      ? about(transition, timeMs * 1000, value, episode)
      : about(unfinished(episode), timeMs * 1000, episode.peak, episode);
  return { state: next, delivered: [plain(effect)] };
}

/** For an episode notified as flapping that never fired, the end of the flapping is its only end. */
const unfinished = ({ firedAtUs }: Episode) => (firedAtUs.length > 0 ? 'outstanding' : 'still_flapping');

function withEpisode(state: EpisodeState, change: Partial<Episode>): EpisodeState {
  return 'episode' in state ? { ...state, episode: { ...state.episode, ...change } } : state;
}
