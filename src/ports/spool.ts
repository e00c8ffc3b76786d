import type { Watermarks } from '../core/alert/engine/watermarks.ts';
import type { AlertBatch } from '../core/alert/model.ts';
import type { ClockEra } from '../core/ingest/clock-era.ts';
import { type Micros, type Millis, isAvailability } from '../core/reading.ts';
import { type DeadLetter, type StorableReading, itemsOfLetters } from './store.ts';

/** Store and forward on disk. */

/**
 * `alerts`: what the alert engine made of a batch while the database was away; committed in order, and before the next
 * live batch. `unresolved`: readings of devices that the engine or the registry does not know yet; evaluated and
 * committed after those, in order. `readings`: all the others, and dead letters; they drain in the background.
 */
export const SPOOL_LANES = ['alerts', 'unresolved', 'readings'] as const;
export type SpoolLane = (typeof SPOOL_LANES)[number];

/** As much of a message as a dead letter needs. Readings of one message share the object. */
export interface SpooledMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly receivedAtMs: Millis;
  /** Absent of what an earlier version spooled. */
  readonly arrivalUs?: Micros | undefined;
  readonly dup?: boolean | undefined;
  readonly retain?: boolean | undefined;
}

/** A reading on its way through the spool. `sensorId` is 0 where the sensor is not known yet. */
export interface SpooledReading extends StorableReading {
  readonly key: string;
  readonly location: string | undefined;
  readonly gateway?: string | undefined;
  readonly receivedAtMs: Millis;
  /** Its time is that of the arrival, or counts from it; absent of what an earlier version spooled. */
  readonly stamped?: boolean | undefined;
  readonly message: SpooledMessage;
}

export interface SpoolRecord {
  readonly lane: SpoolLane;
  /** A unique UUID: ids derived from the record are the same at every attempt. */
  readonly id: string;
  readonly readings: readonly SpooledReading[];
  readonly deadLetters: readonly DeadLetter[];
  readonly alerts: AlertBatch;
  /** The era of the clock under which it was stamped; absent where that was right. */
  readonly clock?: string | undefined;
}

/** Its readings and dead letters; an availability is neither. */
export const itemsOfRecord = ({
  readings,
  deadLetters,
}: Pick<SpoolRecord, 'readings' | 'deadLetters'>): number =>
  readings.reduce((count, reading) => count + (isAvailability(reading) ? 0 : 1), itemsOfLetters(deadLetters));

/** A record as it lies in the spool. */
export interface SpooledRecord extends SpoolRecord {
  /** Position in its lane. */
  readonly seq: number;
  /** Its alert lines are out. */
  readonly notified: boolean;
}

/** An amount of spooled data. Items are readings and dead letters. */
export interface SpoolAmount {
  readonly records: number;
  readonly items: number;
  readonly bytes: number;
}

export interface SpoolContents {
  readonly lanes: Readonly<Record<SpoolLane, SpoolAmount>>;
  /** Set aside after failures that no rule explains; it waits for the next start. */
  readonly parked: SpoolAmount;
  /** When the oldest record (parked ones apart) was written. */
  readonly oldestAtMs: Millis | undefined;
  /** Found damaged since the start, and moved aside as files. `items` is 0 if unknown. */
  readonly damaged: SpoolAmount;
  /** Readings and dead letters lost since the start: their files were damaged. */
  readonly lostItems: number;
}

/** The known state of the clocks of the processes that stamped the spooled records. */
export interface ClockRecord {
  readonly eras: readonly ClockEra[];
  /** The last contact with the database that was noted, by its clock. */
  readonly confirmedMs?: Millis | undefined;
}

export interface ClockNotes {
  /** Empty where there are no notes, or where they cannot be read. */
  read(): Promise<ClockRecord>;
  /** Resolves once it is on disk for good. Rejects as the spool does. */
  write(record: ClockRecord): Promise<void>;
}

/**
 * Store and forward on disk. One owner at a time. Failures reject with a FieldwatchError of kind `transient`:
 * `SPOOL_FULL` where there is no room, `SPOOL_IO` where the disk fails; both may pass.
 */
export interface Spool {
  readonly contents: SpoolContents;
  /**
   * All or nothing; resolves once it is on disk for good (one fsync for all). `evaluated`: up to where what it brings was
   * evaluated.
   */
  append(records: readonly SpoolRecord[], evaluated?: Watermarks): Promise<readonly SpooledRecord[]>;
  /** Up to where series were evaluated, at least of all whose evaluated readings lie here still; by an earlier process as well. */
  watermarks(): Promise<Watermarks>;
  /** The watermarks do not count any more: readings are evaluated elsewhere. */
  forgetWatermarks(): Promise<void>;
  /** The oldest records of a lane: at least one if there is any, and no more than `most` if there are several. */
  oldest(lane: SpoolLane, most: Partial<SpoolAmount>): Promise<readonly SpooledRecord[]>;
  /** Removes records that are stored elsewhere; resolves once the removal is durable. */
  remove(records: readonly SpooledRecord[]): Promise<void>;
  /** Remembers that the alert lines of the record are out. */
  markNotified(record: SpooledRecord): Promise<void>;
  /** Sets a record aside that cannot be stored; its alert states go, since later ones will have taken their place. */
  park(record: SpooledRecord): Promise<void>;
  /** Puts all parked records back at the end of their lanes. */
  unpark(): Promise<void>;
  close(): Promise<void>;
}
