import { describe, expect, test } from '@jest/globals';
import { rowWindow } from '../../../src/web/components/window.ts';
import { appended, gapMs, gapsOf, withGaps } from '../../../src/web/plot/gaps.ts';
import { boundsOf, moved, queryOf, rangeOf, zoomed } from '../../../src/web/plot/ranges.ts';
import { nearest, pointsFor, sparkPath, valueRange } from '../../../src/web/plot/scales.ts';
import fc from '../../support/fast-check.ts';

const source = (time: number[]) => ({ time, mean: time, min: time, max: time });

describe('gaps', () => {
  test('a missing bucket breaks the line', () => {
    expect(withGaps(source([0, 60_000, 120_000, 300_000, 360_000]), 60_000).time).toEqual([
      0, 60, 120, 210, 300, 360,
    ]);
    expect(withGaps(source([0, 60_000, 120_000, 300_000, 360_000]), 60_000).mean[3]).toBeNull();
  });

  test('readings that are a little late do not', () => {
    expect(gapsOf(source([0, 10_000, 22_000, 30_000, 55_000, 60_000, 200_000]), 0)).toEqual([
      { fromMs: 60_000, toMs: 200_000 },
    ]);
  });

  test('sensors that are slower than the buckets do not', () => {
    expect(gapsOf(source([0, 600_000, 1_200_000, 1_800_000]), 60_000)).toEqual([]);
  });

  test('two points are no rhythm', () => {
    expect(gapMs([0, 1e9], 0)).toBe(Infinity);
  });

  test('whatever comes, times rise and no value is lost', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 1e7 }), { maxLength: 60 }), (given) => {
        const time = [...given].sort((a, b) => a - b);
        const columns = withGaps(source(time), 1_000);
        expect(columns.mean.filter((one) => one !== null)).toEqual(time);
        expect([...columns.time].sort((a, b) => a - b)).toEqual(columns.time);
      }),
    );
  });
});

describe('live readings', () => {
  test('are put behind the others', () => {
    expect(appended(source([0, 1_000]), 2_000, 7, 0)).toEqual({
      time: [0, 1_000, 2_000],
      mean: [0, 1_000, 7],
      min: [0, 1_000, 7],
      max: [0, 1_000, 7],
    });
  });

  test('widen the last bucket, or begin the next', () => {
    expect(appended(source([0, 60_000]), 90_000, 7, 60_000).min).toEqual([0, 7]);
    expect(appended(source([0, 60_000]), 130_000, 7, 60_000).time).toEqual([0, 60_000, 120_000]);
  });

  test('are not put before others', () => {
    const before = source([0, 60_000]);
    expect(appended(before, 60_000, 7, 0)).toBe(before);
    expect(appended(source([]), 5, 7, 0).time).toEqual([5]);
  });
});

describe('ranges', () => {
  const now = Date.parse('2026-11-29T12:00:00Z');

  test('stand in the address', () => {
    for (const query of [
      { range: '7d' },
      { from: '2026-11-01T00:00:00.000Z', to: '2026-11-02T00:00:00.000Z' },
    ])
      expect(queryOf(rangeOf(query))).toMatchObject(query);
    expect(rangeOf({ range: 'x', from: '2026-11-02', to: '2026-11-01' })).toEqual({
      kind: 'last',
      seconds: 3_600,
    });
  });

  test('zoom and move, and never into the future', () => {
    const bounds = boundsOf({ kind: 'last', seconds: 3_600 }, now);
    expect(zoomed(bounds, 0.5, now)).toEqual({ kind: 'fixed', fromMs: now - 2_700_000, toMs: now - 900_000 });
    expect(zoomed(bounds, 2, now)).toEqual({ kind: 'fixed', fromMs: now - 7_200_000, toMs: now });
    expect(moved(bounds, 0.5, now)).toEqual({ kind: 'fixed', fromMs: now - 3_600_000, toMs: now });
    expect(moved(bounds, -1, now)).toEqual({
      kind: 'fixed',
      fromMs: now - 7_200_000,
      toMs: now - 3_600_000,
    });
    expect(zoomed({ fromMs: now - 10, toMs: now }, 0.1, now)).toMatchObject({ toMs: now });
  });
});

describe('scales', () => {
  test('take limits in that are near, and no others', () => {
    expect(valueRange(4, 5, [8, 100])[1]).toBeCloseTo(8.32);
    expect(valueRange(4, 5, [100])[1]).toBeCloseTo(5.08);
  });

  test('have room where nothing moves, and where nothing is', () => {
    expect(valueRange(20, 20, [])).toEqual([19, 21]);
    expect(valueRange(0, 0, [])).toEqual([-0.5, 0.5]);
    expect(valueRange(null, null, [])).toEqual([0, 1]);
    expect(valueRange(null, null, [2, 8])[0]).toBeLessThan(2);
  });

  test('ask for a point for two pixels', () => {
    expect([pointsFor(10), pointsFor(1200), pointsFor(90_000)]).toEqual([100, 600, 2_000]);
  });

  test('find the nearest point', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0, max: 1000 }), { minLength: 1 }),
        fc.integer({ min: -10, max: 1010 }),
        (given, at) => {
          const time = [...given].sort((a, b) => a - b);
          const least = Math.min(...time.map((one) => Math.abs(one - at)));
          expect(Math.abs(time[nearest(time, at)]! - at)).toBe(least);
        },
      ),
    );
    expect(nearest([], 5)).toBe(-1);
  });

  test('draw a sparkline with its breaks', () => {
    expect(sparkPath([0, 1, null, 2], 90, 20)).toBe('M0 20L30 10M90 0h0');
    expect(sparkPath([5, 5], 90, 20)).toBe('M0 10L90 10');
    expect(sparkPath([null], 90, 20)).toBe('');
  });
});

describe('the window of a long list', () => {
  test('holds what is seen and some on either side', () => {
    expect(rowWindow(10_000, 44, 44_000, 880)).toEqual({
      first: 990,
      end: 1_031,
      above: 43_560,
      below: 394_636,
    });
  });

  test.each([
    [0, 0],
    [3, -500],
    [10_000, 1e9],
  ])('%p rows at %p keep their height', (count, top) => {
    const { first, end, above, below } = rowWindow(count, 44, top, 880);
    expect(above + (end - first) * 44 + below).toBe(count * 44);
    expect(end - first).toBe(Math.min(count, end - first));
    expect(end).toBeLessThanOrEqual(count);
  });
});
