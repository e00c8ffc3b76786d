import { describe, expect, test } from '@jest/globals';
import { type Range, boundsOf, nearby, safeSlices, without } from '../../../src/core/policy/repair/slices.ts';

const HOUR = 3_600_000_000;
const DAY = 24 * HOUR;
const range = (from: number, until: number): Range => ({ from, until });
const EVER = range(0, Number.MAX_SAFE_INTEGER);
const days = (...numbers: number[]) => numbers.map((day) => range(day * DAY, (day + 1) * DAY));

describe('slices of a refresh', () => {
  test('are whole buckets, a week of them at most', () => {
    expect(safeSlices([range(10 * DAY + 5, 25 * DAY)], days(...Array(30).keys()), 30 * DAY, HOUR)).toEqual([
      range(10 * DAY, 17 * DAY),
      range(17 * DAY, 24 * DAY),
      range(24 * DAY, 25 * DAY),
    ]);
  });

  test('stop where the source was dropped, and at what may be refreshed yet', () => {
    expect(safeSlices([EVER], days(5, 6, 9), 9 * DAY + 90 * 60_000_000, HOUR)).toEqual([
      range(5 * DAY, 7 * DAY),
      range(9 * DAY, 9 * DAY + HOUR),
    ]);
  });

  test('leave out a bucket of which only a part is held', () => {
    const held = [range(5 * DAY + HOUR, 7 * DAY + HOUR)];
    expect(safeSlices([EVER], held, 20 * DAY, DAY)).toEqual([range(6 * DAY, 7 * DAY)]);
  });

  test('are none of nothing', () => {
    expect(safeSlices([EVER], [], 20 * DAY, DAY)).toEqual([]);
    expect(safeSlices([range(DAY, 2 * DAY)], days(4), 20 * DAY, HOUR)).toEqual([]);
  });

  test('overlapping ranges are done once', () => {
    const ranges = [range(5 * DAY, 6 * DAY), range(5 * DAY + HOUR, 5 * DAY + 2 * HOUR)];
    expect(safeSlices(ranges, days(5), 20 * DAY, HOUR)).toEqual([range(5 * DAY, 6 * DAY)]);
  });
});

test.each<[string, number[], Range[]]>([
  ['nothing', [], [range(0, 4 * HOUR)]],
  ['one in the middle', [HOUR], [range(0, HOUR), range(2 * HOUR, 4 * HOUR)]],
  ['neighbours', [2 * HOUR, HOUR], [range(0, HOUR), range(3 * HOUR, 4 * HOUR)]],
  ['the first and the last', [0, 3 * HOUR], [range(HOUR, 3 * HOUR)]],
  ['all', [0, HOUR, 2 * HOUR, 3 * HOUR], []],
  ['those outside', [-HOUR, 4 * HOUR], [range(0, 4 * HOUR)]],
])('a range without %s', (_, unsafe, expected) => {
  expect(without([range(0, 4 * HOUR)], unsafe, HOUR)).toEqual(expected);
});

describe('ranges of a query', () => {
  test('are in groups, divided where they lie furthest apart', () => {
    expect(nearby(days(60, 0, 1, 30, 59))).toEqual([days(0, 1), days(30), days(59, 60)]);
    expect(nearby(days(0, 10, 12, 40, 42, 90))).toEqual([days(0), days(10, 12), days(40, 42), days(90)]);
    expect(nearby(days(7))).toEqual([days(7)]);
    expect(nearby([])).toEqual([]);
  });

  test('each is in one group, in their order', () => {
    const ranges = days(...Array.from({ length: 50 }, (_, index) => (index * 17) % 101));
    expect(nearby(ranges).flat()).toEqual([...ranges].sort((a, b) => a.from - b.from));
    expect(nearby(ranges).length).toBeLessThanOrEqual(4);
  });

  test('those that overlap or adjoin are not divided', () => {
    expect(nearby([range(0, 9), range(3, 5), range(5, 20)])).toHaveLength(1);
  });

  test('have the first and the last time of all as bounds', () => {
    expect(boundsOf([range(5, 20), range(1, 3)])).toEqual([[5, 1], [20, 3], 1, 20]);
  });
});
