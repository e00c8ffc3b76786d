import { describe, expect, test } from '@jest/globals';
import { SHARDS, shardOf } from '../../src/core/alert/shards/shard.ts';
import { GroupTables, Member, pass } from '../support/alert-group.ts';
import { rulesOf, T0_MS, T0_US } from './alert/support.ts';

const rules = () => rulesOf({ metrics: { temperature: { max: 30 } } });
const at = (second: number, value: number) => ({ timeUs: T0_US + second * 1e6, value });

async function alone() {
  const tables = new GroupTables();
  tables.directory.add('s1');
  const member = new Member(tables, rules(), T0_MS, 'one', false);
  tables.nowMs = () => member.clock.nowMs();
  await member.start();
  await pass(500, [member]);
  return { tables, member };
}

describe('a member that cannot write what it evaluated while the database was away', () => {
  test('gives all shards up, takes them in other epochs, and reads their states again', async () => {
    const { tables, member } = await alone();
    await member.receive('s1', at(0, 31));
    const era = member.table.era;
    member.ownership.abandon();
    expect([member.table.size, member.table.era === era, member.phase]).toEqual([0, false, 'none']);
    // Until then its readings are handed over.
    await member.receive('s1', at(10, 29));
    expect(await tables.waiting()).toBe(1);
    await pass(3000, [member]);
    expect([member.phase, tables.epoch, member.table.size]).toEqual(['on', 2, SHARDS]);
    expect(tables.alerts).toMatchObject([{ timeUs: T0_US, resolvedAtUs: T0_US + 10e6 }]);
    expect(member.lines).toEqual(['firing s1', 'resolved s1']);
    expect(await tables.waiting()).toBe(0);
  });
});

describe('a member whose shards another one has taken', () => {
  test('keeps what it evaluates of the others', async () => {
    const { tables, member } = await alone();
    tables.directory.add('s2');
    await member.receive('s1', at(0, 31));
    await member.receive('s2', at(0, 31));
    const [kept, gone] = [shardOf(1), shardOf(2)];
    tables.shards[gone] = { owner: 'two', epoch: 2 };
    // Not there any more: nothing else is given to it.
    tables.members.set('two', { id: 'two', joinedAtMs: 0, leasedUntilMs: 0 });
    await member.receive('s2', at(1, 29));
    expect([member.table.stateOf(kept), member.table.stateOf(gone)]).toEqual(['ready', undefined]);
    expect(member.alerting.firing()).toBe(1);
    expect(tables.handover.map(({ shard }) => shard)).toEqual([gone]);
    await member.receive('s1', at(1, 29));
    expect(member.lines).toEqual(['firing s1', 'firing s2', 'resolved s1']);
  });
});

test('a shard is given back once its lines are marked, and the next owner announces none of them', async () => {
  const { tables, member } = await alone();
  const two = new Member(tables, rules(), member.clock.nowMs(), 'two', false);
  await two.start();
  const markSent = tables.markSent.bind(tables);
  let mark = () => {};
  tables.markSent = async (sent) => {
    await new Promise<void>((resolve) => (mark = resolve));
    await markSent(sent);
  };
  for (let sensor = 1; sensor <= 20; sensor++) await member.receive(`x${sensor}`, at(1, 31));
  await pass(20_000, [member, two]);
  // Nothing is given back while a line is not marked.
  expect([member.table.size, two.table.size]).toEqual([SHARDS, 0]);
  tables.markSent = markSent;
  mark();
  await pass(20_000, [member, two]);
  expect([member.table.size, two.table.size]).toEqual([SHARDS / 2, SHARDS / 2]);
  expect(two.lines).toEqual([]);
  expect([member.alerting.firing(), two.alerting.firing()].reduce((a, b) => a + b)).toBe(20);
});
