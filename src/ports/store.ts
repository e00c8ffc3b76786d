import type { AlertBatch } from '../core/alert/model.ts';
import type { Micros, Millis, RejectCode } from '../core/reading.ts';

/** Where batches go. */

/** A reading whose sensor is known: one row for the store. */
export interface StorableReading {
  readonly sensorId: number;
  readonly timeUs: Micros;
  readonly metrics: ReadonlyMap<string, number>;
}

export interface DeadLetter {
  /**
   * A UUID that follows from topic, payload and reason, whichever process makes it: together with the time of arrival it is
   * stored once. Without one the store gives it one.
   */
  readonly id?: string;
  /** The broker delivers it again: it is stored unless one of the same id is, whenever that arrived. */
  readonly redelivered?: boolean | undefined;
  /** To the microsecond: no two messages of a process have the same. */
  readonly receivedAtMs: Millis;
  readonly topic: string;
  readonly payload: Uint8Array;
  /** A reject code, `sensor_rejected`, or an SQLSTATE. */
  readonly reason: RejectCode | (string & {});
  readonly detail: string | undefined;
  /** How many readings of the message it stands for; 1 by default. */
  readonly items?: number | undefined;
}

export const itemsOfLetters = (letters: readonly DeadLetter[]): number =>
  letters.reduce((sum, { items = 1 }) => sum + items, 0);

/** The rows of one transaction. */
export interface StoreBatch {
  readonly readings: readonly StorableReading[];
  readonly deadLetters: readonly DeadLetter[];
  readonly alerts: AlertBatch;
  /**
   * True when an earlier attempt at these readings failed with an unknown outcome (a lost COMMIT reply): readings
   * already stored are then duplicates, so the store goes straight to staging and merge.
   */
  readonly retry: boolean;
  /** The change of sensors by which the ids of this batch were looked up; after another one it is refused (SENSORS_CHANGED). */
  readonly sensorSeq?: number | undefined;
  /** Dead letters of readings that conflict, kept in the same transaction. Without it they are only counted. */
  readonly keepConflicts?: ((conflicts: readonly Conflict[]) => readonly DeadLetter[]) | undefined;
}

/** A reading whose sensor and time are taken, by another value of the same metric. */
export interface Conflict {
  /** Index into `StoreBatch.readings`. */
  readonly index: number;
  readonly values: readonly ConflictingValue[];
}

export interface ConflictingValue {
  readonly metric: string;
  readonly stored: number;
  readonly sent: number;
}

/** Readings by outcome; the four add up to the readings of the batch. */
export interface StoreOutcome {
  /** New rows. */
  readonly stored: number;
  /** Equal to the stored reading. */
  readonly duplicate: number;
  /** Filled in metrics that the stored reading lacked. */
  readonly merged: number;
  /** Another value for a stored metric: the first stays, the reading becomes a dead letter. */
  readonly conflict: number;
}

/** A row that the database refused; the batch was rolled back and must be sent again without it. */
export interface RowRefused {
  readonly kind: 'row_refused';
  /** Index into `StoreBatch.readings`. */
  readonly index: number;
  readonly sqlstate: string;
  readonly message: string;
  /** Further rows that were found in the same pass. */
  readonly others?: readonly Omit<RowRefused, 'kind' | 'others'>[];
}

export interface ReadingStore {
  /**
   * One transaction. Resolves once it is committed. A rejected row is a result, not an exception; every other failure
   * rejects with a FieldwatchError whose `kind` states whether to retry (`transient`) or to stop writing. `signal`
   * ends the wait for an answer: the commit then rejects as with a lost connection, its outcome unknown. `answered`
   * is called with each answer of the server: a large batch takes many.
   */
  commit(
    batch: StoreBatch,
    signal?: AbortSignal,
    answered?: () => void,
  ): Promise<({ readonly kind: 'committed' } & StoreOutcome) | RowRefused>;
  /** Gives its connection back, after the work under way; the next commit opens another one. */
  disconnect?(): Promise<void>;
  close(): Promise<void>;
}
