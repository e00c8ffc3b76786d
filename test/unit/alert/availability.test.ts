import { describe, expect, it } from '@jest/globals';
import { restoreRow } from '../../../src/core/alert/engine/restore.ts';
import { AVAILABILITY } from '../../../src/core/reading.ts';
import { Bench, T0_MS, rulesOf, sensorOf } from './support.ts';

const RULES = rulesOf({ metrics: { temperature: { no_data_after: '60s', severity: 'critical' } } });
const sensor = sensorOf('s1');

const benchOf = (rules = RULES) => {
  const bench = new Bench(rules);
  bench.engine.connected(T0_MS);
  return bench;
};
const online = (at: number) => ({ at, metric: AVAILABILITY, value: 1 });
const offline = (at: number) => ({ at, metric: AVAILABILITY, value: 0 });
const temperature = (at: number) => ({ at, value: 20 });

/** A reading that the broker had kept. */
function retained(bench: Bench, at: number): void {
  bench.engine.begin();
  bench.engine.reading({ ...bench.made(temperature(at)), retained: true });
  bench.finish();
}

describe('a sensor that reports its availability', () => {
  it('is offline at once, once, and back with its next reading or report', () => {
    const bench = benchOf().send(temperature(0)).send(offline(10)).send(offline(11)).send(temperature(15));
    bench.send(offline(20)).send(online(25)).send(online(26));
    expect(bench.trace).toEqual([
      'F@10(0/0) offline',
      'R@15(data_resumed) offline',
      'F@20(0/0) offline',
      'R@25(data_resumed) offline',
    ]);
    const [effect] = [...bench.rows.values()];
    expect(effect).toMatchObject({ alertType: 'offline', metric: '', kind: 'offline', severity: 'critical' });
  });

  it('reports it in one batch with readings', () => {
    const bench = benchOf().send(temperature(0), offline(1), temperature(2), offline(3));
    expect(bench.trace).toEqual(['F@1(0/0) offline', 'R@2(data_resumed) offline', 'F@3(0/0) offline']);
  });

  it('is not missed for its metrics meanwhile, and their silence counts from its return', () => {
    const bench = benchOf().send(temperature(0)).send(offline(10)).tick(300).send(online(400));
    expect(bench.trace).toEqual(['F@10(0/0) offline', 'R@400(data_resumed) offline']);
    bench.tick(459);
    expect(bench.trace).toHaveLength(2);
    bench.tick(461);
    expect(bench.trace[2]).toBe('F@460(60/60) temperature_no_data');
  });

  it('is offline also where only "*" has a rule for silence, and gives no alert where none has', () => {
    const wildcard = rulesOf({ metrics: { '*': { no_data_after: '60s' } } });
    expect(benchOf(wildcard).send(temperature(0)).send(offline(1)).trace).toEqual(['F@1(0/0) offline']);
    const none = rulesOf({ metrics: { temperature: { max: 30 } } });
    expect(benchOf(none).send(temperature(0)).send(offline(1), online(2)).trace).toEqual([]);
  });

  it('is not back with what the broker had kept', () => {
    const bench = benchOf().send(temperature(0)).send(offline(10));
    retained(bench, 20);
    expect(bench.trace).toHaveLength(1);
    bench.send(temperature(21));
    expect(bench.trace[1]).toBe('R@21(data_resumed) offline');
  });

  it('is offline still after a restart, and back once', () => {
    const before = benchOf().send(temperature(0)).send(offline(10));
    const after = benchOf();
    for (const state of before.batches.flatMap(({ states }) => states))
      restoreRow(after.engine, sensor, state);
    after.send(offline(20)).tick(200).send(online(210));
    expect(after.trace).toEqual(['R@210(data_resumed) offline']);
  });

  it('is offline still under new rules, and no longer where no rule is about silence', () => {
    const bench = benchOf().send(temperature(0)).send(offline(10));
    bench.reload(20, rulesOf({ metrics: { temperature: { no_data_after: '90s', severity: 'critical' } } }));
    bench.send(offline(30));
    expect(bench.trace).toEqual(['F@10(0/0) offline']);
    bench.reload(40, rulesOf({ metrics: { temperature: { max: 30 } } }));
    expect(bench.trace[1]).toMatch(/^R@40\(.*\) offline$/);
  });

  it('has a message of its own', () => {
    const bench = benchOf().send(temperature(0)).send(offline(10)).send(online(20));
    const lines = bench.batches.flatMap(({ notifications }) => notifications.map(({ message }) => message));
    expect(lines).toEqual(['s1: reported offline', 's1: is back online']);
  });
});
