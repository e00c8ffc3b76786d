import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { backoffMs, slowBackoffMs } from '../../../src/lib/backoff.ts';

const limits = { baseMs: 100, capMs: 5000 };

describe('backoff', () => {
  test.each([
    [0, 0, 0],
    [0, 0.5, 50],
    [1, 0.5, 100],
    [3, 0.5, 400],
    [20, 0.5, 2500],
    [1e9, 0.999, 4995],
    [-1, 0.5, 50],
  ])('attempt %d with random %d waits %d ms', (attempt, random, expected) => {
    expect(backoffMs(attempt, limits, () => random)).toBe(expected);
  });

  test('no wait is negative, above the cap, or no number', () => {
    const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.nat(), fc.nat(10_000), fc.nat(100_000), unit, (attempt, baseMs, capMs, random) => {
        const waitMs = backoffMs(attempt, { baseMs, capMs }, () => random);
        expect(Number.isInteger(waitMs)).toBe(true);
        expect(waitMs).toBeGreaterThanOrEqual(0);
        expect(waitMs).toBeLessThanOrEqual(capMs);
      }),
    );
  });

  test('the slow wait lies between half the cap and the cap', () => {
    expect(slowBackoffMs(limits, () => 0)).toBe(2500);
    expect(slowBackoffMs(limits, () => 0.9999)).toBe(4999);
  });
});
