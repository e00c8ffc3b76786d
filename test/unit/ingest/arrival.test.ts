import { describe, expect, it } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { Arrivals } from '../../../src/core/ingest/arrival.ts';

const NOW_US = 1_767_225_600_000_000;

describe('Arrivals', () => {
  it('statement 5: gives each message a microsecond of its own, in the order of arrival', () => {
    const steps = fc.array(fc.integer({ min: -50_000_000, max: 2000 }), { maxLength: 500 });
    fc.assert(
      fc.property(steps, (offsets) => {
        const arrivals = new Arrivals();
        const times = offsets.map((offset) => arrivals.stamp(NOW_US + offset));
        expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
      }),
    );
  });

  it('follows the clock while messages are further apart than a microsecond', () => {
    const arrivals = new Arrivals();
    const times = [0, 1000, 1000, 1000, 2000].map((us) => arrivals.stamp(NOW_US + us) - NOW_US);
    expect(times).toEqual([0, 1000, 1001, 1002, 2000]);
  });

  it('goes back with a clock that is corrected by more than a minute', () => {
    const arrivals = new Arrivals();
    arrivals.stamp(NOW_US + 86_400_000_000);
    expect(arrivals.stamp(NOW_US)).toBe(NOW_US);
    expect(arrivals.stamp(NOW_US - 59_000_000)).toBe(NOW_US + 1);
  });
});
