import { expect, test } from '@jest/globals';
import { trendAt, trendOf, trendWindow } from '../../../src/core/notify/text/trend.ts';

const MINUTE_MS = 60_000;

const series = (...values: number[]) => values.map((value, index) => ({ timeMs: index * MINUTE_MS, value }));

test('a trend is a change that the noise does not explain', () => {
  expect(trendOf(series(1, 2))).toBeUndefined();
  expect(trendOf(series(1, 2, 3, 4.1))).toBe('rising');
  expect(trendOf(series(9, 8.2, 7.1, 6))).toBe('falling');
  expect(trendOf(series(5, 5, 5, 5, 5))).toBe('steady');
  expect(trendOf(series(5, 5.2, 4.9, 5.1, 5, 5.2))).toBe('steady');
});

test('at an alarm, a step out of the limit outweighs what came before it', () => {
  const falling = series(9, 8.2, 7.1, 6, 5, 4.1, 3, 3.1);
  const at = { timeMs: 7 * MINUTE_MS, value: 3.1, low: false };
  expect(trendOf(falling)).toBe('falling');
  expect(trendAt(falling, at)).toBeUndefined();
  expect(trendAt(falling, { ...at, low: true })).toBe('falling');
  const rising = falling.map(({ timeMs, value }) => ({ timeMs, value: -value }));
  expect(trendAt(rising, { ...at, value: -3.1, low: true })).toBeUndefined();
  expect(trendAt(rising, { ...at, value: -3.1 })).toBe('rising');
});

test('too few values that neither rise nor fall tell no trend', () => {
  expect(trendOf(series(5, 5, 5))).toBeUndefined();
  expect(trendOf(series(5, 5.2, 4.9, 5.1))).toBeUndefined();
  expect(trendOf(series(1, 2, 3, 4, 5, 6, 7, 7.1, 7))).toBeUndefined();
  // Twice a second: it fell until just now.
  const fallen = series(
    8.5,
    7.3,
    6.9,
    6,
    5.5,
    4.9,
    4.3,
    4,
    3.4,
    2.5,
    2.2,
    1.5,
    1.3,
    0.9,
    0.5,
    0.9,
    0.8,
    0.8,
    0.6,
    0.8,
    0.7,
  );
  expect(trendOf(fallen.map(({ timeMs, value }) => ({ timeMs: timeMs / 120, value })))).toBeUndefined();
});

test('a jump is a trend until five values have followed it, over five minutes', () => {
  const calm = [-18, -18.1, -17.9, -18, -18.1, -18, -17.9, -18, -18.1, -18, -18];
  const flat = new Array<number>(15).fill(-18);
  for (const before of [calm, flat, calm.slice(0, 2), [-18]])
    for (const after of [[9], [9, 9], [9, 9.1, 9], [9, 9, 9, 9]]) {
      if (before.length + after.length < 3) continue;
      expect([before, after, trendOf(series(...before, ...after))]).toEqual([before, after, 'rising']);
      const down = [...before, ...after].map((value) => -value);
      expect(trendOf(series(...down))).toBe('falling');
    }
  expect(trendOf(series(...flat, 9, 9.1, 9, 8.9, 9))).toBe('rising');
  expect(trendOf(series(...flat, 9, 9.1, 9, 8.9, 9, 9))).toBe('steady');
  const fast = series(...flat.slice(5), 9, 9.1, 9, 8.9, 9, 9, 9.1, 8.9, 9, 9);
  expect(trendOf(fast)).toBe('steady');
  expect(trendOf(fast.map(({ timeMs, value }) => ({ timeMs: timeMs / 30, value })))).toBe('rising');
  // Up before, and back down now; a spike that is over; the last digit; the noise.
  expect(trendOf(series(-18, -18, -18, -18, 9, 9, 9, 9, 9, -18, -18))).toBe('falling');
  expect(trendOf(series(...calm, 9, -18, -18, -18, -18, -18))).toBe('falling');
  expect(trendOf(series(...calm, 9, -18, -18, -18, -18, -18, -18))).toBe('steady');
  expect(trendOf(series(...new Array<number>(10).fill(5), 5.1))).toBeUndefined();
  expect(trendOf(series(5, 5.2, 4.9, 5.1, 5, 5.3))).toBe('steady');
});

test('a trend uses twenty values, or ten minutes where these are more', () => {
  const minutes = series(...Array.from({ length: 60 }, (_, index) => index));
  expect(trendWindow(minutes)).toEqual(minutes.slice(-20));
  const seconds = series(...Array.from({ length: 300 }, (_, index) => (index < 200 ? 5 : 15)));
  const fast = seconds.map(({ timeMs, value }) => ({ timeMs: timeMs / 120, value }));
  const window = trendWindow(fast);
  expect([window.length, window.at(-1)]).toEqual([60, fast.at(-1)]);
  expect([trendOf(fast.slice(-20)), trendOf(window)]).toEqual(['steady', 'rising']);
});

test('a trend is what the values do now: after a turn that of the values since, where the noise does not explain the turn', () => {
  const peak = (after: number) =>
    Array.from({ length: 12 }, (_, index) => ({
      timeMs: index * MINUTE_MS,
      value: 9 - Math.abs(index - (11 - after)) + 0.1 * (index % 3),
    }));
  const low = (after: number) => peak(after).map(({ timeMs, value }) => ({ timeMs, value: -value }));
  for (const after of [2, 3, 5]) {
    expect(trendOf(peak(after))).toBe('falling');
    expect(trendOf(low(after))).toBe('rising');
  }
  expect(trendOf(series(1, 2, 3, 4, 5, 6, 7, 7.1, 7, 7.1, 7, 7, 7.1, 7))).toBe('steady');
  expect(trendOf(series(5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5.1, 5.1, 5.1, 5.1, 5.1, 5.1))).toBe('steady');
  expect(trendOf(series(-18, -18, -18, -18, -18, -18, -12, -4, 2, 9))).toBe('rising');
});
