import type { Millis } from '../../reading.ts';
import { GRACE_MS, type GroupView, LEASE_MS } from './shard-lease.ts';
import { type ShardMember, isLive } from './shard.ts';

/** How often a member of a group of several renews its row. */
export const BEAT_MS = 500;
/**
 * A member that was not seen for so long may be cut off, with readings that come before what the others evaluate next. With
 * the time between two looks it is less than the least `allowed_lateness` that a share group should have (2 s).
 */
export const STALE_MS = 1200;

/** What a member waits for before it evaluates anything; times are those of the database's clock. */
export interface GroupWait {
  /** Members that may have earlier readings. */
  readonly awaited: readonly string[];
  /** Since when each member has said that it is behind. */
  readonly behindSinceMs: ReadonlyMap<string, Millis>;
  /** The last look. */
  readonly seenMs: Millis;
  /** This member could not look for a while: when it last did before, and when it did again. */
  readonly absence: { readonly sinceMs: Millis; readonly untilMs: Millis } | undefined;
}

export const NO_WAIT: GroupWait = {
  awaited: [],
  behindSinceMs: new Map(),
  seenMs: Infinity,
  absence: undefined,
};

/**
 * Whom evaluation waits for, after another look at the rows of the group: who is there and has not drained its spool, at most
 * `mostMs`; who has a lease and was not seen for a while, until that runs out; and whose lease ran out while this member could
 * not look itself, until others had time to come back. A dead member is waited for no longer than its lease.
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

/** The same daemon, started again: its former process is gone, and what that left it has itself. */
const hasSuccessor = ({ id, joinedAtMs }: ShardMember, { members, nowMs }: GroupView): boolean =>
  members.some(
    (other) => other.joinedAtMs > joinedAtMs && isLive(other, nowMs) && clientOf(other.id) === clientOf(id),
  );

/** A member is named `CLIENT on HOST (pid …)`. */
const clientOf = (member: string): string =>
  member.slice(0, Math.max(0, member.lastIndexOf(' on ')) || undefined);
