import { describe, expect, test } from '@jest/globals';
import { SHARDS, type ShardMember, shardOf } from '../../../src/core/alert/cluster/shard.ts';
import { GroupTables, Member, pass } from '../../support/alert-group.ts';
import { settle } from '../../support/fakes.ts';
import { T0_MS, T0_US, rulesOf } from './support.ts';

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

describe('a member that reaches the database again', () => {
  test('drops what it evaluated meanwhile, keeps its shards, and reads their states again', async () => {
    const { tables, member } = await alone();
    await member.receive('s1', at(0, 31));
    const era = member.table.era;
    await member.leases.regroup();
    expect([member.table.size, member.table.era === era, member.phase]).toEqual([
      SHARDS,
      false,
      'catching_up',
    ]);
    // Until then its readings are handed over.
    await member.receive('s1', at(10, 29));
    expect(await tables.waiting()).toBe(1);
    await pass(3000, [member]);
    expect([member.phase, tables.epoch, member.table.size]).toEqual(['on', 1, SHARDS]);
    expect(tables.alerts).toMatchObject([{ timeUs: T0_US, resolvedAtUs: T0_US + 10e6 }]);
    expect(member.lines).toEqual(['firing s1', 'resolved s1']);
    expect(await tables.waiting()).toBe(0);
  });

  test('drops nothing while the database takes no writes', async () => {
    const { member } = await alone();
    member.cutOff = true;
    await expect(member.leases.regroup()).rejects.toThrow('away');
    expect(member.phase).toBe('on');
  });
});

describe('a member whose shards another one has taken', () => {
  test('keeps what it evaluates of the others', async () => {
    const { tables, member } = await alone();
    tables.directory.add('s2');
    await member.receive('s1', at(0, 31));
    await member.receive('s2', at(0, 31));
    const [kept, forgotten] = [shardOf(1), shardOf(2)];
    tables.shards[forgotten] = { owner: 'two', epoch: 2 };
    // Not there any more: nothing else is given to it.
    tables.members.set('two', { id: 'two', joinedAtMs: 0, leasedUntilMs: 0 });
    await member.receive('s2', at(1, 29));
    expect([member.table.stateOf(kept), member.table.stateOf(forgotten)]).toEqual(['ready', undefined]);
    expect(member.alertManager.firing()).toBe(1);
    expect(tables.handover.map(({ shard }) => shard)).toEqual([forgotten]);
    await member.receive('s1', at(1, 29));
    expect(member.lines).toEqual(['firing s1', 'firing s2', 'resolved s1']);
  });
});

test('a member does not take back what it has released by rows that it read before', async () => {
  const tables = new GroupTables();
  const [one, two] = ['one', 'two'].map((id) => new Member(tables, rules(), T0_MS, id, false)) as [
    Member,
    Member,
  ];
  tables.nowMs = () => one.clock.nowMs();
  await one.start();
  await two.start();
  const [release, renew] = [tables.release.bind(tables), tables.renew.bind(tables)];
  let [releases, renewals] = [0, 0];
  let [letRelease, letRenew] = [() => {}, () => {}];
  const held = [
    new Promise<void>((done) => (letRelease = done)),
    new Promise<void>((done) => (letRenew = done)),
  ];
  tables.release = async (...given) => {
    releases++;
    await held[0];
    return release(...given);
  };
  while (releases === 0) await pass(100, [one, two]);
  tables.renew = async (...given) => {
    const view = await renew(...given);
    if (given[1] !== 'one') return view;
    renewals++;
    await held[1];
    return view;
  };
  while (renewals === 0) await pass(100, [one]);
  letRelease();
  await settle();
  const kept = one.table.size;
  expect(kept).toBeLessThan(SHARDS);
  const acquired = () =>
    one.logger.entries.filter(({ message }) => message === 'alert shards acquired').length;
  const before = acquired();
  letRenew();
  await settle();
  expect([one.table.size, acquired()]).toEqual([kept, before]);
});

describe('members of which one may have earlier readings', () => {
  const late = rulesOf({ allowed_lateness: '2s', metrics: { temperature: { max: 30 } } });

  /** `one` owns all shards; both say whether they are behind. */
  async function crew() {
    const tables = new GroupTables();
    tables.directory.add('s1');
    const [one, two] = ['one', 'two'].map((id) => new Member(tables, late, T0_MS, id)) as [Member, Member];
    one.behind = two.behind = false;
    tables.nowMs = () => Math.max(one.clock.nowMs(), two.clock.nowMs());
    await one.start();
    await two.start();
    await pass(12_000, [one, two]);
    return { tables, one, two };
  }
  const rows = ({ alerts }: GroupTables) =>
    alerts.map(({ timeUs, resolvedAtUs }) => [timeUs, resolvedAtUs].map((us) => ((us ?? NaN) - T0_US) / 1e6));

  test('a member that is cut off for a moment: the owner goes on when its readings are there, in order', async () => {
    const { tables, one, two } = await crew();
    two.cutOff = true;
    const spooled = [at(13, 29), at(15, 31), at(17, 29)];
    for (let second = 12; second < 18; second++) {
      if (second % 2 === 0) await one.receive('s1', at(second, second === 12 ? 31 : 20));
      await pass(1000, [one, two]);
    }
    // Its silence was noticed before anything was evaluated that may come after what it has.
    expect([tables.alerts, one.phase, one.leases.awaited]).toEqual([[], 'catching_up', ['two']]);
    two.cutOff = false;
    two.behind = true;
    await pass(1000, [one, two]);
    expect([tables.alerts, one.leases.awaited]).toEqual([[], ['two']]);
    await two.receive('s1', ...spooled);
    two.behind = false;
    await pass(5000, [one, two]);
    expect(rows(tables)).toEqual([
      [12, 13],
      [15, 16],
    ]);
    expect([one.phase, one.lines.length, two.lines]).toEqual(['on', 4, []]);
    expect(one.metrics.values.get('fieldwatch_alerts_awaited_members')).toBe(0);
  });

  test('a member that does not come back is waited for a minute', async () => {
    const { tables, one } = await crew();
    await pass(2000, [one]);
    await one.receive('s1', at(14, 31));
    await pass(55_000, [one]);
    expect(tables.alerts).toEqual([]);
    const warnings = () =>
      one.logger.entries.filter(({ message }) => message.startsWith('alert evaluation goes on'));
    expect(warnings()).toEqual([]);
    await pass(6000, [one]);
    expect([one.phase, tables.alerts.length]).toEqual(['on', 1]);
    expect(warnings()).toMatchObject([{ fields: { members: ['two'], waited_s: 60 } }]);
  });

  test('a member that has left with nothing behind it is not waited for', async () => {
    const { tables, one, two } = await crew();
    await two.stop();
    await one.receive('s1', at(12, 31));
    await one.receive('s1', at(15, 31));
    expect([one.leases.awaited, tables.alerts.length]).toEqual([[], 1]);
  });

  test('one that was stopped with messages waiting for it is, and its readings come in order', async () => {
    const { tables, one, two } = await crew();
    await two.stop(false);
    await pass(1000, [one]);
    expect(one.leases.awaited).toEqual(['two']);
    for (let second = 13; second < 45; second++) {
      await one.receive('s1', at(second, second === 13 ? 31 : 20));
      await pass(1000, [one]);
    }
    expect(tables.alerts).toEqual([]);
    // Its next process, with the same session.
    const next = new Member(tables, late, one.clock.nowMs(), 'two on host (2)');
    tables.members.set('two on host (1)', {
      ...(tables.members.get('two') as ShardMember),
      id: 'two on host (1)',
    });
    tables.members.delete('two');
    [next.behind, next.unread] = [false, true];
    await next.start();
    await pass(1000, [one, next]);
    expect(one.leases.awaited).toEqual(['two on host (2)']);
    await next.receive('s1', at(13.5, 20), at(20.5, 31), at(43.5, 31));
    next.unread = false;
    await pass(2000, [one, next]);
    expect([one.leases.awaited, rows(tables).slice(0, 2)]).toEqual([
      [],
      [
        [13, 13.5],
        [20.5, 21],
      ],
    ]);
  });

  test('a member that stood still evaluates nothing before it has read what it was sent', async () => {
    const { tables, one, two } = await crew();
    await pass(1000, [one, two]);
    one.clock.sleepOver(5000);
    one.unread = true;
    await one.receive('s1', at(14, 31), at(18, 20));
    expect([tables.alerts, one.table.in('ready')]).toEqual([[], []]);
    two.clock.advance(5000);
    await two.receive('s1', at(13, 31));
    await pass(1000, [one, two]);
    expect(one.leases.awaited).toEqual(['one']);
    await one.receive('s1', at(15, 20));
    one.unread = false;
    await pass(1000, [one, two]);
    await one.receive('s1', at(22, 20));
    expect(rows(tables)).toEqual([[13, 15]]);
  });

  test('the others learn before their next renewal that a member has fallen behind, and that it has caught up', async () => {
    const CHECK_MS = 200;
    const { one, two } = await crew();
    const poll = () => two.leases.poll();
    one.unread = true;
    await pass(CHECK_MS, [one]);
    poll();
    await pass(0, [two]);
    expect(two.leases.awaited).toEqual(['one']);
    one.unread = false;
    await pass(CHECK_MS, [one]);
    poll();
    await pass(0, [two]);
    expect(two.leases.awaited).toEqual([]);
  });

  test('what is handed over waits, too, where the wait begins behind a batch that takes long', async () => {
    const { tables, one, two } = await crew();
    tables.directory.add('s2');
    await one.receive('s1', at(12, 20));
    const commit = tables.commit.bind(tables);
    let answer = () => {};
    tables.commit = async (batch) => {
      await new Promise<void>((resolve) => (answer = resolve));
      return commit(batch);
    };
    const written = one.receive('s2', at(13, 20));
    await settle();
    tables.commit = commit;
    await two.receive('s1', at(14, 31), at(17, 31));
    // The owner has read it, and its evaluation waits for the batch.
    await pass(500, [one, two]);
    two.unread = true;
    await pass(100, [two]);
    one.leases.poll();
    await settle();
    answer();
    await written;
    await pass(300, [one, two]);
    expect([one.leases.awaited, tables.alerts]).toEqual([['two'], []]);
    await two.receive('s1', at(13, 31));
    two.unread = false;
    await pass(1000, [one, two]);
    await one.receive('s1', at(18, 31));
    expect(rows(tables)).toEqual([[13, NaN]]);
  });

  test('alerts of a long wait are published before their rows, once, by the owner alone', async () => {
    const { tables, one } = await crew();
    const third = new Member(tables, late, one.clock.nowMs(), 'three');
    third.behind = false;
    await third.start();
    await pass(5000, [one, third]);
    expect(one.leases.awaited).toEqual(['two']);
    await third.receive('s1', at(17, 31));
    await third.receive('s1', at(20, 32));
    await pass(4000, [one, third]);
    expect([one.lines, third.lines]).toEqual([[], []]);
    await pass(4000, [one, third]);
    expect([one.lines, third.lines, tables.alerts]).toEqual([['firing s1'], [], []]);
    // Batches that are handed over whole change no state, and what was read ahead stays valid.
    tables.directory.add('s3');
    const read = tables.after.bind(tables);
    const from: string[] = [];
    tables.after = (group, shards, afterId) => {
      from.push(afterId);
      return read(group, shards, afterId);
    };
    for (let second = 0; second < 30; second++) {
      await one.receive('s3', at(21 + second, 20));
      await pass(1000, [one, third]);
    }
    expect(from.filter((id) => id === '0').length).toBeLessThan(3);
    await third.receive('s1', at(26, 20));
    await third.receive('s1', at(29, 20));
    await pass(2000, [one, third]);
    expect([one.lines, tables.outbox.size]).toEqual([['firing s1', 'resolved s1'], 0]);
    await pass(55_000, [one, third]);
    expect(rows(tables)).toEqual([[17, 26]]);
    expect([one.lines.length, third.lines, tables.outbox.size, tables.sent.size]).toEqual([2, [], 2, 2]);
  });

  test('what is held is evaluated at once where the database is away, and anew when it is back', async () => {
    const { one } = await crew();
    await pass(2000, [one]);
    expect([one.phase, one.table.evaluates(1)]).toEqual(['catching_up', false]);
    one.table.isAway = () => true;
    expect(one.table.evaluates(1)).toBe(true);
  });
});

test('a shard is given back once its lines are marked, and the next owner publishes none of them', async () => {
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
  expect([member.alertManager.firing(), two.alertManager.firing()].reduce((a, b) => a + b)).toBe(20);
});
