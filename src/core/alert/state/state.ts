import type { Micros, Millis } from '../../reading.ts';
import type { ResolveReason, Severity, SuppressedBy } from '../model.ts';

/** One episode, from firing to resolved. Immutable. */
export interface Episode {
  /** As restored; undefined: derived from the alert's key and `startedAtUs`. */
  readonly alertId: string | undefined;
  readonly startedAtUs: Micros;
  /** Event times of its rows in `sensor_alerts`: the firing, then each escalation. Empty if it began flapping. */
  readonly firedAtUs: readonly Micros[];
  readonly severity: Severity;
  /** Limit of the current level: that of the newest row, or of a lower one since. */
  readonly threshold: number;
  /** The most extreme value since it fired, and its excess. */
  readonly peak: number;
  readonly peakExcess: number;
  /** Number of notifications sent. */
  readonly seq: number;
  readonly ack: Ack | undefined;
  readonly flapped: boolean;
  /** Since when (by the clock) a notification is deferred: the firing was history when it was evaluated. */
  readonly deferredSinceMs: Millis | undefined;
  /** The suppression that defers it. When that ends and the episode is still open, it is notified once. */
  readonly deferredBy: SuppressedBy | undefined;
  /** When it was last notified, by the clock; undefined: never. */
  readonly notifiedMs: Millis | undefined;
}

export interface Ack {
  readonly atMs: Millis;
  readonly by: string;
  /** From then on the episode counts as not acknowledged; absent: it lasts as long as the episode. */
  readonly untilMs?: Millis | undefined;
}

/** The end of an acknowledgement; Infinity: it has none. */
export const ackEndMs = (ack: Ack): Millis => ack.untilMs ?? Infinity;

/** Since when each level has been breached without a break; undefined if it is not. */
export type LevelTimes = readonly (Micros | undefined)[];

/** Times of firings and resolves that count towards flapping; they outlive the episodes. */
export type FlapTimes = readonly Micros[];

export type EpisodeState =
  | {
      readonly kind: 'ok';
      readonly flaps: FlapTimes;
      /**
       * Closed at that time, by an operator or with its rule, while its condition held: it fires again only after
       * that was seen false.
       */
      readonly closedUs?: Micros | undefined;
    }
  | {
      readonly kind: 'pending';
      readonly sinceUs: Micros;
      readonly levels: LevelTimes;
      /** Consecutive breaching readings; counted up to `min_samples`. */
      readonly streak: number;
      readonly flaps: FlapTimes;
    }
  | {
      readonly kind: 'firing';
      readonly episode: Episode;
      readonly levels: LevelTimes;
      readonly flaps: FlapTimes;
    }
  | {
      readonly kind: 'recovering';
      readonly sinceUs: Micros;
      readonly episode: Episode;
      readonly flaps: FlapTimes;
    }
  | { readonly kind: 'latched'; readonly episode: Episode; readonly flaps: FlapTimes }
  | {
      readonly kind: 'flapping';
      /** Without a row in `firedAtUs` if the transition that exceeded the count was a firing. */
      readonly episode: Episode;
      /** The result of readings, without delays; the band between breach and clear leaves it unchanged. */
      readonly raw: 'breach' | 'clear';
      readonly changedAtUs: Micros;
      readonly flaps: FlapTimes;
    };

export type StateOf<K extends EpisodeState['kind']> = Extract<EpisodeState, { kind: K }>;

export const NO_FLAPS: FlapTimes = [];
export const OK: StateOf<'ok'> = { kind: 'ok', flaps: NO_FLAPS };

/** Plainly OK is one object, so that states can be compared by identity. */
export const plain = (state: EpisodeState): EpisodeState =>
  state.kind === 'ok' && state.flaps.length === 0 && state.closedUs === undefined ? OK : state;

export const closedUsOf = (state: EpisodeState): Micros | undefined =>
  state.kind === 'ok' ? state.closedUs : undefined;

/** The result of a rule kind for a reading. */
export interface Evaluation {
  /** The evaluated number: the reading's value, or the rate. */
  readonly value: number;
  /** Index of the highest level crossed, or -1. Crossing is strict. */
  readonly breached: number;
  /** Index of the highest level whose clear point is not reached yet, or -1: clear. Never below `breached`. */
  readonly held: number;
  /** Distance beyond the limit; comparable only within the same condition. */
  readonly excess: number;
  /** The limit in the unit of `value`, per level. */
  readonly limits: readonly number[];
}

export type StepInput =
  /** An evaluated reading. `evaluation` is undefined if the kind cannot evaluate it (a rate after a gap). */
  | {
      readonly kind: 'reading';
      readonly timeUs: Micros;
      /** More than `stale_after` since the last one. */
      readonly gap: boolean;
      readonly evaluation: Evaluation | undefined;
      /** The evaluated reading before this one. */
      readonly last: LastEvent | undefined;
    }
  /** Time has passed; only `held` conditions react. */
  | { readonly kind: 'tick'; readonly nowUs: Micros; readonly last: LastEvent | undefined }
  /** The rule was changed or removed; `evaluation` is that of the last value under the new rule. */
  | {
      readonly kind: 'rule';
      /** `retired`: removed with the sensor. */
      readonly change: 'changed' | 'removed' | 'retired';
      readonly nowUs: Micros;
      readonly evaluation: Evaluation | undefined;
      readonly last: LastEvent | undefined;
    }
  | {
      readonly kind: 'ack';
      readonly atMs: Millis;
      readonly by: string;
      /** Its end. */
      readonly untilMs?: Millis | undefined;
      readonly last: LastEvent | undefined;
    }
  /** An operator closes the episode. */
  | { readonly kind: 'resolve'; readonly atMs: Millis; readonly last: LastEvent | undefined };

export interface LastEvent {
  readonly timeUs: Micros;
  readonly value: number;
}

export type Transition =
  | 'pending'
  | 'cancelled'
  | 'firing'
  | 'escalated'
  | 'deescalated'
  | 'recovering'
  | 'refiring'
  | 'latched'
  | 'resolved'
  | 'acked'
  | 'flapping_start'
  | 'flapping_end'
  /** No transition: a deferred firing is notified. */
  | 'announced'
  /** No transition: a deferred firing is notified just before the resolution of an episode that is over already. */
  | 'belated'
  /** No transition: the deferred firing of an episode that is no longer in breach, and not over. */
  | 'outstanding'
  /** No transition: the deferred firing of an episode that began with flapping and has no row. */
  | 'still_flapping'
  /** No transition: it is still firing. */
  | 'reminder';

/** The effects of a transition, in order. The engine derives rows, notifications and log lines from them. */
export interface Effect {
  readonly transition: Transition;
  readonly timeUs: Micros;
  readonly value: number | undefined;
  readonly severity: Severity;
  readonly threshold: number | undefined;
  readonly reason: ResolveReason | undefined;
  /** The episode as it is after the transition; undefined before it fires. */
  readonly episode: Episode | undefined;
}

export interface StepResult {
  readonly state: EpisodeState;
  readonly effects: readonly Effect[];
}
