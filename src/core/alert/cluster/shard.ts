import type { Millis } from '../../reading.ts';

/**
 * Alerts are evaluated in shards: each shard is a fixed part of the sensors, and at most one member of a share group owns
 * it. Ingest stays shared: whoever receives a reading stores it, and what belongs to a shard of another member is handed
 * over to its owner. The number is a constant of the schema; it bounds how many members evaluate, not how many ingest.
 */
export const SHARDS = 64;

/**
 * The shard of a sensor: the upper 6 bits of a multiplicative hash of its id (Knuth, The Art of Computer Programming 3,
 * section 6.4; the factor is 2^32 divided by the golden ratio). Ids that follow one another, or are a multiple of some number
 * apart, spread evenly. In SQL: `((sensor_id::bigint * 2654435769) & 4294967295) >> 26`.
 */
export const shardOf = (sensorId: number): number => Math.imul(sensorId, 0x9e3779b1) >>> 26;

/** A member of the share group, as its row says; times are those of the database's clock, the only one that members share. */
export interface ShardMember {
  /** Of one process: a daemon that starts again is another member. */
  readonly id: string;
  readonly joinedAtMs: Millis;
  /** One lease for all its shards. */
  readonly leasedUntilMs: Millis;
  /** Its rules connect sensors of different shards (inhibition): one member has to own all of them. */
  readonly connectsSensors?: boolean;
  /** How many readings of each shard it received lately, averaged over minutes; absent where that is not known. */
  readonly received?: readonly number[];
  /** Readings that it received are not written yet; absent of a member of an earlier version. */
  readonly behind?: boolean;
}

/**
 * A shard, as its row says; its number is its place in a list of all. The epoch is the fencing token: another one for each
 * owner, and locked by each transaction that writes what was evaluated, so that a former owner cannot write any more.
 */
export interface Shard {
  /** Absent while it has no owner: given back, or never taken. */
  readonly owner: string | undefined;
  readonly epoch: number;
}

export const isLive = (member: ShardMember, nowMs: Millis): boolean => member.leasedUntilMs > nowMs;
