import type { DutyEpoch, HandedReading } from '../core/alert/model.ts';
import type { Micros } from '../core/reading.ts';

/** Which of the daemons of a share group evaluates alerts, and what the others hand on to it. */

/** Readings that another daemon, or this one before it had the duty, stored and did not evaluate. */
export interface InboxRow {
  readonly id: string;
  readonly readings: readonly HandedReading[];
}

export interface InboxLook {
  /** In the order in which they were handed on, as far as that is known. */
  readonly rows: readonly InboxRow[];
  /** There may be more. */
  readonly more: boolean;
}

/** The lease and the inbox. The fence and the deletion of what was taken are part of `ReadingStore.commit`. */
export interface DutyStore {
  /**
   * Takes the duty for `owner`, in a new epoch; undefined while another one has it. One that was given back is free at once;
   * one whose lease has run out only to who asks for `expired` ones, too.
   */
  take(group: string, owner: string, ttlMs: number, expired: boolean): Promise<number | undefined>;
  /** Keeps it, even after the lease has run out; false once somebody else has taken it. */
  renew(duty: DutyEpoch, ttlMs: number): Promise<boolean>;
  /** Gives it back: the next one may have it at once. */
  release(duty: DutyEpoch): Promise<void>;
  /** A few thousand readings of the inbox at most. */
  oldest(group: string): Promise<InboxLook>;
  /** The earliest reading of each sensor that waits in the inbox, by the sensor's id. */
  earliest(group: string): Promise<ReadonlyMap<number, Micros>>;
  /** Readings that wait in the inbox. */
  waiting(group: string): Promise<number>;
}
