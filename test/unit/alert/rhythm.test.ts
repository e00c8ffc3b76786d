import { describe, expect, test } from '@jest/globals';
import { rhythmAfterMs, rhythmMark, withMessage } from '../../../src/core/alert/kind/rhythm.ts';
import { EMPTY_MEMORY, type Memory } from '../../../src/core/alert/kind/rule-kind.ts';
import fc from '../../support/fast-check.ts';

/** Five times the 99th percentile of the last 199 intervals, at least a minute. */
function expected(intervals: readonly number[]): number | undefined {
  if (intervals.length < 19) return undefined;
  const sorted = intervals.slice(-199).sort((a, b) => a - b);
  return Math.max(60_000, 5 * (sorted[Math.ceil((99 * sorted.length) / 100) - 1] ?? 0));
}

const sent = (intervals: readonly number[], from: Memory = EMPTY_MEMORY): Memory => {
  let atMs = 1_000_000;
  let memory = withMessage(from, atMs, 0);
  for (const interval of intervals) memory = withMessage(memory, (atMs += interval), 0);
  return memory;
};

const interval = fc.integer({ min: 1000, max: 100_000 });

describe('the rhythm of a sensor', () => {
  test('is that of the intervals one by one', () => {
    fc.assert(
      fc.property(fc.array(interval, { maxLength: 500 }), (intervals) => {
        expect(rhythmAfterMs(sent(intervals))).toBe(expected(intervals));
      }),
    );
  });

  test('keeps few of them, and never more than there are', () => {
    const random = Array.from({ length: 2000 }, (_, n) => 1000 + ((n * 7919) % 1009) * 10);
    expect(sent(random).length).toBeLessThan(4 + 2 * 60);
    const falling = Array.from({ length: 500 }, (_, n) => 100_000 - n);
    expect(sent(falling).length).toBeLessThanOrEqual(4 + 2 * 199);
  });

  test('does not change with what arrives within a second, out of order, or after an absence', () => {
    const memory = sent(Array.from({ length: 30 }, () => 60_000));
    const [, , lastMs = 0] = memory;
    expect(withMessage(memory, lastMs + 999, 0)).toBe(memory);
    expect(withMessage(memory, lastMs - 5000, 0)).toBe(memory);
    const after = withMessage(memory, lastMs + 9_000_000, lastMs + 1);
    expect(rhythmAfterMs(after)).toBe(300_000);
    expect(rhythmAfterMs(withMessage(after, lastMs + 9_060_000, lastMs + 1))).toBe(300_000);
  });

  test('is worth storing when it is known, and when it has changed by a tenth', () => {
    let atMs = 0;
    let memory: Memory = EMPTY_MEMORY;
    let stored = 0;
    const message = (after: number) => {
      const before = rhythmMark(memory);
      memory = withMessage(memory, (atMs += after), 0);
      if (rhythmMark(memory) !== before) stored++;
    };
    for (let n = 0; n < 19; n++) message(60_000);
    expect(stored).toBe(0);
    for (let n = 0; n < 1000; n++) message(60_000 + (n % 50));
    expect(stored).toBe(1);
    message(120_000);
    message(120_000);
    expect(stored).toBe(2);
  });
});
