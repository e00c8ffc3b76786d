import type { Millis } from '../../reading.ts';
import { planShards } from './plan-shards.ts';
import { isLive, LEASE_MS, type Shard, type ShardMember } from './shard.ts';
import { FieldwatchError } from '../../errors.ts';

/** Clocks of two machines drift apart, and a renewal counts from before it was sent: a member stops this much earlier. */
const LEASE_MARGIN_MS = 500;
/**
 * A member must have reached the database for this long before it takes shards with an expired lease: after an outage
 * of the database for all members, the owners, which continued to evaluate, are to find their shards their own.
 */
export const GRACE_MS = 10_000;
/** Shards that a live member releases in one round: evaluation of the rest continues meanwhile. */
const RELEASED_PER_ROUND = 8;

/** In the member's monotonic time: until then no other member can have taken its shards. */
export const leaseHeldUntilMs = (renewalSentMs: Millis): Millis => renewalSentMs + LEASE_MS - LEASE_MARGIN_MS;

/** The rows that a member reads in one round, in one transaction with the renewal of its own row. */
export interface GroupView {
  readonly nowMs: Millis;
  readonly members: readonly ShardMember[];
  readonly shards: readonly Shard[];
}

/** How many live members receive readings, `self` among them in any case. */
export const receiversIn = ({ members, nowMs }: GroupView, self: string): number =>
  members.filter(
    (member) => isLive(member, nowMs) && (member.id === self || member.received?.some((count) => count > 0)),
  ).length || 1;

/** The shards that a member owns, with the fencing token under which it writes what it evaluates of each. */
export type OwnedShards = ReadonlyMap<number, number>;

/** The changes of ownership after a member has read the rows of its group. */
export interface ShardMoves {
  /** Its shards by the rows, whatever it knew: the reply of an earlier round may have been lost. */
  readonly owned: OwnedShards;
  /** Shards that it believed to own under these epochs, and that another member has taken or it has released. */
  readonly lost: OwnedShards;
  /** Shards to release once nothing of them is being written. */
  readonly release: OwnedShards;
  /** Shards to take, each only if its epoch is still this one: of two members that both try, one gets it. */
  readonly take: OwnedShards;
}

/**
 * One round of a member. Safety does not depend on it: whatever a member believes, what it evaluated commits only
 * under the epoch in the shard's row, which each owner raises. `takesExpired`: the database was reachable for
 * `GRACE_MS`.
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

/** Error code of the store: another member now owns some of the shards of an evaluation, and nothing of it is written. */
export const LEASE_LOST = 'LEASE_LOST';

export class LeaseLost extends FieldwatchError {
  readonly shards: readonly number[];

  constructor(group: string, shards: readonly number[]) {
    super(`alerts: another member of the group ${group} owns shards ${shards.join(', ')} now`, {
      code: LEASE_LOST,
      kind: 'transient',
    });
    this.shards = shards;
  }
}
