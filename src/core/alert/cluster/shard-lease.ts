import type { Millis } from '../../reading.ts';
import { planShards } from './plan-shards.ts';
import { type Shard, type ShardMember, isLive } from './shard.ts';

/** How long a renewal of a member's row keeps its shards. */
export const LEASE_MS = 10_000;
/** Clocks of two machines run apart, and a renewal is counted from before it was sent: by this much a member stops earlier. */
const LEASE_MARGIN_MS = 500;
/**
 * For this long a member must have reached the database before it takes shards of which the lease ran out: when the database
 * was away for all members, the owners, which went on evaluating, are to find their shards their own.
 */
export const GRACE_MS = 10_000;
/** Shards that a live member gives up in one round: the rest goes on without a break meanwhile. */
const RELEASED_PER_ROUND = 8;

/** In the member's monotonic time: until when no other member can have taken its shards. */
export const leaseHeldUntilMs = (renewalSentMs: Millis): Millis => renewalSentMs + LEASE_MS - LEASE_MARGIN_MS;

/** What a member reads in one round, in one transaction with the renewal of its own row. */
export interface GroupView {
  readonly nowMs: Millis;
  readonly members: readonly ShardMember[];
  readonly shards: readonly Shard[];
}

/** The shards that a member owns, with the epoch under which it writes what it evaluates of each. */
export type OwnedShards = ReadonlyMap<number, number>;

/** What a member does after it read the rows of its group. */
export interface ShardMoves {
  /** Its own by the rows, whatever it knew: the answer of an earlier round may have been lost. */
  readonly owned: OwnedShards;
  /** It believed that it owns them under these epochs, and another member has taken them, or it gave them back. */
  readonly lost: OwnedShards;
  /** To be given back, once nothing of them is being written. */
  readonly release: OwnedShards;
  /** To be taken, each only where its epoch is still this one: so of two members that both try, one gets it. */
  readonly take: OwnedShards;
}

/**
 * One round of a member. Safety does not depend on it: whatever a member believes, what it evaluated commits only under the
 * epoch in the shard's row, which each owner raises. `takesExpired`: the database was there for `GRACE_MS`.
 */
export function shardMoves(
  self: string,
  view: GroupView,
  believed: OwnedShards,
  takesExpired: boolean,
): ShardMoves {
  const { members, shards, nowMs } = view;
  const plan = planShards(members, shards, nowMs);
  const live = new Set(members.filter((member) => isLive(member, nowMs)).map(({ id }) => id));
  const owned = new Map<number, number>();
  const release = new Map<number, number>();
  const take = new Map<number, number>();
  shards.forEach(({ owner, epoch }, shard) => {
    if (owner === self) {
      owned.set(shard, epoch);
      if (plan[shard] !== self && plan[shard] !== undefined && release.size < RELEASED_PER_ROUND)
        release.set(shard, epoch);
    } else if (plan[shard] === self && (owner === undefined || (takesExpired && !live.has(owner))))
      take.set(shard, epoch);
  });
  const lost = new Map([...believed].filter(([shard, epoch]) => owned.get(shard) !== epoch));
  return { owned, lost, release, take };
}
