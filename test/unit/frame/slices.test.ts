import { describe, expect, test } from '@jest/globals';
import { daysOf } from '../../../src/app/export/partitions.ts';
import {
  EMBEDDED_SLICE,
  SERVER_SLICE,
  SliceWidth,
  lengthOf,
  mergeSpans,
} from '../../../src/queries/export/slices.ts';

const DAY_MS = 86_400_000;
const EVER = { fromMs: -Infinity, toMs: Infinity };

describe('spans', () => {
  test('what touches or overlaps is one, what lies outside is cut', () => {
    const spans = [
      { fromMs: 20, toMs: 30 },
      { fromMs: 0, toMs: 10 },
      { fromMs: 10, toMs: 15 },
      { fromMs: 25, toMs: 40 },
      { fromMs: 60, toMs: 70 },
    ];
    expect(mergeSpans(spans, EVER)).toEqual([
      { fromMs: 0, toMs: 15 },
      { fromMs: 20, toMs: 40 },
      { fromMs: 60, toMs: 70 },
    ]);
    const within = mergeSpans(spans, { fromMs: 5, toMs: 60 });
    expect(within).toEqual([
      { fromMs: 5, toMs: 15 },
      { fromMs: 20, toMs: 40 },
    ]);
    expect(lengthOf(within)).toBe(30);
  });

  test('days in UTC, each with its part', () => {
    const noon = DAY_MS / 2;
    expect([...daysOf([{ fromMs: noon, toMs: 2 * DAY_MS + noon }])]).toEqual([
      ['1970-01-01', { fromMs: noon, toMs: DAY_MS }],
      ['1970-01-02', { fromMs: DAY_MS, toMs: 2 * DAY_MS }],
      ['1970-01-03', { fromMs: 2 * DAY_MS, toMs: 2 * DAY_MS + noon }],
    ]);
    const two = [
      { fromMs: 1, toMs: 2 },
      { fromMs: 5, toMs: 6 },
    ];
    expect([...daysOf(two)]).toEqual([['1970-01-01', { fromMs: 1, toMs: 6 }]]);
  });
});

describe('the width of a statement', () => {
  /** Rows a millisecond, over time; gives the slices and their rows. */
  const run = (density: (ms: number) => number, toMs: number) => {
    const width = new SliceWidth(EMBEDDED_SLICE);
    const slices: number[] = [];
    for (let fromMs = 0; fromMs < toMs;) {
      const slice = width.next({ fromMs, toMs });
      if (slice.toMs <= slice.fromMs) throw new Error('an empty slice'); // not expect: tens of thousands
      const rows = Math.round((slice.toMs - slice.fromMs) * density(slice.fromMs));
      width.record(slice, rows);
      slices.push(rows);
      fromMs = slice.toMs;
    }
    return slices;
  };

  test('settles at the wanted rows, from few as from many', () => {
    for (const density of [0.001, 0.01, 1]) {
      const slices = run(() => density, 90 * DAY_MS);
      expect(Math.max(...slices)).toBeLessThanOrEqual(250_000);
      expect(slices.length).toBeLessThan(20 + (90 * DAY_MS * density) / 100_000);
    }
  });

  test('a gap of years takes few statements, and rows after it no large one for long', () => {
    const slices = run((ms) => (ms < 3650 * DAY_MS ? 0 : 0.1), 3651 * DAY_MS);
    expect(slices.length).toBeLessThan(250);
  });

  test('on a server the first statement covers a day', () => {
    const first = new SliceWidth(SERVER_SLICE).next({ fromMs: 0, toMs: 10 * DAY_MS });
    expect(first).toEqual({ fromMs: 0, toMs: DAY_MS });
  });

  test('more rows than wanted make the next one smaller', () => {
    const width = new SliceWidth(EMBEDDED_SLICE);
    const first = width.next({ fromMs: 0, toMs: DAY_MS });
    width.record(first, 2_000_000);
    const second = width.next({ fromMs: first.toMs, toMs: DAY_MS });
    expect(second.toMs - second.fromMs).toBe((first.toMs - first.fromMs) / 10);
  });
});
