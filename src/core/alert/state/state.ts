import type { Micros, Millis } from '../../reading.ts';
import type { ResolveReason, Severity, SuppressedBy } from '../model.ts';

/** One firing until resolved. Immutable. */
export interface Episode {
  /** As it was read back; undefined: it follows from the alert's key and `startedAtUs`. */
  readonly alertId: string | undefined;
  readonly startedAtUs: Micros;
  /** Event times of its rows in `sensor_alerts`: the firing, then each escalation. Empty if it began flapping. */
  readonly firedAtUs: readonly Micros[];
  readonly severity: Severity;
  /** Limit of the level that holds: the one that the newest row crossed, or of a lower one since. */
  readonly threshold: number;
  /** The value furthest out since it fired, and how far out that is. */
  readonly peak: number;
  readonly peakExcess: number;
  /** Notifications so far. */
  readonly seq: number;
  readonly ack: Ack | undefined;
  readonly flapped: boolean;
  /** Since when (by the clock) somebody should be told and is not: its firing was history when it was evaluated. */
  readonly deferredSinceMs: Millis | undefined;
  /** What keeps it from being told. When that is over and it is still open, it is told once. */
  readonly deferredBy: SuppressedBy | undefined;
  /** When somebody was last told, by the clock; undefined: nobody was. */
  readonly notifiedMs: Millis | undefined;
}

export interface Ack {
  readonly atMs: Millis;
  readonly by: string;
}

/** Since when each level of the ladder has been breached without a break; undefined where it is not. */
export type LevelTimes = readonly (Micros | undefined)[];

/** Times of firings and resolves that flapping counts; they outlive the episodes. */
export type FlapTimes = readonly Micros[];

export type EpisodeState =
  | {
      readonly kind: 'ok';
      readonly flaps: FlapTimes;
      /**
       * An operator, or the end of its rule, closed it at that time while its condition held: it fires again once that was
       * seen false.
       */
      readonly closedUs?: Micros | undefined;
    }
  | {
      readonly kind: 'pending';
      readonly sinceUs: Micros;
      readonly levels: LevelTimes;
      /** Breaching readings in a row; counted no further than `min_samples` asks. */
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
      /** Without a row in `firedAtUs` when the transition that was one too many was a firing. */
      readonly episode: Episode;
      /** What readings say, without delays; the band between breach and clear leaves it as it was. */
      readonly raw: 'breach' | 'clear';
      readonly changedAtUs: Micros;
      readonly flaps: FlapTimes;
    };

export type StateOf<K extends EpisodeState['kind']> = Extract<EpisodeState, { kind: K }>;

export const NO_FLAPS: FlapTimes = [];
export const OK: StateOf<'ok'> = { kind: 'ok', flaps: NO_FLAPS };

/** Plainly OK is one object, so that a comparison tells. */
export const plain = (state: EpisodeState): EpisodeState =>
  state.kind === 'ok' && state.flaps.length === 0 && state.closedUs === undefined ? OK : state;

export const closedUsOf = (state: EpisodeState): Micros | undefined =>
  state.kind === 'ok' ? state.closedUs : undefined;

/** What a rule kind makes of a reading. */
export interface Evaluation {
  /** The judged number: the reading's value, or the rate. */
  readonly value: number;
  /** Index of the highest level crossed, or -1. Crossing is strict. */
  readonly breached: number;
  /** Index of the highest level whose clear point is not reached yet, or -1: clear. Never below `breached`. */
  readonly held: number;
  /** How far out; only compared with others of the same condition. */
  readonly excess: number;
  /** The limit in the unit of `value`, per level. */
  readonly limits: readonly number[];
}

export type StepInput =
  /** An evaluated reading. `evaluation` is undefined where the kind cannot judge (a rate after a gap). */
  | {
      readonly kind: 'reading';
      readonly timeUs: Micros;
      /** More than `stale_after` since the last one. */
      readonly gap: boolean;
      readonly evaluation: Evaluation | undefined;
      /** The evaluated reading before this one. */
      readonly last: LastEvent | undefined;
    }
  /** Time has passed; only `held` conditions care. */
  | { readonly kind: 'tick'; readonly nowUs: Micros; readonly last: LastEvent | undefined }
  /** The rule was changed or removed; `verdict` is the last value under the new rule. */
  | {
      readonly kind: 'rule';
      readonly change: 'changed' | 'removed';
      readonly nowUs: Micros;
      readonly evaluation: Evaluation | undefined;
      readonly last: LastEvent | undefined;
    }
  | { readonly kind: 'ack'; readonly atMs: Millis; readonly by: string; readonly last: LastEvent | undefined }
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
  /** No transition: what was owed is told. */
  | 'announced'
  /** The same just before its end: it is over already. */
  | 'belated'
  /** The same of an episode that is not in breach any more, and not over. */
  | 'outstanding'
  /** The same of one that began with flapping and has no row. */
  | 'still_flapping'
  /** No transition: it still fires. */
  | 'reminder';

/** What a step did, in order. The shell turns it into rows, notifications and log lines. */
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
