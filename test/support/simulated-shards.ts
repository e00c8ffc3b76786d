import {
  GRACE_MS,
  type GroupView,
  type OwnedShards,
  leaseHeldUntilMs,
  shardMoves,
} from '../../src/core/alert/cluster/shard-lease.ts';
import { LEASE_MS, SHARDS, type ShardMember } from '../../src/core/alert/cluster/shard.ts';
import { type Random, between, seededRandom } from '../../src/simulator/random.ts';

const ROUND_MS = 2000;
const COMMIT_MS = 700;

/** Virtual time and a network: messages arrive late, now and then very late, or never. */
export class World {
  readonly random: Random;
  readonly database = new SharedRows();
  /** Real time, that of the database's clock. */
  nowMs = 0;
  /** The part of messages that get lost, the part that is late, and until when all get lost. */
  lossy = 0;
  late = 0;
  awayUntilMs = 0;
  /** After a member has learnt that it owns a shard. */
  onBelief: () => void = () => {};
  private readonly queue: { readonly atMs: number; readonly run: () => void }[] = [];

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  after(ms: number, run: () => void): void {
    const atMs = this.nowMs + ms;
    // A binary search: the queue is in order of time, and of two at one time the first comes first.
    let [low, high] = [0, this.queue.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.queue[middle]?.atMs ?? Infinity) <= atMs) low = middle + 1;
      else high = middle;
    }
    this.queue.splice(low, 0, { atMs, run });
  }

  /** One way over the network. */
  send(run: () => void): void {
    if (this.nowMs < this.awayUntilMs || this.random() < this.lossy) return;
    const late = this.random() < this.late;
    this.after(late ? between(this.random, 500, 8000) : between(this.random, 0.2, 30), run);
  }

  run(untilMs: number): void {
    for (let next = this.queue[0]; next !== undefined && next.atMs <= untilMs; next = this.queue[0]) {
      this.queue.shift();
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = untilMs;
  }
}

/** The rows of members and shards, each call one transaction, as the SQL has it. */
export class SharedRows {
  readonly shards: { owner: string | undefined; epoch: number }[] = Array.from({ length: SHARDS }, () => ({
    owner: undefined,
    epoch: 0,
  }));
  readonly members = new Map<string, ShardMember>();
  /** By shard: the last member that committed, its epoch, and the time. */
  readonly writers = new Map<number, { readonly id: string; readonly epoch: number }>();
  readonly committedMs = new Float64Array(SHARDS);
  moved = 0;

  renew(id: string, nowMs: number): GroupView {
    const joinedAtMs = this.members.get(id)?.joinedAtMs ?? nowMs;
    this.members.set(id, { id, joinedAtMs, leasedUntilMs: nowMs + LEASE_MS });
    return {
      nowMs,
      members: [...this.members.values()],
      shards: this.shards.map((shard) => ({ ...shard })),
    };
  }

  take(id: string, wanted: OwnedShards, nowMs: number): OwnedShards {
    const taken = new Map<number, number>();
    for (const [number, epoch] of wanted) {
      const shard = this.shards[number];
      if (shard === undefined || shard.epoch !== epoch) continue;
      const { owner } = shard;
      if (owner !== undefined && (this.members.get(owner)?.leasedUntilMs ?? -Infinity) > nowMs) continue;
      shard.owner = id;
      taken.set(number, ++shard.epoch);
      this.moved++;
    }
    return taken;
  }

  release(id: string, given: OwnedShards): void {
    for (const [number, epoch] of given) {
      const shard = this.shards[number];
      if (shard?.owner === id && shard.epoch === epoch) shard.owner = undefined;
    }
  }

  /** The fence: all or nothing. */
  commit(id: string, under: OwnedShards, nowMs: number): boolean {
    for (const [number, epoch] of under) if (this.shards[number]?.epoch !== epoch) return false;
    for (const [number, epoch] of under) {
      const last = this.writers.get(number) ?? { id, epoch };
      if (last.epoch > epoch || (last.epoch === epoch && last.id !== id))
        throw new Error(
          `shard ${number}: ${last.id} committed under ${last.epoch}, and ${id} under ${epoch}`,
        );
      this.writers.set(number, { id, epoch });
      this.committedMs[number] = nowMs;
    }
    return true;
  }
}

/** A member, as the daemon has it: rounds, and commits of all that it owns. */
export class SimulatedMember {
  readonly id: string;
  believed: OwnedShards = new Map();
  alive = true;
  frozenUntilMs = 0;
  private readonly world: World;
  /** Its clock is set wrong, and runs too fast or too slow. */
  private readonly skewMs: number;
  private readonly rate: number;
  private leasedUntilMs = -Infinity;
  private reachedSinceMs: number | undefined;
  private round = 0;
  private answered = 0;

  constructor(world: World, id: string) {
    this.world = world;
    this.id = id;
    this.skewMs = between(world.random, -1e7, 1e7);
    this.rate = between(world.random, 0.99, 1.01);
    this.later(between(world.random, 0, 10), () => this.poll());
    this.later(COMMIT_MS, () => this.commit());
  }

  /** Its own monotonic clock, which goes on while the process is frozen. */
  private get localMs(): number {
    return this.world.nowMs * this.rate + this.skewMs;
  }

  /** No other member can have taken what it owns, as far as it knows; a frozen one is to know it when it goes on. */
  get leased(): boolean {
    return this.alive && this.localMs < this.leasedUntilMs;
  }

  kill(): void {
    this.alive = false;
  }

  /** As a SIGTERM does it: what was under way is committed, and all is given back. */
  leave(): void {
    const given = this.believed;
    this.believed = new Map();
    this.alive = false;
    this.world.send(() => {
      this.world.database.release(this.id, given);
      this.world.database.members.delete(this.id);
    });
  }

  /** While frozen nothing runs; it goes on where it was. */
  private later(ms: number, run: () => void): void {
    const go = () => {
      if (!this.alive) return;
      const { nowMs } = this.world;
      if (nowMs < this.frozenUntilMs) this.world.after(this.frozenUntilMs - nowMs, go);
      else run();
    };
    this.world.after(ms / this.rate, go);
  }

  private poll(): void {
    const round = ++this.round;
    const sentMs = this.localMs;
    const ask = () => {
      const view = this.world.database.renew(this.id, this.world.nowMs);
      this.world.send(() => this.later(0, () => round === this.round && this.decide(view, sentMs)));
    };
    this.world.send(ask);
    this.later(ROUND_MS, () => {
      // No answer: what was asked may be carried out later still.
      if (this.answered !== round) this.reachedSinceMs = undefined;
      this.poll();
    });
  }

  private decide(view: GroupView, sentMs: number): void {
    const { id, world } = this;
    this.answered = this.round;
    this.reachedSinceMs ??= this.localMs;
    this.leasedUntilMs = leaseHeldUntilMs(sentMs);
    const takesExpired = this.localMs - this.reachedSinceMs >= GRACE_MS;
    const { owned, release, take } = shardMoves(id, view, this.believed, takesExpired);
    this.believed = new Map([...owned].filter(([shard]) => !release.has(shard)));
    world.onBelief();
    if (release.size > 0) world.send(() => world.database.release(id, release));
    if (take.size === 0) return;
    const { round } = this;
    world.send(() => {
      const taken = world.database.take(id, take, world.nowMs);
      // An answer after the next view would be older than it.
      const learn = () => {
        if (round !== this.round) return;
        this.believed = new Map([...this.believed, ...taken]);
        world.onBelief();
      };
      world.send(() => this.later(0, learn));
    });
  }

  private commit(): void {
    const under = this.believed;
    const { world, id } = this;
    if (under.size > 0)
      world.send(() => {
        if (world.database.commit(id, under, world.nowMs)) return;
        world.send(() => this.later(0, () => this.believed === under && (this.believed = new Map())));
      });
    this.later(COMMIT_MS, () => this.commit());
  }
}
