import { describe, expect, test } from '@jest/globals';
import { comparedTo } from '../../../bench/inserting.ts';
import { type Figure, formatNumber, formatTable, verdictOf } from '../../../bench/report.ts';
import { median, percentile } from '../../../bench/stats.ts';

const figure = (more: Partial<Figure>): Figure => ({
  part: 'c',
  measure: 'messages',
  unit: 'messages/s',
  value: 20_000,
  runs: [20_000],
  ...more,
});

describe('statistics', () => {
  test.each([
    [[3, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
    [[7], 7],
    [[], NaN],
  ])('the median of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  test('percentiles are values that occurred: nearest rank', () => {
    const hundred = Float64Array.from({ length: 100 }, (_, i) => i + 1);
    expect([0.5, 0.99, 1, 0].map((share) => percentile(hundred, share))).toEqual([50, 99, 100, 1]);
    expect(percentile([5], 0.99)).toBe(5);
    expect(percentile([], 0.5)).toBeNaN();
  });
});

describe('the table', () => {
  test('columns line up; misses, notes and skipped parts show', () => {
    const reference = { what: 'bare', unit: 'messages/s', value: 30_000, runs: [30_000] };
    const table = formatTable(
      [
        figure({ reference, ratio: 0.667, target: 0.75 }),
        figure({ part: 'a', measure: 'rows', unit: 'rows/s', value: 1.5, note: 'fast' }),
      ],
      [{ part: 'd', reason: 'no broker' }],
    );
    expect(table.split('\n')).toEqual([
      'measure                  figure               reference  ratio   target',
      '(c) messages  20,000 messages/s  bare 30,000 messages/s   0.67  >= 0.75  miss',
      '(a) rows             1.5 rows/s',
      '',
      '(a) fast',
      '(d) skipped: no broker',
      '',
    ]);
  });

  test.each([
    [217_345, '217,000'],
    [1234, '1,230'],
    [0.123_45, '0.123'],
    [12.3456, '12.3'],
    [NaN, '-'],
  ])('%d is shown as %s', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });

  test('a target is met from itself on; without one there is no verdict', () => {
    expect(verdictOf(figure({ ratio: 0.75, target: 0.75 }))).toBe('ok');
    expect(verdictOf(figure({ ratio: 0.749, target: 0.75 }))).toBe('miss');
    expect(verdictOf(figure({ ratio: 0.1 }))).toBeUndefined();
  });

  test('(f) says how many times as fast (c) is, where (c) was measured', () => {
    const naive = figure({ part: 'f', value: 1000, unit: 'rows/s' });
    expect(comparedTo(naive, figure({}))).toMatchObject({ ratio: 20, target: 5 });
    expect(comparedTo(naive, undefined)).toBe(naive);
    expect(comparedTo(naive, figure({ part: 'c2' }))).toMatchObject({ reference: { what: '(c2)' } });
  });
});
