import type { Millis } from '../../reading.ts';
import { GRACE_MS, type GroupView } from './shard-lease.ts';
import { LEASE_MS, type ShardMember, isLive } from './shard.ts';

/** How often a member of a group of several members renews its row. */
export const BEAT_MS = 500;
/**
 * A member that was not seen for this long may be cut off, with readings earlier than what the others evaluate next.
 * Together with the beat it is less than the least `allowed_lateness` that a share group should have (2 s).
 */
export const STALE_MS = 1200;

/** The members that evaluation waits for; times are those of the database's clock. */
export interface GroupWait {
  /** Members that may have earlier readings. */
  readonly awaited: readonly string[];
  /** Since when each member has reported that it is behind. */
  readonly behindSinceMs: ReadonlyMap<string, Millis>;
  /** When the rows were last read. */
  readonly seenMs: Millis;
  /** A period in which this member could not read the rows: from its last read before to its first read after. */
  readonly absence: { readonly sinceMs: Millis; readonly untilMs: Millis } | undefined;
}

export const NO_WAIT: GroupWait = {
  awaited: [],
  behindSinceMs: new Map(),
  seenMs: Infinity,
  absence: undefined,
};

/**
 * Computes, after each read of the group's rows, which members evaluation waits for: a live member that has not
 * drained its spool, at most `mostMs`; a member with a lease that was not seen for a while, until the lease expires;
 * and a member whose lease expired while this one could not read the rows, until others had time to come back. A dead
 * member is waited for no longer than its lease.
 */
export function nextWait(self: string, view: GroupView, former: GroupWait, mostMs: Millis): GroupWait {
  const { members, nowMs } = view;
  const absence = absenceAt(nowMs, former);
  const behindSinceMs = new Map<string, Millis>();
  for (const { id, behind } of members)
    if (behind === true) behindSinceMs.set(id, former.behindSinceMs.get(id) ?? nowMs);
  const isAwaited = (member: ShardMember): boolean => {
    const { id, leasedUntilMs, behind } = member;
    if (id === self || behind === undefined || hasSuccessor(member, view)) return false;
    if (!isLive(member, nowMs)) return absence !== undefined && leasedUntilMs > absence.sinceMs;
    const isStale = LEASE_MS - (leasedUntilMs - nowMs) > STALE_MS;
    return isStale || nowMs - (behindSinceMs.get(id) ?? -Infinity) < mostMs;
  };
  const awaited = mostMs === 0 ? [] : members.filter(isAwaited).map(({ id }) => id);
  return { awaited, behindSinceMs, seenMs: nowMs, absence };
}

function absenceAt(nowMs: Millis, { seenMs, absence }: GroupWait): GroupWait['absence'] {
  const current = absence !== undefined && nowMs - absence.untilMs < GRACE_MS ? absence : undefined;
  if (nowMs - seenMs <= STALE_MS) return current;
  return { sinceMs: Math.min(current?.sinceMs ?? Infinity, seenMs), untilMs: nowMs };
}

/** The same daemon, restarted: its former process has ended, and the new one has its spool. */
const hasSuccessor = ({ id, joinedAtMs }: ShardMember, { members, nowMs }: GroupView): boolean =>
  members.some(
    (other) => other.joinedAtMs > joinedAtMs && isLive(other, nowMs) && clientOf(other.id) === clientOf(id),
  );

/** A member is named `CLIENT on HOST (pid …)`. */
const clientOf = (member: string): string =>
  member.slice(0, Math.max(0, member.lastIndexOf(' on ')) || undefined);
