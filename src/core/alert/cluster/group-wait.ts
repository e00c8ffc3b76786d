import type { Millis } from '../../reading.ts';
import type { GroupView } from './shard-lease.ts';
import { LEASE_MS, type ShardMember } from './shard.ts';

/** How often a member of a group of several members renews its row. */
export const BEAT_MS = 500;
/**
 * A member that was not seen for this long may be cut off, with readings earlier than what the others evaluate next.
 * Together with `VIEW_MS` it is less than the least `allowed_lateness` that a share group should have (2 s).
 */
export const STALE_MS = 1200;
/** A member that read the rows longer ago does not know whether another one has fallen silent. */
export const VIEW_MS = 700;

/** A daemon that may have earlier readings: in its session at the broker, in its spool, or on their way to the database. */
interface Awaited {
  readonly member: string;
  readonly sinceMs: Millis;
  readonly isSilent: boolean;
}

/** The members that evaluation waits for; times are those of the database's clock. */
export interface GroupWait {
  /** Members that may have earlier readings. */
  readonly awaited: readonly string[];
  /** Awaited members that have not renewed their row. */
  readonly silent: readonly string[];
  /** Members that were awaited when the rows were read before, for as long as allowed, and still may have some. */
  readonly givenUp: readonly string[];
  /** How long the readings of one of them may have been on their way. */
  readonly awayMs: Millis;
  /** By daemon: since when it has been silent or behind, however often it was started meanwhile. */
  readonly sinceMs: ReadonlyMap<string, Millis>;
  /** When the rows were last read. */
  readonly seenMs: Millis;
}

export const NO_WAIT: GroupWait = {
  ...{ awaited: [], silent: [], givenUp: [] },
  ...{ awayMs: 0, sinceMs: new Map(), seenMs: Infinity },
};

/**
 * Computes, after each read of the group's rows, which members evaluation waits for: one that says that it has not
 * read its session or not drained its spool, and one that has not renewed its row for a while and may come back with
 * what the broker kept for it. Each daemon is waited for no longer than `mostMs`, counted over all its starts until it
 * was seen to have caught up.
 */
export function nextWait(self: string, view: GroupView, former: GroupWait, mostMs: Millis): GroupWait {
  const { nowMs } = view;
  // While this member could not read the rows, the others may have been unable to renew theirs.
  const absentSinceMs = nowMs - former.seenMs > STALE_MS ? former.seenMs : undefined;
  const sinceMs = new Map<string, Millis>();
  const open: Awaited[] = [];
  const givenUp: string[] = [];
  const wasAwaited = new Set(former.awaited.map(clientOf));
  for (const [client, member] of newest(view.members)) {
    const { id, behind, leasedUntilMs } = member;
    if (behind === undefined || client === clientOf(self)) continue;
    const renewedMs = leasedUntilMs - LEASE_MS;
    const isSilent = nowMs - renewedMs > STALE_MS;
    if (!isSilent && !behind) continue;
    const wasThere = absentSinceMs !== undefined && leasedUntilMs > absentSinceMs;
    const since = former.sinceMs.get(client) ?? (isSilent && !wasThere ? renewedMs : nowMs);
    sinceMs.set(client, since);
    if (nowMs - since < mostMs) open.push({ member: id, sinceMs: since, isSilent });
    else if (wasAwaited.has(client)) givenUp.push(id);
  }
  return {
    awaited: open.map(({ member }) => member),
    silent: open.filter(({ isSilent }) => isSilent).map(({ member }) => member),
    givenUp,
    awayMs: Math.max(0, ...open.map((each) => nowMs - each.sinceMs)),
    sinceMs,
    seenMs: nowMs,
  };
}

/** The latest process of each daemon: the former ones have ended, and it has their spool and their session. */
function newest(members: readonly ShardMember[]): ReadonlyMap<string, ShardMember> {
  const found = new Map<string, ShardMember>();
  for (const member of members) {
    const client = clientOf(member.id);
    const other = found.get(client);
    if (other === undefined || other.joinedAtMs <= member.joinedAtMs) found.set(client, member);
  }
  return found;
}

/** A member is named `CLIENT on HOST (pid …)`. */
const clientOf = (member: string): string =>
  member.slice(0, Math.max(0, member.lastIndexOf(' on ')) || undefined);
