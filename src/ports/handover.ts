import type { HandoverReading } from '../core/alert/cluster/handover-record.ts';
import type { Micros } from '../core/reading.ts';

/** One batch's readings of one shard. */
export interface HandoverRow {
  readonly id: string;
  readonly shard: number;
  readonly readings: readonly HandoverReading[];
}

export interface HandoverPage {
  /** Rows of all members in the order in which they were received, to a few seconds; of one member in the order of its commits. */
  readonly rows: readonly HandoverRow[];
  /** There may be more. */
  readonly more: boolean;
}

export interface HandoverStretch {
  readonly readings: readonly HandoverReading[];
  readonly lastId: string;
  readonly more: boolean;
}

/**
 * Readings on their way to the owners of their shards. They are written by the `ReadingStore.commit` that stores them, and
 * deleted by the one that writes what became of them.
 */
export interface HandoverStore {
  /** The oldest rows of these shards: as many as hold `most` readings, and the one with which there are more; a few hundred rows at most. */
  read(group: string, shards: readonly number[], most: number): Promise<HandoverPage>;
  /** Some thousand readings of these shards in the order of the commits, after those up to `afterId` ('0': from the first). */
  after(group: string, shards: readonly number[], afterId: string): Promise<HandoverStretch>;
  /** The earliest reading of each sensor of these shards that waits, by the sensor's id. */
  earliest(group: string, shards: readonly number[]): Promise<ReadonlyMap<number, Micros>>;
  /** Readings that wait, of all shards. */
  waiting(group: string): Promise<number>;
}
