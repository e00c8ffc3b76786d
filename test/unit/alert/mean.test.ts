import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { checkRules } from '../../../src/core/alert/rules/validate.ts';
import { Bench, rulesOf } from './support.ts';
import { rounds } from '../../support/rounds.ts';

const STALE_S = 600;
const rulesWith = (fields: object) => rulesOf({ metrics: { temperature: fields } });
const run = (fields: object, values: readonly (readonly [at: number, value: number])[]) => {
  const bench = new Bench(rulesWith(fields));
  for (const [at, value] of values) bench.send({ at, value });
  return { bench, trace: bench.trace.map((each) => each.split(' ')[0]), table: bench.table };
};
const everyMinute = (...values: readonly number[]) =>
  values.map((value, minute): [number, number] => [60 * minute, value]);

describe('the mean over a time', () => {
  test('a short peak does not fire, a lasting one does; it clears where the mean does', () => {
    const rule = { max_mean: 30, window: '10m' };
    const peak = run(rule, everyMinute(20, 20, 20, 20, 20, 60, 20, 20, 20, 20, 20, 20));
    expect(peak.trace).toEqual([]);
    // 20 for five minutes, then 50: after four more minutes (100 + 200) / 9.
    const lasting = run(rule, everyMinute(20, 20, 20, 20, 20, 50, 50, 50, 50, 50, 50, ...Array(12).fill(20)));
    expect(lasting.trace).toEqual(['F@480(31.25/30)', 'R@1080']);
    expect(lasting.table[0]).toMatchObject({
      alertType: 'temperature_mean_high',
      kind: 'mean',
      message: 's1: mean of temperature over 10m 31.25 is above 30',
    });
  });

  test('a value weighs as long as it held, however often it was sent', () => {
    // 40 for 8 minutes in one reading, then 20 for 2 minutes in 24.
    const often = Array.from({ length: 25 }, (_, n): [number, number] => [480 + 5 * n, 20]);
    const { trace } = run({ max_mean: 35, window: '10m' }, [[0, 40], [300, 40], ...often]);
    expect(trace).toEqual(['F@300(40/35)']);
  });

  test('no verdict before half of the window is covered, or by fewer values than min_samples', () => {
    expect(run({ max_mean: 30, window: '10m' }, everyMinute(50, 50, 50, 50, 50)).trace).toEqual([]);
    expect(run({ max_mean: 30, window: '10m' }, everyMinute(50, 50, 50, 50, 50, 50)).trace).toEqual([
      'F@300(50/30)',
    ]);
    const few = { max_mean: 30, window: '10m', min_samples: 8 };
    expect(run(few, everyMinute(...Array(8).fill(50))).trace).toEqual([]);
    expect(run(few, everyMinute(...Array(9).fill(50))).trace).toEqual(['F@480(50/30)']);
  });

  test('a value holds for stale_after at most', () => {
    // 10 minutes of 50, then silence for 50 minutes, of which 10 count.
    const values = [...everyMinute(...Array(11).fill(50)), [3600, 20], [3660, 20]] as [number, number][];
    const { trace } = run({ max_mean: 30, window: '1h', stale_after: '10m' }, values);
    // At 3600: 20 of 60 minutes are covered. Never half.
    expect(trace).toEqual([]);
  });

  test('below a limit, with hysteresis', () => {
    const rule = { min_mean: 10, hysteresis: 2, window: '2m' };
    const { trace, table } = run(rule, everyMinute(5, 5, 5, 11, 11, 11, 13, 13, 13));
    expect(trace).toEqual(['F@60(5/10)', 'R@420']);
    expect(table[0]?.message).toBe('s1: mean of temperature over 2m 5 is below 10');
  });
});

test('the spread over a time is the standard deviation', () => {
  const rule = { max_spread: 4, window: '10m' };
  const steady = run(rule, everyMinute(...Array(20).fill(1_000_000)));
  expect(steady.trace).toEqual([]);
  const swinging = run(rule, everyMinute(15, 25, 15, 25, 15, 25, 15, 25));
  // Three of 15 and two of 25: the deviation is 10 * sqrt(0.4 * 0.6).
  expect(swinging.table[0]).toMatchObject({ alertType: 'temperature_spread_high', kind: 'spread' });
  expect(swinging.table[0]?.value).toBeCloseTo(10 * Math.sqrt(0.24), 9);
  expect(swinging.table[0]?.message).toMatch(/^s1: spread of temperature over 10m 4\.89897949 is above 4$/);
});

test('limits that exclude each other are faults', () => {
  const faults = (temperature: object) => checkRules(rulesOf({ metrics: { temperature } }).config);
  expect(faults({ max_mean: 30, min_mean: 20 })).toEqual([]);
  expect(() => faults({ max_mean: 30, min_mean: 31 })).toThrow('min_mean 31 is above max_mean 30');
  expect(() => faults({ max_mean: 30, min_mean: 28, hysteresis: 2 })).toThrow('it can be 1 at most');
});

test('any mean is that of the values second by second; joined ones are off by 1/120 of the window at most', () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 900 }), fc.integer({ min: -50, max: 50 })), {
    minLength: 2,
    maxLength: 60,
  });
  fc.assert(
    fc.property(steps, fc.constantFrom(60, 600, 3600), (all, windowS) => {
      let at = 0;
      const values = all.map(([wait, value]): [number, number] => [(at += wait), value]);
      // Fires at once, whatever it is: the verdict is the first whose window is half covered.
      const { bench, table } = run(
        { max_mean: -1000, window: `${windowS}s`, stale_after: `${STALE_S}s` },
        values,
      );
      const expected = values
        .map(([timeS], index) => {
          let [seconds, sum] = [0, 0];
          for (let second = timeS - windowS; second < timeS; second++) {
            const held = values.slice(0, index).findLast(([from]) => from <= second);
            if (held === undefined || second - held[0] >= STALE_S) continue;
            seconds++;
            sum += held[1];
          }
          return { timeS, seconds, mean: sum / seconds };
        })
        .find(({ seconds }) => seconds * 2 >= windowS);
      expect(table).toHaveLength(expected === undefined ? 0 : 1);
      if (expected === undefined) return;
      expect(table[0]?.timeUs).toBe(bench.timeUs(expected.timeS));
      const partS = windowS / 120;
      const joined = all.some(([wait]) => wait <= partS);
      const tolerance = joined ? (100 * partS) / expected.seconds : 1e-9;
      expect(Math.abs((table[0]?.value ?? NaN) - expected.mean)).toBeLessThanOrEqual(tolerance);
    }),
    { numRuns: rounds(120, 300) },
  );
});

test('memory is bounded, however many readings a window holds', () => {
  const bench = new Bench(rulesWith({ max_mean: 1000, window: '10m' }));
  for (let n = 0; n < 20_000; n++) bench.send({ at: n / 10, value: n % 7 });
  const [row] = bench.batches.at(-1)?.states ?? [];
  const { window } = row?.detail as { window: readonly number[] };
  expect(window.length).toBeLessThanOrEqual(6 * 122);
});

test('a value that held long is not joined with a short one before it', () => {
  // The window of the last reading begins at 2: two of the four seconds of 1000 are in it.
  const { table } = run({ max_mean: 9, window: '10m', stale_after: '20m' }, [
    [0, 1000],
    [4, 10],
    [602, 10],
  ]);
  expect(table[0]?.value).toBeCloseTo((2 * 1000 + 598 * 10) / 600, 9);
});
