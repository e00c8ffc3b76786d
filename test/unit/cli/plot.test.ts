import { describe, expect, test } from '@jest/globals';
import { barLines, boxLines, curveLines, heatLines } from '../../../src/cli/output/plot.ts';

describe('bars', () => {
  test('from zero where that is near, in eighths of a cell', () => {
    expect(
      barLines(
        [
          { label: 'a', value: 10 },
          { label: 'bb', value: 2.5 },
          { label: 'c', value: null },
        ],
        20,
      ),
    ).toEqual(['a    10  ███████████', 'bb  2.5  ██▊', 'c     -']);
  });

  test('from a little below the least value where zero is far', () => {
    const [low, high] = barLines(
      [
        { label: '', value: 20 },
        { label: '', value: 21 },
      ],
      30,
    ).map((line) => line.length);
    expect(low).toBeGreaterThan(6);
    expect(high).toBeGreaterThan(low ?? 0);
  });

  test('of nothing are nothing', () => {
    expect(barLines([{ label: 'a', value: NaN }], 20)).toEqual([]);
  });
});

test('shades: five steps, empty where nothing is, what they stand for below', () => {
  expect(
    heatLines({
      rows: ['x', 'yy'],
      columns: ['1', '2', '3'],
      values: [
        [0, 1, 2],
        [3, undefined, 4],
      ],
    }),
  ).toEqual(['    1 2 3', 'x   ··░░▒▒', 'yy  ▓▓  ██', '    · 0  █ 4']);
});

test('boxes: extremes, quartiles and median on one scale', () => {
  expect(boxLines([{ label: 'a', min: 0, p25: 5, p50: 10, p75: 15, max: 20 }], 24)).toEqual([
    'a  ├────▒▒▒▒▒┃▒▒▒▒▒────┤',
    '   0                  20',
  ]);
});

describe('a curve', () => {
  test('has the extremes at its sides and the range below', () => {
    const lines = curveLines({ values: [0, null, 10], from: '00:00', to: '01:00' }, 40);
    expect(lines[0]).toMatch(/^10 │/);
    expect(lines[9]).toMatch(/^ 0 │/);
    expect(lines.at(-1)).toContain('00:00');
    // Two values are two dots.
    const dots = [...lines.slice(0, -1).join('')].filter((one) => one >= '\u2801' && one <= '\u28ff');
    expect(dots).toHaveLength(2);
  });

  test('of one value, and of none', () => {
    expect(curveLines({ values: [5], from: '', to: '' }, 40)).toHaveLength(11);
    expect(curveLines({ values: [null], from: '', to: '' }, 40)).toEqual([]);
  });

  test('with limits across it and marks below', () => {
    const lines = curveLines(
      {
        values: [0, 10],
        from: 'a',
        to: 'b',
        limits: [5],
        marks: [
          { at: 0, sign: '●' },
          { at: 2, sign: '✓' },
        ],
      },
      40,
    );
    expect(lines.map((line) => line.slice(0, 4))).toContain(' 5 │');
    expect(lines.filter((line) => line.includes('╌'))).toHaveLength(1);
    expect(lines.at(-2)).toMatch(/[●✓]/);
    expect(lines).toHaveLength(12);
  });

  test('a limit that no value reaches is on the scale', () => {
    const lines = curveLines({ values: [1, 2], from: '', to: '', limits: [20] }, 40);
    expect(lines[0]).toMatch(/^20 │╌/);
  });
});
