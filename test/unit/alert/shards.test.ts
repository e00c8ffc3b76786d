import { describe, expect, test } from '@jest/globals';
import {
  SETTLE_MS,
  SILENT_MS,
  type ShardPlan,
  planShards,
} from '../../../src/core/alert/cluster/plan-shards.ts';
import { receiversIn, shardMoves } from '../../../src/core/alert/cluster/shard-lease.ts';
import {
  LEASE_MS,
  SHARDS,
  type Shard,
  type ShardMember,
  shardOf,
} from '../../../src/core/alert/cluster/shard.ts';
import { between } from '../../../src/simulator/random.ts';
import { SimulatedMember, World } from '../../support/simulated-shards.ts';

const NOW_MS = 1_000_000;

const member = (id: string, over: Partial<ShardMember> = {}): ShardMember => ({
  ...{ id, joinedAtMs: 0, leasedUntilMs: NOW_MS + 1 },
  ...over,
});
const members = (...ids: string[]): ShardMember[] => ids.map((id) => member(id));
const free: readonly Shard[] = Array.from({ length: SHARDS }, () => ({ owner: undefined, epoch: 0 }));
const ownedAs = (plan: ShardPlan): readonly Shard[] => plan.map((owner) => ({ owner, epoch: 1 }));
const countsOf = (plan: ShardPlan, ids: readonly string[]): number[] =>
  ids.map((id) => plan.filter((owner) => owner === id).length);
const moves = (before: ShardPlan, after: ShardPlan): number =>
  after.filter((owner, shard) => owner !== before[shard]).length;
/** Carried out: what the plan says of the present members, from nothing. */
const planned = (all: readonly ShardMember[]): ShardPlan => planShards(all, free, NOW_MS);

describe('the shard of a sensor', () => {
  test.each([
    ['one after the other', 1],
    ['64 apart', 64],
    ['1000 apart', 1000],
  ])('ids %s spread evenly', (_, stride) => {
    const counts = new Array<number>(SHARDS).fill(0);
    for (let at = 1; at <= 6400; at++) counts[shardOf(at * stride)]!++;
    expect(Math.min(...counts)).toBeGreaterThan(60);
    expect(Math.max(...counts)).toBeLessThan(140);
  });

  test('it is what the expression in SQL gives', () => {
    for (const id of [1, 2, 63, 64, 900, 65_537, 2_147_483_647])
      expect(BigInt(shardOf(id))).toBe(((BigInt(id) * 2654435769n) & 4294967295n) >> 26n);
  });
});

describe('the receivers of a group', () => {
  const received = (...counts: number[]) => ({ received: counts });
  test.each([
    ['a member that is alone', [member('a')], 1],
    ['one that has not written its own row yet', [], 1],
    ['live members that receive readings', [member('a'), member('b', received(0, 7))], 2],
    [
      'not the dead, not programs without a source',
      [
        member('a', received(1)),
        member('b', { ...received(5), leasedUntilMs: NOW_MS }),
        member('c', received(0)),
        member('d'),
      ],
      1,
    ],
  ])('are counted: %s', (_, all, count) => {
    expect(receiversIn({ nowMs: NOW_MS, members: all, shards: free }, 'a')).toBe(count);
  });
});

describe('the plan of shards', () => {
  test.each([1, 2, 3, 7, 63, 64, 100])('%i members: quotas differ by one at most, none is left out', (n) => {
    const ids = Array.from({ length: n }, (_, at) => `m${at}`);
    const counts = countsOf(planned(members(...ids)), ids);
    expect(counts.reduce((a, b) => a + b)).toBe(SHARDS);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });

  test('without a member nothing is planned', () => {
    expect(planned([]).every((owner) => owner === undefined)).toBe(true);
  });

  test('it does not depend on the order of the rows, and once carried out it changes nothing', () => {
    const all = members('a', 'b', 'c', 'd', 'e');
    const plan = planned(all);
    expect(planned([...all].reverse())).toEqual(plan);
    expect(planShards(all, ownedAs(plan), NOW_MS)).toEqual(plan);
  });

  test('the shards of a crashed member move, and nothing else', () => {
    const before = planned(members('a', 'b', 'c', 'd'));
    const dead = member('b', { leasedUntilMs: NOW_MS });
    const after = planShards([...members('a', 'c', 'd'), dead], ownedAs(before), NOW_MS);
    expect(moves(before, after)).toBe(16);
    expect(countsOf(after, ['a', 'c', 'd']).sort()).toEqual([21, 21, 22]);
  });

  describe('a member that is silent, and may have crashed', () => {
    const seen = (id: string, agoMs: number) => member(id, { leasedUntilMs: NOW_MS - agoMs + LEASE_MS });
    const before = planned(members('a', 'b', 'c', 'd'));

    test('gets no shard of a crashed one, and keeps its own', () => {
      const dead = member('b', { leasedUntilMs: NOW_MS });
      const all = [seen('a', 0), dead, seen('c', SILENT_MS + 1), seen('d', 0)];
      const after = planShards(all, ownedAs(before), NOW_MS);
      expect(countsOf(after, ['a', 'c', 'd'])).toEqual([24, 16, 24]);
      expect(after.map((owner) => owner === 'c')).toEqual(before.map((owner) => owner === 'c'));
    });

    test('gets its part again once it is seen', () => {
      const owned = before.map((owner) => ({ owner: owner === 'b' ? 'a' : owner, epoch: 1 }));
      const all = (agoMs: number) => [seen('a', 0), seen('c', agoMs), seen('d', 0)];
      expect(countsOf(planShards(all(SILENT_MS + 1), owned, NOW_MS), ['a', 'c', 'd'])).toEqual([24, 16, 24]);
      expect(countsOf(planShards(all(SILENT_MS), owned, NOW_MS), ['a', 'c', 'd'])).toEqual([22, 21, 21]);
    });

    test('moves nothing by its silence alone, with any number of members', () => {
      for (const n of [2, 3, 5, 7, 63]) {
        const ids = Array.from({ length: n }, (_, at) => `m${at}`);
        const plan = planned(members(...ids));
        for (const silent of ids) {
          const all = ids.map((id) => seen(id, id === silent ? SILENT_MS + 1 : 0));
          expect(planShards(all, ownedAs(plan), NOW_MS)).toEqual(plan);
        }
      }
    });
  });

  test('a newcomer is given its quota, from those that own more than theirs, once it has settled', () => {
    const before = planned(members('a', 'b', 'c'));
    const joined = (agoMs: number) => [
      ...members('a', 'b', 'c'),
      member('d', { joinedAtMs: NOW_MS - agoMs }),
    ];
    expect(planShards(joined(SETTLE_MS - 1), ownedAs(before), NOW_MS)).toEqual(before);
    const after = planShards(joined(SETTLE_MS), ownedAs(before), NOW_MS);
    expect(countsOf(after, ['a', 'b', 'c', 'd'])).toEqual([16, 16, 16, 16]);
    expect(moves(before, after)).toBe(16);
  });

  test('members that all have just joined share at once', () => {
    const fresh = ['a', 'b'].map((id) => member(id, { joinedAtMs: NOW_MS }));
    expect(countsOf(planned(fresh), ['a', 'b'])).toEqual([32, 32]);
  });

  test('where rules connect sensors one member owns all, and stays the one that owns most', () => {
    const all = [member('a'), member('b', { connectsSensors: true })];
    const owned = free.map((shard, at) => ({ ...shard, owner: at < 40 ? 'b' : 'a' }));
    const plan = planShards(all, owned, NOW_MS);
    expect(countsOf(plan, ['a', 'b'])).toEqual([0, 64]);
    expect(planShards(all, ownedAs(plan), NOW_MS)).toEqual(plan);
  });

  describe('shards follow their readings', () => {
    const receiving = (id: string, readings: (shard: number) => number) =>
      member(id, { received: free.map((_, shard) => readings(shard)) });

    test('where nearly all of them arrive at one member, with even quotas still', () => {
      const before = planned(members('a', 'b'));
      const even = (shard: number) => shard % 2 === 0;
      const all = [
        receiving('a', (shard) => (even(shard) ? 950 : 50)),
        receiving('b', (shard) => (even(shard) ? 50 : 950)),
      ];
      const after = planShards(all, ownedAs(before), NOW_MS);
      expect(after).toEqual(free.map((_, shard) => (even(shard) ? 'a' : 'b')));
      expect(planShards(all, ownedAs(after), NOW_MS)).toEqual(after);
    });

    test.each([
      ['that arrive here and there', 500, 500],
      ['that are too few to say anything', 20, 0],
    ])('not readings %s', (_, ofA, ofB) => {
      const before = planned(members('a', 'b'));
      const all = [receiving('a', () => ofA), receiving('b', () => ofB)];
      expect(planShards(all, ownedAs(before), NOW_MS)).toEqual(before);
    });

    test('never past the quota', () => {
      const all = [receiving('a', () => 1000), receiving('b', () => 0)];
      const before = planned(members('a', 'b'));
      expect(planShards(all, ownedAs(before), NOW_MS)).toEqual(before);
    });
  });
});

describe('a round of a member', () => {
  const view = (shards: readonly Shard[], ...all: ShardMember[]) => ({
    ...{ nowMs: NOW_MS, members: all, shards },
  });
  const dead = member('dead', { leasedUntilMs: NOW_MS });

  test('takes shards without an owner at once, those of a crashed one once the database was available long enough', () => {
    const shards = free.map((_, at) => ({ owner: at === 0 ? undefined : 'dead', epoch: 5 }));
    const round = (takesExpired: boolean) =>
      shardMoves('a', view(shards, member('a'), dead), new Map(), takesExpired);
    expect([...round(false).take]).toEqual([[0, 5]]);
    expect(round(true).take.size).toBe(SHARDS);
  });

  test('learns what it owns and what it lost from the rows', () => {
    const shards = free.map((_, at) => ({ owner: at < 32 ? 'a' : 'b', epoch: 2 }));
    const believed = new Map([
      [0, 2],
      [1, 1],
      [40, 1],
    ]);
    const round = shardMoves('a', view(shards, member('a'), member('b')), believed, true);
    expect(round.owned.size).toBe(32);
    expect([...round.lost]).toEqual([
      [1, 1],
      [40, 1],
    ]);
    expect(round.take.size + round.release.size).toBe(0);
  });

  test('gives a few at a time to a newcomer', () => {
    const shards = free.map(() => ({ owner: 'a', epoch: 1 }));
    const round = shardMoves('a', view(shards, member('a'), member('b')), new Map(), true);
    expect(round.release.size).toBe(8);
  });
});

/** Members of one group, and what must hold at every moment: the rows themselves check the fence, and throw. */
class Fleet {
  readonly world: World;
  readonly all: SimulatedMember[] = [];

  constructor(seed: number, size: number) {
    this.world = new World(seed);
    this.world.onBelief = () => this.oneBelieves();
    for (let at = 0; at < size; at++) this.join();
  }

  join(): void {
    this.all.push(new SimulatedMember(this.world, `m${this.all.length}`));
  }

  some(): SimulatedMember[] {
    return this.all.filter(({ alive }) => alive);
  }

  run(ms: number): void {
    this.world.run(this.world.nowMs + ms);
  }

  /** No two members may raise alarms of one shard by themselves: what a lease is for besides the fence. */
  private oneBelieves(): void {
    const believers = new Map<number, string>();
    for (const each of this.all)
      if (each.leased)
        for (const [shard, epoch] of each.believed) {
          const other = believers.get(shard);
          if (other !== undefined) throw new Error(`shard ${shard}: ${other} and ${each.id} (${epoch})`);
          believers.set(shard, each.id);
        }
  }

  /** Shards of each living member. */
  get counts(): number[] {
    const { shards } = this.world.database;
    return this.some().map(({ id }) => shards.filter(({ owner }) => owner === id).length);
  }

  /** Since when the shard that waits longest is not written. */
  get longestGapMs(): number {
    return this.world.nowMs - Math.min(...this.world.database.committedMs);
  }
}

describe.each([
  ['a hundred members', 100, 25],
  ['four members', 4, 200],
])('%s in virtual time', (_, size, faults) => {
  test('joins, leaves, kills, freezes, skewed clocks, lost messages, outages: one owner, balance, takeover', () => {
    const fleet = new Fleet(20_260, size);
    const { world } = fleet;
    fleet.run(30_000);
    expect(Math.max(...fleet.counts) - Math.min(...fleet.counts)).toBeLessThanOrEqual(1);
    [world.lossy, world.late] = [0.02, 0.01];
    for (let at = 0; at < faults; at++) {
      const living = fleet.some();
      const victim = living[Math.floor(world.random() * living.length)];
      const dice = world.random();
      if (dice < 0.25) fleet.join();
      else if (dice < 0.45 && living.length > 2) victim?.kill();
      else if (dice < 0.6 && living.length > 2) victim?.leave();
      else if (dice < 0.9 && victim !== undefined)
        victim.frozenUntilMs = world.nowMs + between(world.random, 1000, 40_000);
      else world.awayUntilMs = world.nowMs + between(world.random, 500, 25_000);
      fleet.run(between(world.random, 100, 6000));
    }
    [world.lossy, world.late] = [0, 0];
    fleet.run(60_000);
    const { counts } = fleet;
    expect(counts.reduce((a, b) => a + b)).toBe(SHARDS);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    expect(fleet.longestGapMs).toBeLessThan(10_000);
  });

  test('a killed member: its shards are written by others within 15 s, and no other shard moves', () => {
    const fleet = new Fleet(7, size);
    const { world } = fleet;
    fleet.run(30_000);
    const { shards } = world.database;
    const victim = fleet.some().find(({ id }) => shards.some(({ owner }) => owner === id))!;
    const left = [...shards.entries()].filter(([, { owner }]) => owner === victim.id).map(([at]) => at);
    const movedBefore = world.database.moved;
    victim.kill();
    fleet.run(1000);
    const killedMs = world.nowMs;
    fleet.run(14_000);
    for (const shard of left) expect(world.database.committedMs[shard]).toBeGreaterThan(killedMs);
    expect(world.database.moved - movedBefore).toBe(left.length);
  });
});

test('of two that join one after the other and divide the shards, neither loses them as the other settles', () => {
  const member = (id: string, joinedAtMs: number) => ({ id, joinedAtMs, leasedUntilMs: 100_000 });
  const members = [member('one', 0), member('two', 1000)];
  const shards = Array.from({ length: SHARDS }, (_, at) => ({
    owner: at % 2 === 0 ? 'one' : 'two',
    epoch: 1,
  }));
  for (const nowMs of [5000, SETTLE_MS + 500, SETTLE_MS + 1500])
    expect(planShards(members, shards, nowMs)).toEqual(shards.map(({ owner }) => owner));
});
