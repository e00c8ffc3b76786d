import { describe, expect, jest, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import {
  DifferenceSample,
  type MetricSummary,
  MetricSample,
  suggest,
  suggestAtLeast,
} from '../../../src/core/alert/analysis/suggest.ts';
import { T0_US, rulesOf } from './support.ts';

// Many runs, on a machine that may be busy.
jest.setTimeout(60_000);

/** Always the same. */
function seeded(): () => number {
  let state = 1;
  return () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
}

function sampled(values: readonly number[], everyS = 60, metric = 'temperature'): MetricSummary {
  const sample = new MetricSample(metric, seeded());
  values.forEach((value, index) => sample.add(1, T0_US + index * everyS * 1e6, value));
  return sample.figures();
}

const normal = (random: () => number) =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

describe('what values say', () => {
  test('noise is that between one value and the next, whatever the day does', () => {
    const random = seeded();
    const values = Array.from(
      { length: 20_000 },
      (_, index) => 20 + 8 * Math.sin(index / 230) + 0.2 * normal(random),
    );
    const figures = sampled(values);
    expect(figures.noise).toBeCloseTo(0.2, 1);
    expect(figures.intervalS).toBe(60);
    expect(figures.low).toBeGreaterThan(11);
    expect(figures.high).toBeLessThan(29);
  });

  test('quantiles hold beyond the sample, extremes are exact, sensors are not mixed', () => {
    const sample = new MetricSample('temperature', seeded());
    for (let index = 0; index < 200_000; index++)
      sample.add(index % 2, T0_US + index * 1e6, (index % 2) * 1000 + (index % 1000));
    sample.add(0, T0_US + 300_000e6, -5000);
    sample.add(0, T0_US + 300_001e6, NaN);
    const figures = sample.figures();
    expect(figures).toMatchObject({ values: 200_001, sensors: 2, least: -5000, most: 1999 });
    expect(figures.low).toBeGreaterThanOrEqual(0);
    expect(figures.low).toBeLessThan(6);
    // Two levels a thousand apart would be a step of a thousand, were they one sensor.
    expect(figures.noise).toBeLessThan(3);
  });
});

describe('a suggestion', () => {
  const about = (more: Partial<MetricSummary>): MetricSummary => ({
    metric: 'temperature', sensors: 1, values: 10_000, low: 2.1, high: 7.93, least: 1.5, most: 14,
    noise: 0.06, intervalS: 60, ...more,
  }); // prettier-ignore

  test('leaves what is usual within the clear point, wider than the noise, for two readings', () => {
    expect(suggest(about({}))).toMatchObject({
      rule: { min: 1.9, max: 8.2, hysteresis: 0.2, for: 120_000 },
    });
  });

  test.each([
    [{ metric: 'battery', low: 40, high: 100, least: 38, most: 100 }, { min: 38 }, 'max'],
    [{ metric: 'humidity', low: 41, high: 99.5, least: 40, most: 100 }, { min: 39 }, 'max'],
    [{ metric: 'humidity', low: 0.5, high: 60, least: 0, most: 61 }, { max: 62 }, 'min'],
    [{ intervalS: 900 }, { for: 1_800_000, stale_after: 3_600_000 }, 'none'],
  ])('%j', (more, expected, absent) => {
    const found = suggest(about(more));
    expect(found).toMatchObject({ rule: expected });
    expect('rule' in found && found.rule).not.toHaveProperty(absent);
  });

  test.each([
    [{ values: 99 }, /too few/],
    [{ least: 5, most: 5, low: 5, high: 5, noise: 0 }, /always 5/],
    [{ metric: 'humidity', low: 0, high: 100, least: 0, most: 100 }, /usual/],
  ])('is absent for %j', (more, reason) => {
    expect(suggest(about(more))).toMatchObject({ none: expect.stringMatching(reason) as unknown });
  });

  test('is always a rule that the configuration takes, and round', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e6, max: 1e6, noNaN: true }),
        fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
        fc.double({ min: 0, max: 1e3, noNaN: true }),
        fc.double({ min: 0.1, max: 1e6, noNaN: true }),
        (low, span, noise, intervalS) => {
          const high = low + span;
          const found = suggest(about({ low, high, least: low - span, most: high + span, noise, intervalS }));
          if (!('rule' in found)) throw new Error(found.none);
          const { min = -Infinity, max = Infinity, hysteresis, for: wait = 0 } = found.rule;
          expect(() =>
            rulesOf({ metrics: { temperature: { ...found.rule, for: `${wait}ms`, stale_after: '30d' } } }),
          ).not.toThrow();
          const rounding = 1e-8 * (1 + Math.abs(low) + span + noise);
          expect(max - hysteresis).toBeGreaterThanOrEqual(high - rounding);
          expect(min + hysteresis).toBeLessThanOrEqual(low + rounding);
          expect(hysteresis).toBeGreaterThanOrEqual(3 * noise * (1 - 1e-6));
        },
      ),
    );
  });
});

describe('a difference', () => {
  const sample = (partnerId?: number) =>
    new DifferenceSample({ metric: 'a', minus: 'b', partnerId, staleUs: 60e6 }, seeded());
  const at = (second: number) => T0_US + second * 1e6;

  test('is to the last value of the same sensor, that of the same reading included, unless it is stale', () => {
    const same = sample();
    same.add(1, at(0), new Map([['a', 5]]), true);
    same.add(1, at(10), new Map([['a', 5], ['b', 2]]), true); // prettier-ignore
    same.add(2, at(20), new Map([['a', 9]]), true);
    same.add(1, at(70), new Map([['a', 6]]), true);
    same.add(1, at(71), new Map([['a', 7]]), true);
    expect(same.figures()).toMatchObject({ values: 2, least: 3, most: 4 });
  });

  test('to another sensor is evaluated with the readings of the first alone', () => {
    const other = sample(2);
    other.add(2, at(0), new Map([['a', 100], ['b', 1]]), false); // prettier-ignore
    other.add(1, at(1), new Map([['a', 5], ['b', 3]]), true); // prettier-ignore
    other.add(2, at(2), new Map([['a', 7]]), true);
    expect(other.figures()).toMatchObject({ values: 1, least: 4, metric: 'a minus b' });
  });
});

test.each([
  ['nothing matches', [[0, 0]], { none: 'no alert that matches was open' }],
  ['two at once never were', [[5, 900], [0, 0]], { atLeast: 2 }],
  ['two at once are usual', [[5, 900], [4, 500], [1, 1]], { atLeast: 3 }],
  ['any number is', [[5, 900], [4, 500]], { none: '2 are open at once for more than 0.1 % of the time' }],
] as const)('a count where %s', (_, given, expected) => {
  const counts = given.map(([episodes, openS], index) => ({ atLeast: index + 1, episodes, openS, longestS: openS }));
  expect(suggestAtLeast(counts, 10_000)).toEqual(expected);
}); // prettier-ignore
