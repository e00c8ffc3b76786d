import type { Millis } from '../../reading.ts';

/**
 * Alerts are evaluated in shards: each shard is a fixed part of the sensors, and at most one member of a share group
 * owns it. Ingest stays shared: the member that receives a reading stores it, and forwards readings of another
 * member's shard to its owner. The number is a constant of the schema; it bounds how many members evaluate, not how
 * many ingest.
 */
export const SHARDS = 64;

/**
 * The shard of a sensor: the upper 6 bits of a multiplicative hash of its id (Knuth, The Art of Computer Programming
 * 3, section 6.4; the factor is 2^32 divided by the golden ratio). Consecutive ids, or ids a constant apart, spread
 * evenly. In SQL: `((sensor_id::bigint * 2654435769) & 4294967295) >> 26`.
 */
export const shardOf = (sensorId: number): number => Math.imul(sensorId, 0x9e3779b1) >>> 26;

/** How long a renewal of a member's row holds its shards. */
export const LEASE_MS = 10_000;

/** A digest of each section of a member's configuration that decides which rows its readings become, by its name. */
export type SectionDigests = Readonly<Record<string, string>>;

/** A member of the share group, from its row; times are those of the database's clock, the only one that members share. */
export interface ShardMember {
  /** Per process: a restarted daemon is another member. */
  readonly id: string;
  readonly joinedAtMs: Millis;
  /** One lease for all its shards. */
  readonly leasedUntilMs: Millis;
  /** Its rules relate sensors of different shards (inhibition): one member has to own all of them. */
  readonly connectsSensors?: boolean;
  /** How many readings of each shard it received recently, averaged over minutes; absent if unknown. */
  readonly received?: readonly number[];
  /** Readings that it received are not written yet; absent for a member of an earlier version. */
  readonly behind?: boolean;
  /** Absent for a member of an earlier version. */
  readonly configuration?: SectionDigests;
}

/**
 * A shard, from its row; its number is its index in the list of all. The epoch is the fencing token: raised by each
 * owner, and locked by each transaction that writes what was evaluated, so that a former owner cannot write any more.
 */
export interface Shard {
  /** Absent while it has no owner: released, or never taken. */
  readonly owner: string | undefined;
  readonly epoch: number;
}

export const isLive = (member: ShardMember, nowMs: Millis): boolean => member.leasedUntilMs > nowMs;
