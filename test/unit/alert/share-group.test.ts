import { describe, expect, test } from '@jest/globals';
import { applyRules } from '../../../src/app/wiring/alert.ts';
import { shardOf } from '../../../src/core/alert/cluster/shard.ts';
import type { AlertNotification } from '../../../src/core/alert/model.ts';
import type { RuleSet } from '../../../src/core/alert/rules/rule-set.ts';
import { GroupTables, Member, pass } from '../../support/alert-group.ts';
import { settle } from '../../support/fakes.ts';
import { D, T0_MS, T0_US, rulesOf, withRule } from './support.ts';

const LEASE_MS = 10_000;
const LINE = {
  ...{
    alertId: 'x',
    seq: 1,
    event: 'firing',
    sensorKey: 's9',
    alertType: 'x_high',
    eventTimeMs: 0,
    startedAtMs: 0,
  },
} as AlertNotification;

/** The second one loads new rules, and gets the lease while that is being committed. */
async function overtaken(tables: GroupTables, one: Member, two: Member, rules: RuleSet): Promise<void> {
  const commit = tables.commit.bind(tables);
  let answer = () => {};
  tables.commit = async (batch) => {
    const done = await commit(batch);
    await new Promise<void>((resolve) => (answer = resolve));
    return done;
  };
  const changed = applyRules(rules, two.registry, two.alertManager, two.writer);
  await settle();
  tables.commit = commit;
  await one.stop();
  await pass(2500, [two]);
  expect(two.alertManager.follows(rules)).toBe(false);
  answer();
  await changed;
  await pass(1000, [two]);
  expect(two.alertManager.follows(rules)).toBe(true);
}

/** Two daemons of a share group; the first one has the lease. */
async function crew(rules = rulesOf(D), sensors: Readonly<Record<string, string | null>> = { s1: null }) {
  const tables = new GroupTables();
  for (const [key, gateway] of Object.entries(sensors)) tables.directory.add(key, { gateway });
  const [one, two] = ['one', 'two'].map((name) => new Member(tables, rules, T0_MS, name)) as [Member, Member];
  tables.nowMs = () => Math.max(one.clock.nowMs(), two.clock.nowMs());
  await one.start();
  await two.start();
  await pass(500, [one, two]);
  return { tables, one, two };
}

const at = (second: number, value: number) => ({ timeUs: T0_US + second * 1e6, value });
const phases = (...members: Member[]) => members.map(({ phase }) => phase);
const open = ({ alerts }: GroupTables) =>
  alerts.filter(({ resolvedAtUs }) => resolvedAtUs === undefined).length;

describe('the evaluation of a share group', () => {
  test('one daemon has it; the others hand over, and what they hand over is evaluated there', async () => {
    const { tables, one, two } = await crew();
    expect(phases(one, two)).toEqual(['on', 'none']);
    await two.receive('s1', at(0, 31));
    expect(tables.alerts).toEqual([]);
    expect(await tables.waiting()).toBe(1);
    await pass(300, [one, two]);
    expect(tables.alerts).toMatchObject([{ value: 31, threshold: 30 }]);
    expect(await tables.waiting()).toBe(0);
    await one.receive('s1', at(60, 29));
    expect([open(tables), one.lines, two.lines]).toEqual([0, ['firing s1', 'resolved s1'], []]);
    expect([
      one.metrics.values.get('fieldwatch_shards_owned'),
      two.metrics.values.get('fieldwatch_shards_owned'),
    ]).toEqual([64, 0]);
    expect([one.alertManager.firing(), two.alertManager.firing()]).toEqual([0, 0]);
  });

  test('readings of a sensor, spread over both, give the episodes of one daemon', async () => {
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
    for (const seed of [1, 2, 3]) {
      let state = seed;
      const random = () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
      const values = Array.from({ length: 90 }, () => (random() < 0.75 ? 31 + random() * 14 : 20));
      const spread = values.map(() => random() < 0.5);
      const episodes = async (toBoth: boolean) => {
        const { tables, one, two } = await crew(rules());
        for (const [second, value] of values.entries()) {
          await (toBoth && spread[second] === true ? two : one).receive('s1', at(second, value));
          await pass(1000, [one, two]);
        }
        await pass(5000, [one, two]);
        return { alerts: tables.alerts, lines: [...one.lines, ...two.lines] };
      };
      const alone = await episodes(false);
      expect(alone.alerts.length).toBeGreaterThan(5);
      expect(await episodes(true)).toEqual(alone);
    }
  });

  test('a gateway explains its sensors to every owner, whichever shards they are of and whichever member receives them', async () => {
    const rules = rulesOf({ offline_after: '60s', overrides: [{ sensor: 'hub', offline_after: '20s' }] });
    const { tables, one, two } = await crew(rules, { hub: null, d1: 'hub', d2: 'hub' });
    expect(new Set([1, 2, 3].map(shardOf)).size).toBe(3);
    await pass(12_000, [one, two]);
    await two.receive('d1', at(13, 20));
    await two.receive('d2', at(13, 20));
    await pass(30_000, [one, two]);
    expect(one.lines).toEqual(['firing hub']);
    // Killed: the other one has what is open, and counts silence anew.
    await pass(100_000, [two]);
    expect([...one.lines, ...two.lines]).toEqual(['firing hub', 'firing d1', 'firing d2']);
    expect(tables.alerts.map(({ sensorId, suppressed }) => [sensorId, suppressed ?? null])).toEqual([
      [1, null],
      [2, 'inhibition'],
      [3, 'inhibition'],
    ]);
    await two.receive('d1', at(150, 20));
    await pass(10_000, [two]);
    await two.receive('d2', at(160, 20));
    await pass(10_000, [two]);
    expect(open(tables)).toBe(0);
    const sent = [...tables.outbox.values()].filter(({ suppressed }) => (suppressed ?? null) === null);
    expect(sent.map(({ event, sensorKey }) => `${event} ${sensorKey}`)).toEqual([
      'firing hub',
      'resolved hub',
    ]);
  });

  test('what waits for earlier readings when the holder crashes is evaluated by the next, whichever member received it', async () => {
    const { tables, one, two } = await crew(withRule({}, { allowed_lateness: '2s' }));
    await pass(12_000, [one, two]);
    await one.receive('s1', at(20, 31));
    await two.receive('s1', at(21, 29));
    await pass(300, [one, two]);
    // Handed on, and not evaluated yet.
    await two.receive('s1', at(19, 32));
    expect(tables.alerts).toEqual([]);
    await pass(LEASE_MS + 8000, [two]);
    expect(phases(two)).toEqual(['on']);
    expect(tables.alerts).toMatchObject([{ timeUs: T0_US + 19e6, value: 32, resolvedAtUs: T0_US + 21e6 }]);
    expect(tables.states.size).toBe(0);
  });

  test('readings without a rule are not handed over', async () => {
    const { tables, two } = await crew(rulesOf({ metrics: { humidity: { max: 90 } } }));
    await two.receive('s1', at(0, 31));
    expect([tables.handover, tables.readings.size]).toEqual([[], 1]);
  });

  test('a sensor that another daemon registered is known when its readings come', async () => {
    const { tables, one, two } = await crew();
    await two.receive('fresh', at(0, 31));
    await pass(300, [one, two]);
    expect(one.lines).toEqual(['firing fresh']);
    expect(open(tables)).toBe(1);
  });

  test('after a crash the next one has it once the lease is over, goes on with the state, and publishes what was not', async () => {
    const { tables, one, two } = await crew(withRule({ for: '5s' }));
    await pass(12_000, [one, two]);
    await one.receive('s1', at(0, 31));
    expect(tables.states.size).toBe(1);
    // Committed by a daemon that dies before its line.
    tables.outbox.set('x|1', LINE);
    await two.receive('s1', at(2, 31));
    await pass(LEASE_MS - 4000, [two]);
    expect(phases(two)).toEqual(['none']);
    await pass(8000, [two]);
    expect(phases(two)).toEqual(['on']);
    expect(two.lines).toEqual(['firing s9']);
    await two.receive('s1', at(6, 31));
    expect(tables.alerts).toMatchObject([{ timeUs: T0_US + 6e6, startedAtUs: T0_US }]);
    expect(tables.epoch).toBe(2);
  });

  test('given back at a stop, the next one has it with its next attempt', async () => {
    const { one, two } = await crew();
    await one.stop();
    await pass(2500, [two]);
    expect(phases(two)).toEqual(['on']);
  });

  test('a lease taken in the middle of a change of rules brings its states, and they follow the new rules', async () => {
    const { tables, one, two } = await crew();
    await one.receive('s1', at(0, 31));
    const rules = withRule({ max: 30.5 });
    await overtaken(tables, one, two, rules);
    expect([phases(two), two.alertManager.firing()]).toEqual([['on'], 1]);
    await two.receive('s1', at(10, 30));
    expect(two.lines).toEqual(['resolved s1']);
  });

  test('the same of an alert whose rule was gone before: it ends', async () => {
    const { tables, one, two } = await crew();
    await one.receive('s1', at(0, 31));
    const other = (max: number) => rulesOf({ metrics: { humidity: { max } } });
    await applyRules(other(80), two.registry, two.alertManager, two.writer);
    await overtaken(tables, one, two, other(90));
    await pass(3000, [two]);
    expect(two.lines).toEqual(['resolved s1']);
    expect(open(tables)).toBe(0);
  });

  test('what arrives while it catches up comes after what waits', async () => {
    const { tables, one, two } = await crew();
    for (let n = 0; n < 30; n++) await two.receive('s1', at(n, 20));
    await two.receive('s1', at(30, 31));
    await one.stop();
    await two.receive('s1', at(31, 29));
    await pass(3000, [two]);
    await two.receive('s1', at(32, 20));
    expect(two.lines).toEqual(['firing s1', 'resolved s1']);
    expect(tables.alerts).toMatchObject([{ timeUs: T0_US + 30e6, resolvedAtUs: T0_US + 31e6 }]);
  });
});

describe('a holder that was frozen for longer than its lease', () => {
  async function frozen() {
    const group = await crew();
    const { one, two } = group;
    await pass(12_000, [one, two]);
    await one.receive('s1', at(12, 31));
    await pass(LEASE_MS + 3000, [two]);
    expect(phases(one, two)).toEqual(['on', 'on']);
    return group;
  }

  test('notices at its next commit: the batch is stored and forwarded, and nothing is notified twice', async () => {
    const { tables, one, two } = await frozen();
    // It wakes in the middle of a batch, before any of its timers.
    await one.receive('s1', at(20, 29));
    expect(phases(one)).toEqual(['none']);
    expect(one.alertManager.firing()).toBe(0);
    expect(tables.readings.size).toBe(2);
    await pass(300, [two]);
    expect([one.lines, two.lines]).toEqual([['firing s1'], ['resolved s1']]);
    expect(open(tables)).toBe(0);
  });

  test('detects it at its next poll', async () => {
    const { one, two } = await frozen();
    one.clock.advance(LEASE_MS + 3000);
    await settle();
    expect(phases(one, two)).toEqual(['none', 'on']);
    await pass(5000, [one, two]);
    expect([one.lines, two.lines]).toEqual([['firing s1'], []]);
  });

  test('a change of rules that finds it is taken all the same', async () => {
    const { one } = await frozen();
    const rules = withRule({ max: 40 });
    await one.writer.commitAlerts(() => one.alertManager.reload(rules, one.registry.all()));
    expect(phases(one)).toEqual(['none']);
    const [sensor] = one.registry.all();
    expect(sensor !== undefined && one.alertManager.mayClaim(sensor, new Map([['temperature', 1]]))).toBe(
      true,
    );
  });

  test('a line whose commit came back late is left to its present publisher', async () => {
    const { tables, one, two } = await crew();
    await pass(12_000, [one, two]);
    const commit = tables.commit.bind(tables);
    let answer = () => {};
    tables.commit = async (batch) => {
      const done = await commit(batch);
      await new Promise<void>((resolve) => (answer = resolve));
      return done;
    };
    const written = one.receive('s1', at(12, 31));
    await settle();
    tables.commit = commit;
    await pass(LEASE_MS + 3000, [two]);
    expect(two.lines).toEqual(['firing s1']);
    one.clock.advance(LEASE_MS + 3000);
    answer();
    await written;
    await pass(3000, [one, two]);
    expect([one.lines, two.lines]).toEqual([[], ['firing s1']]);
  });
});

test('early notifications of a frozen owner wait until it has checked its lease', async () => {
  const ahead = (alertId: string) => [{ ...LINE, alertId }];
  const { one, two } = await crew();
  await pass(12_000, [one, two]);
  void one.evaluator.publishUnpersisted(ahead('a'));
  expect(one.lines).toEqual(['firing s9']);
  await pass(LEASE_MS + 3000, [two]);
  one.clock.sleepOver(LEASE_MS + 3000);
  void one.evaluator.publishUnpersisted(ahead('b'));
  await pass(5000, [one, two]);
  expect([phases(one, two), one.lines]).toEqual([['none', 'on'], ['firing s9']]);
  // With the database away no other member can have notified it.
  two.cutOff = true;
  await pass(LEASE_MS + 5000, [one, two]);
  void two.evaluator.publishUnpersisted(ahead('c'));
  expect(two.lines).toEqual(['firing s9']);
});

describe('with the database away', () => {
  test('an owner that was not replaced keeps the lease, and its lines are written when that is certain', async () => {
    const { tables, one, two } = await crew();
    await pass(12_000, [one, two]);
    one.cutOff = two.cutOff = true;
    await pass(30_000, [one, two]);
    two.cutOff = one.cutOff = false;
    await pass(5000, [one, two]);
    expect([phases(one, two), tables.epoch]).toEqual([['on', 'none'], 1]);
    await one.receive('s1', at(50, 31));
    expect(one.lines).toEqual(['firing s1']);
  });

  test('silence is not evaluated while the others are unreachable', async () => {
    const { tables, one, two } = await crew(rulesOf({ metrics: { temperature: { no_data_after: '20s' } } }));
    await one.receive('s1', at(0, 20));
    one.cutOff = two.cutOff = true;
    await pass(60_000, [one, two]);
    two.cutOff = one.cutOff = false;
    await pass(5000, [one, two]);
    await two.receive('s1', at(66, 20));
    await pass(15_000, [one, two]);
    expect(tables.alerts).toEqual([]);
    await pass(12_000, [one, two]);
    expect(tables.alerts).toMatchObject([{ alertType: 'temperature_no_data' }]);
  });
});

test('no data is raised by the owner only, and readings in the handover count as received', async () => {
  const { tables, one, two } = await crew(rulesOf({ metrics: { temperature: { no_data_after: '20s' } } }));
  for (let second = 0; second < 60; second += 10) {
    await two.receive('s1', at(second, 20));
    await pass(10_000, [one, two]);
  }
  expect(tables.alerts).toEqual([]);
  await pass(16_000, [one, two]);
  expect(tables.alerts).toMatchObject([{ alertType: 'temperature_no_data', value: 20 }]);
  expect([one.lines, two.lines]).toEqual([['firing s1'], []]);
});

test('a reading that another member held for long ends the silence, and the same one does not begin anew', async () => {
  const { tables, one, two } = await crew(rulesOf({ metrics: { temperature: { no_data_after: '20s' } } }));
  await one.receive('s1', at(0, 20));
  await pass(25_000, [one, two]);
  expect([tables.alerts.length, open(tables)]).toEqual([1, 1]);
  // Received before the deadline, and before the last received one.
  const sensorId = one.registry.find('s1')?.id ?? 0;
  const metrics = new Map([['temperature', 20]]);
  const flags = { retained: false, spooled: false, located: false };
  const late = { sensorId, timeUs: T0_US, receivedAtMs: T0_MS, metrics, ...flags };
  tables.handover.push({ id: 'late', shard: shardOf(sensorId), readings: [late] });
  await pass(10_000, [one, two]);
  expect([tables.alerts.length, open(tables)]).toEqual([1, 0]);
  expect([...tables.states]).toEqual([]);
  await pass(15_000, [one, two]);
  expect([tables.alerts.length, open(tables)]).toEqual([2, 1]);
  expect(one.lines).toEqual(['firing s1', 'resolved s1', 'firing s1']);
});
