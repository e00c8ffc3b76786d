import type { Millis } from '../../reading.ts';
import { LEASE_MS, type Shard, type ShardMember, isLive } from './shard.ts';

/**
 * A member that joined less than this ago gets shards only if there is no other: a daemon that crashes at every start
 * must not take shards along each time.
 */
export const SETTLE_MS = 10_000;

/**
 * A member that has not renewed its lease for this long may be dead: it keeps its shards until the lease expires, and gets no
 * others. More than the interval at which a member on its own renews (2 s).
 */
export const SILENT_MS = 3000;

/** A shard follows its readings to the member that receives at least this fraction of them ... */
const ATTRACTING_PART = 0.8;
/** ... of at least this many. */
const ATTRACTING_READINGS = 100;

/** The planned owner of each shard; undefined if there is no member. */
export type ShardPlan = readonly (string | undefined)[];

/**
 * Which member is to own which shard. Each member plans for itself from the same rows, so the plan depends on nothing
 * else, and planning again once it is carried out changes nothing. Quotas differ by one at most. A member keeps what
 * it owns up to its quota, so only the shards of a lost member, or those that a newcomer needs, move. Candidates are
 * ordered by where nearly all readings of a shard arrive, else by the rendezvous weight of shard and member.
 */
export function planShards(
  members: readonly ShardMember[],
  shards: readonly Shard[],
  nowMs: Millis,
): ShardPlan {
  const owners = eligible(members, shards, nowMs);
  const rooms = quotas(owners, shards, nowMs);
  const plan: (string | undefined)[] = shards.map(() => undefined);
  const counting = owners.filter(({ received }) => received !== undefined);
  const attractors = shards.map((_, shard) => attractorOf(counting, shard));
  const place = (candidates: (shard: number, owner: string | undefined) => string | undefined): void => {
    shards.forEach(({ owner }, shard) => {
      const candidate = plan[shard] === undefined ? candidates(shard, owner) : undefined;
      const room = candidate === undefined ? 0 : (rooms.get(candidate) ?? 0);
      if (candidate === undefined || room === 0) return;
      plan[shard] = candidate;
      rooms.set(candidate, room - 1);
    });
  };
  place((shard, owner) => (attractors[shard] === owner ? owner : undefined));
  place((shard) => attractors[shard]);
  place((shard, owner) => (attractors[shard] === undefined ? owner : undefined));
  place((_, owner) => owner);
  place((shard) => heaviest(rooms, shard));
  return plan;
}

/**
 * The live members that are past `SETTLE_MS`, or all live ones if none is. A member that owns shards is among them:
 * otherwise, of two that joined one after the other and divided the shards, the first past it would get them all.
 */
function eligible(
  members: readonly ShardMember[],
  shards: readonly Shard[],
  nowMs: Millis,
): readonly ShardMember[] {
  const owning = new Set(shards.map(({ owner }) => owner));
  const live = members.filter((member) => isLive(member, nowMs));
  const stable = live.filter(({ id, joinedAtMs }) => nowMs - joinedAtMs >= SETTLE_MS || owning.has(id));
  return stable.length > 0 ? stable : live;
}

/**
 * How many shards each member is to own. The remainder goes to the members that own most, so that fewer shards move. A
 * silent member is to own no more than it does: shards that lost their owner would wait for its lease as well.
 */
function quotas(
  owners: readonly ShardMember[],
  shards: readonly Shard[],
  nowMs: Millis,
): Map<string, number> {
  const owned = new Map(owners.map(({ id }) => [id, 0]));
  for (const { owner } of shards)
    if (owner !== undefined && owned.has(owner)) owned.set(owner, (owned.get(owner) ?? 0) + 1);
  const ownedBy = (id: string): number => owned.get(id) ?? 0;
  const byOwned = [...owned.keys()].sort((a, b) => ownedBy(b) - ownedBy(a) || (a < b ? -1 : 1));
  const count = owners.some(({ connectsSensors }) => connectsSensors === true) ? 1 : byOwned.length;
  const even = divided(shards.length, byOwned.slice(0, count));
  const silent = new Set(owners.filter((member) => isSilent(member, nowMs)).map(({ id }) => id));
  const kept = [...even].filter(([id, quota]) => silent.has(id) && ownedBy(id) < quota);
  const others = [...even.keys()].filter((id) => !kept.some(([each]) => each === id));
  if (kept.length === 0 || others.every((id) => silent.has(id))) return even;
  const rest = kept.reduce((sum, [id]) => sum - ownedBy(id), shards.length);
  return new Map([...kept.map(([id]) => [id, ownedBy(id)] as const), ...divided(rest, others)]);
}

const isSilent = ({ leasedUntilMs }: ShardMember, nowMs: Millis): boolean =>
  nowMs - (leasedUntilMs - LEASE_MS) > SILENT_MS;

/** Evenly; the first ones get the remainder. */
function divided(shards: number, ids: readonly string[]): Map<string, number> {
  const each = Math.floor(shards / Math.max(1, ids.length));
  const odd = shards - each * ids.length;
  return new Map(ids.map((id, place) => [id, each + Number(place < odd)]));
}

/** The member that receives nearly all readings of the shard, if any. */
function attractorOf(owners: readonly ShardMember[], shard: number): string | undefined {
  let total = 0;
  let most = 0;
  let attractor: string | undefined;
  for (const { id, received } of owners) {
    const readings = received?.[shard] ?? 0;
    total += readings;
    if (readings > most) [most, attractor] = [readings, id];
  }
  return total >= ATTRACTING_READINGS && most >= ATTRACTING_PART * total ? attractor : undefined;
}

/** Rendezvous hashing among the members below their quota: the choice for one shard does not depend on the others' ids. */
function heaviest(rooms: ReadonlyMap<string, number>, shard: number): string | undefined {
  let best: string | undefined;
  let bestWeight = -1;
  for (const [id, room] of rooms) {
    if (room === 0) continue;
    const weight = weightOf(id, shard);
    if (weight > bestWeight || (weight === bestWeight && best !== undefined && id < best))
      [best, bestWeight] = [id, weight];
  }
  return best;
}

/** FNV-1a over the id, then the finalizer of MurmurHash3, in which each input bit flips half of the output. */
function weightOf(id: string, shard: number): number {
  let hash = 0x811c9dc5 ^ shard;
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
