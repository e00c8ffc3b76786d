import { describe, expect, test } from '@jest/globals';
import { alertsSchema } from '../../../src/config/schema/alerts.ts';
import { Bench, D, T0_US, readings, rulesOf, sensorOf, withRule } from './support.ts';

// The worked scenarios of the contract, by their numbers.

const run = (rules: ReturnType<typeof rulesOf>, text: string) => {
  const bench = new Bench(rules);
  for (const reading of readings(text)) bench.send(reading);
  return bench;
};

describe('worked scenarios', () => {
  test('1: a storm is one row', () => {
    const bench = run(rulesOf(D), '(0,25)(60,31)(120,32)(180,33)(240,29)');
    expect(bench.trace).toEqual(['F@60(31/30)', 'R@240']);
    expect(bench.table).toMatchObject([
      {
        timeUs: T0_US + 60e6,
        alertType: 'temperature_high',
        value: 31,
        threshold: 30,
        severity: 'warning',
        peakValue: 33,
        resolvedAtUs: T0_US + 240e6,
        resolvedValue: 29,
        reason: 'value',
      },
    ]);
    expect(bench.notifications.map(({ event, seq }) => [event, seq])).toEqual([
      ['firing', 1],
      ['resolved', 2],
    ]);
  });

  test('2: equality is not a breach', () => {
    const bench = run(withRule({ min: 10 }), '(0,30)(60,10)(120,30.0001)(180,30)(240,9.9999)(300,10)');
    expect(bench.trace).toEqual([
      'F@120(30.0001/30)',
      'R@180',
      'F@240(9.9999/10) temperature_low',
      'R@300 temperature_low',
    ]);
    expect(bench.table).toHaveLength(2);
  });

  test('3: deadband', () => {
    const bench = run(withRule({ hysteresis: 2 }), '(0,31)(60,29)(120,28.01)(180,30.5)(240,28)');
    expect(bench.trace).toEqual(['F@0(31/30)', 'R@240']);
    expect(bench.table).toHaveLength(1);
  });

  test('7: on-delay', () => {
    const bench = new Bench(withRule({ for: '5m' }));
    for (let at = 0; at <= 480; at += 60) bench.send({ at, value: at === 120 ? 29 : 31 });
    bench.send({ at: 540, value: 29 });
    expect(bench.trace).toEqual(['P@0', 'C@120', 'P@180', 'F@480(31/30)', 'R@540']);
    expect(bench.table).toMatchObject([{ timeUs: T0_US + 480e6, startedAtUs: T0_US + 180e6 }]);
  });

  test('11: inheritance', () => {
    const bench = new Bench(
      rulesOf({
        ...D,
        overrides: [
          { tag: 'cold', metrics: { temperature: { max: 8 } } },
          { sensor: 's2', metrics: { temperature: { max: 10 } } },
        ],
      }),
    );
    const sensors = [sensorOf('s1', { tags: ['cold'] }), sensorOf('s2', { tags: ['cold'] }), sensorOf('s3')];
    for (const sensor of sensors) bench.send({ at: 0, value: 9, sensor });
    expect(bench.trace).toEqual(['F@0(9/8)']);
    for (const sensor of sensors) bench.send({ at: 60, value: 10.5, sensor });
    expect(bench.trace.slice(1)).toEqual(['F@60(10.5/10) s2']);
    expect(bench.table).toHaveLength(2);
  });

  test('12: redelivery', () => {
    const bench = run(rulesOf(D), '(0,31)(0,31)(0,31)(60,29)(60,29)(0,31)');
    expect(bench.trace).toEqual(['F@0(31/30)', 'R@60']);
    expect(bench.table).toHaveLength(1);
    expect(bench.totals).toMatchObject({ duplicate: 3, late: 1 });
  });

  test('16: bad values', () => {
    const bench = new Bench(rulesOf(D));
    const values: [number, unknown][] = [
      [0, null],
      [10, 'abc'],
      [20, NaN],
      [30, Infinity],
      [40, true],
      [60, 31],
      [120, null],
      [180, 29],
    ];
    for (const [at, value] of values) bench.send({ at, value });
    expect(bench.trace).toEqual(['F@60(31/30)', 'R@180']);
    expect(bench.totals.invalid).toBe(6);
  });

  test('20: hot reload', () => {
    const bench = new Bench(rulesOf(D));
    bench.send({ at: 0, value: 35 }).reload(30, withRule({ max: 40 }));
    bench.send({ at: 60, value: 35 }).reload(90, withRule({ max: 33 }));
    bench.send({ at: 120, value: 35 }).reload(150, rulesOf({}));
    expect(bench.trace).toEqual(['F@0(35/30)', 'R@30(rule_changed)', 'F@120(35/33)', 'R@150(rule_removed)']);
    const refused = alertsSchema.safeParse({ metrics: { temperature: { min: 50, max: 40 } } });
    expect(refused.error?.issues).toMatchObject([
      { path: ['metrics', 'temperature', 'min'], message: 'min 50 is above max 40' },
    ]);
    expect(bench.table).toHaveLength(2);
  });
});
