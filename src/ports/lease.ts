import type { SectionDigests } from '../core/alert/cluster/shard.ts';
import type { GroupView, OwnedShards } from '../core/alert/cluster/shard-lease.ts';
import type { Millis } from '../core/reading.ts';

/** Leases by name, stored in the database: one daemon at a time has each. Of a share group: `LeaseStore`. */
export interface NamedLeases {
  /** Takes or keeps it for `owner`; false while another daemon has it. `kind`: of the work, for readers of the database. */
  lease(
    work: { readonly name: string; readonly kind: string },
    owner: string,
    ttlMs: Millis,
  ): Promise<boolean>;
  release(name: string, owner: string): Promise<void>;
}

/** Report of a member with each renewal. */
export interface MemberReport {
  readonly connectsSensors: boolean;
  readonly received?: readonly number[] | undefined;
  /** Readings wait for it at the broker, in its spool, or for a commit that takes long. */
  readonly behind?: boolean | undefined;
  /** Its subscription at the broker: members with the same one share the messages. Absent: nothing, or not all. */
  readonly subscribed?: string | undefined;
  /** Sections that decide the outcome of its readings: members should have the same. */
  readonly configuration?: SectionDigests | undefined;
}

/**
 * Messages that the members of a group may have to wait for once a process has left: nothing; what the broker keeps in its session,
 * or its spool has; or, as it never received anything, what its former processes left, if there were any.
 */
export type Remains = 'nothing' | 'something' | 'as_before';

/** The rows of a share group. The fence is part of `ReadingStore.commit`. */
export interface LeaseStore {
  /** Renews the lease of the member, which joins with the first one, and reads the rows of the group. */
  renew(group: string, member: string, ttlMs: number, report: MemberReport): Promise<GroupView>;
  /** Takes shards that have no owner, or one whose lease ran out; each only under the epoch that was seen. Those it got. */
  take(group: string, member: string, wanted: OwnedShards): Promise<OwnedShards>;
  /** Gives shards back: another member may have them at once. */
  release(group: string, member: string, given: OwnedShards): Promise<void>;
  /** Reports that it is not subscribed any more, if a live member reports the same subscription; else it is false. */
  depart(group: string, member: string): Promise<boolean>;
  /** Releases all shards that it owns. Where something remains its row stays, and says so. */
  leave(group: string, member: string, remains: Remains): Promise<void>;
}

/** How a daemon without a share group becomes the owner of the shards that other programs of its database use (group ''). */
export interface ClaimStore {
  /**
   * Takes all shards of the group, but those of another daemon that is there; programs lose theirs. Returns how many of them
   * programs had, and may have evaluated.
   */
  claim(group: string, member: string): Promise<number>;
}

/** A daemon that evaluates what is written into this database. */
export interface DaemonSeen {
  /** Its share group; '' without one. */
  readonly group: string;
  readonly member: string;
  /** Its lease is in force. */
  readonly live: boolean;
}
