import { describe, expect, test } from '@jest/globals';
import { SHARDS, shardOf } from '../../../src/core/alert/cluster/shard.ts';
import type { RuleSet } from '../../../src/core/alert/rules/rule-set.ts';
import { seededRandom } from '../../../src/simulator/random.ts';
import { GroupTables, Member, pass } from '../../support/alert-group.ts';
import { rounds } from '../../support/rounds.ts';
import { T0_MS, T0_US, rulesOf } from './support.ts';

const SEEDS = Array.from({ length: rounds(2, 12) }, (_, n) => n + 1);
const SENSORS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/** A share group whose rules connect no sensors of different shards: each member owns some. */
class Group {
  readonly tables = new GroupTables();
  readonly members: Member[] = [];
  /** All that there ever were. */
  readonly all: Member[] = [];
  private readonly rules: () => RuleSet;
  private nowMs = T0_MS;

  constructor(rules: () => RuleSet) {
    this.rules = rules;
    for (const key of SENSORS) this.tables.directory.add(key);
    this.tables.nowMs = () => this.nowMs;
  }

  async join(): Promise<Member> {
    const member = new Member(this.tables, this.rules(), this.nowMs, `m${this.all.length}`, false);
    this.members.push(member);
    this.all.push(member);
    await member.start();
    return member;
  }

  /** As after SIGKILL: its clock stands still. */
  kill(member: Member): void {
    this.members.splice(this.members.indexOf(member), 1);
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      this.nowMs += Math.min(100, left);
      await pass(Math.min(100, left), this.members);
    }
  }

  behind({ clock }: Member): number {
    return this.nowMs - clock.nowMs();
  }

  get owned(): number[] {
    return this.members.map(({ table }) => table.in('ready').length);
  }

  get lines(): string[] {
    return this.all.flatMap(({ lines }) => lines).sort();
  }

  get rows() {
    const byTime = (a: { timeUs: number; sensorId: number }, b: { timeUs: number; sensorId: number }) =>
      a.timeUs - b.timeUs || a.sensorId - b.sensorId;
    return [...this.tables.alerts].sort(byTime);
  }
}

const oneOf = ({ members }: Group, random: () => number) => Math.floor(random() * members.length);
const at = (second: number, value: number) => ({ timeUs: T0_US + second * 1e6, value });
const simple = () => rulesOf({ metrics: { temperature: { max: 30 } } });

describe('the shards of a share group', () => {
  test('the first member owns all; a second one gets half of them, and neither evaluates for the other', async () => {
    const group = new Group(simple);
    const one = await group.join();
    await group.pass(500);
    expect(group.owned).toEqual([SHARDS]);
    const two = await group.join();
    await group.pass(30_000);
    expect(group.owned).toEqual([SHARDS / 2, SHARDS / 2]);
    for (const [second, key] of SENSORS.entries()) {
      await one.receive(key, at(60 + second, 31));
      await group.pass(300);
      await two.receive(key, at(160 + second, 29));
    }
    await group.pass(500);
    expect(group.rows).toHaveLength(SENSORS.length);
    expect(group.rows.every(({ resolvedAtUs }) => resolvedAtUs !== undefined)).toBe(true);
    expect(group.lines).toHaveLength(SENSORS.length * 2);
    for (const member of [one, two])
      for (const line of member.lines) {
        const sensor = group.tables.directory.sensors.get(line.split(' ')[1] ?? '');
        expect(member.table.stateOf(shardOf(sensor?.id ?? 0))).toBe('ready');
      }
    expect(Math.min(one.lines.length, two.lines.length)).toBeGreaterThan(0);
    expect([one.alertManager.firing(), two.alertManager.firing()]).toEqual([0, 0]);
  });

  test('of a crashed member are owned again within 15 seconds, its open episodes continue', async () => {
    const group = new Group(simple);
    const [one, two] = [await group.join(), await group.join()];
    await group.pass(40_000);
    for (const key of SENSORS) await one.receive(key, at(60, 31));
    await group.pass(500);
    group.kill(two);
    await group.pass(15_000);
    expect(group.owned).toEqual([SHARDS]);
    expect(one.alertManager.firing()).toBe(SENSORS.length);
    for (const key of SENSORS) await one.receive(key, at(90, 29));
    expect(group.rows.every(({ resolvedAtUs }) => resolvedAtUs === T0_US + 90e6)).toBe(true);
    expect(group.lines).toHaveLength(SENSORS.length * 2);
  });

  test('of one that stops they are owned again with the next round', async () => {
    const group = new Group(simple);
    const [, two] = [await group.join(), await group.join()];
    await group.pass(40_000);
    await two.stop();
    group.kill(two);
    await group.pass(2300);
    expect(group.owned).toEqual([SHARDS]);
  });

  test('what time decides is decided once, by the owner', async () => {
    const group = new Group(() => rulesOf({ metrics: { temperature: { no_data_after: '60s' } } }));
    const [one, two] = [await group.join(), await group.join()];
    await group.pass(40_000);
    for (const key of SENSORS) await (key < 'e' ? one : two).receive(key, at(40, 20));
    await group.pass(66_000);
    expect(group.rows.map(({ alertType, value }) => [alertType, value])).toEqual(
      SENSORS.map(() => ['temperature_no_data', 60]),
    );
    expect(group.lines).toEqual(SENSORS.map((key) => `firing ${key}`));
  });
});

describe('a group whose members start and crash gives the rows of one daemon', () => {
  const rules = () =>
    rulesOf({
      allowed_lateness: '2s',
      metrics: {
        temperature: {
          max: 30,
          for: '3s',
          keep_firing_for: '2s',
          levels: [{ severity: 'critical', max: 40 }],
        },
      },
    });

  /** `chaos`: readings go to any of them, which are killed, stopped and started. */
  async function run(seed: number, chaos: boolean): Promise<Group> {
    const [values, fate] = [seededRandom(seed), seededRandom(seed + 100)];
    const group = new Group(rules);
    await group.join();
    if (chaos) await group.join();
    await group.pass(25_000);
    for (let second = 25; second < 150; second++) {
      for (const key of SENSORS) {
        const value = values() < 0.75 ? 31 + values() * 14 : 20;
        const receiver = group.members[chaos ? oneOf(group, fate) : 0];
        await receiver?.receive(key, at(second, value));
      }
      await group.pass(1000);
      if (chaos && second % 12 === 0) await disturb(group, fate);
    }
    await group.pass(30_000);
    return group;
  }

  async function disturb(group: Group, fate: () => number): Promise<void> {
    const victim = group.members[oneOf(group, fate)] as Member;
    const choice = fate();
    if (group.members.length > 1 && choice < 0.35) group.kill(victim);
    else if (group.members.length > 1 && choice < 0.6) {
      await victim.stop();
      group.kill(victim);
    } else if (group.members.length < 4) await group.join();
  }

  test.each(SEEDS)('seed %i', async (seed) => {
    const [alone, together] = [await run(seed, false), await run(seed, true)];
    expect(alone.rows.length).toBeGreaterThan(20);
    expect(together.rows).toEqual(alone.rows);
    expect(new Set(together.lines)).toEqual(new Set(alone.lines));
    expect(together.tables.handover).toEqual([]);
    expect(new Set(together.tables.sent)).toEqual(new Set(alone.tables.sent));
  });
});

describe('while members freeze, crash and join', () => {
  const silence = () =>
    rulesOf({ allowed_lateness: '2s', metrics: { temperature: { no_data_after: '6s' } } });
  /** Always received, by whichever member. */
  const steady = SENSORS.slice(1);

  test.each(SEEDS)('a sensor that some member receives is not missed, seed %i', async (seed) => {
    const fate = seededRandom(seed);
    const group = new Group(silence);
    const first = await group.join();
    await first.receive('a', at(0, 20));
    await group.join();
    const frozen = new Map<Member, number>();
    for (let step = 0; step < 240; step++) {
      for (const key of steady) {
        const receiver = group.members[oneOf(group, fate)] as Member;
        await receiver.receive(key, at(step / 2, 20));
      }
      await group.pass(500);
      for (const [member, left] of frozen) {
        if (left > 0.5) frozen.set(member, left - 0.5);
        else {
          frozen.delete(member);
          member.clock.sleepOver(group.behind(member));
          group.members.push(member);
        }
      }
      if (step % 10 !== 9 || group.members.length < 2) continue;
      const victim = group.members[oneOf(group, fate)] as Member;
      if (fate() < 0.6) {
        group.kill(victim);
        frozen.set(victim, Math.ceil(fate() * 30) / 2);
      } else if (fate() < 0.5) await group.join();
    }
    expect(new Set(group.rows.map(({ sensorId }) => sensorId))).toEqual(new Set([1]));
  });
});
