import { describe, expect, test } from '@jest/globals';
import type { Silence } from '../../../src/core/alert/suppress/silence.ts';
import { T0_MS, T0_US } from './support.ts';
import { SENSOR, command, pass, reading, run, setUp, start } from './alert-manager-setup.ts';

describe('operators and silences', () => {
  test('a command of an operator is carried out and marked in one batch', async () => {
    const daemon = setUp();
    const committed = start(daemon);
    await run(daemon, reading(0, 31));
    daemon.operators.commands = [command()];
    await pass(daemon, 2);
    daemon.operators.commands = [];
    expect(committed[0]).toMatchObject({
      acked: [{ ackedBy: 'ann', firedAtUs: T0_US }],
      commands: { outcomes: [{ id: '7', outcome: 'done' }] },
    });
    expect(daemon.store.states.get('1|temperature_high')?.detail).toMatchObject({ ack: { by: 'ann' } });
  });

  test('a command about an alert of another daemon is left to it, and given up after a while', async () => {
    const daemon = setUp();
    const committed = start(daemon);
    await run(daemon, reading(0, 31));
    daemon.operators.commands = [command({ alertType: 'humidity_high' })];
    await pass(daemon, 3);
    expect(committed).toEqual([]);
    daemon.operators.commands = [command({ alertType: 'humidity_high', ageMs: 60_000 })];
    await pass(daemon, 1);
    expect(committed[0]?.commands?.outcomes).toEqual([{ id: '7', outcome: 'not_open' }]);
  });

  test('silences are there before the first reading, and a new one is taken in while it runs', async () => {
    const silence = (endS: number): Silence => ({
      ...{ id: '1', matchers: { sensor: 's1' }, startsMs: T0_MS, endsMs: T0_MS + endS * 1000 },
      ...{ by: 'ann', comment: '' },
    });
    const daemon = setUp();
    daemon.operators.silences = [silence(60)];
    await daemon.alertManager.load([SENSOR]);
    const committed = start(daemon);
    expect((await run(daemon, reading(1, 31))).notifications).toMatchObject([{ suppressed: 'silence' }]);
    // While the operator store cannot be reached, what is known goes on.
    daemon.operators.failing = true;
    await pass(daemon, 10);
    daemon.operators.failing = false;
    daemon.operators.silences = [silence(20)];
    await pass(daemon, 15);
    expect(committed.flatMap(({ notifications }) => notifications)).toMatchObject([
      { event: 'firing', suppressed: null, eventTimeMs: T0_MS + 20_000 },
    ]);
    const restarted = setUp(daemon.store);
    await restarted.alertManager.load([SENSOR]);
    expect((await run(restarted, reading(60, 29))).notifications).toMatchObject([{ suppressed: null }]);
  });

  test('a silence has one line when it begins and one when it ends, also after a restart and of several daemons', async () => {
    const daemon = setUp();
    const silence: Silence = {
      ...{ id: '7', matchers: { sensor: 's1' }, startsMs: T0_MS, endsMs: T0_MS + 20_000 },
      ...{ by: 'ann', comment: 'door is open' },
    };
    daemon.operators.silences = [silence];
    await daemon.alertManager.load([SENSOR]);
    start(daemon);
    daemon.operators.failing = true;
    await pass(daemon, 2);
    daemon.operators.failing = false;
    await pass(daemon, 4);
    daemon.operators.silences = [{ ...silence, endedBy: 'bob', endsMs: T0_MS + 10_000 }];
    await pass(daemon, 30);
    const other = setUp();
    other.operators.silences = daemon.operators.silences;
    for (const [key, line] of daemon.operators.lines) other.operators.lines.set(key, line);
    await other.alertManager.load([SENSOR]);
    start(other);
    await pass(other, 40);
    expect([...daemon.lines, ...other.lines].map((line) => JSON.parse(line))).toMatchObject([
      { event: 'silence_added', sensor: 's1', by: 'ann', msg: 'silence 7 by ann until 2026-01-01 00:00:20Z: sensor s1 (door is open)' },
      { event: 'silence_ended', by: 'bob', msg: 'silence 7 of ann is over, ended by bob: sensor s1 (door is open)' },
    ]); // prettier-ignore
  });

  test('an acknowledgement has its line, once', async () => {
    const daemon = setUp();
    await daemon.alertManager.load([SENSOR]);
    const committed = start(daemon);
    await run(daemon, reading(0, 31));
    daemon.operators.commands = [command({})];
    await pass(daemon, 1);
    const [done] = committed;
    expect(done?.notifications).toMatchObject([{ event: 'acknowledged', seq: -1, ackedBy: 'ann' }]);
    daemon.alertManager.publish(done?.notifications ?? []);
    expect(JSON.parse(daemon.lines.at(-1) ?? '')).toMatchObject({
      ...{ level: 'info', event: 'acknowledged', by: 'ann', metric: 'temperature', unit: '°C' },
      msg: 's1: temperature acknowledged by ann',
    });
  });
});
