import { expect, test } from '@jest/globals';
import { growthPercent } from '../../../src/adapters/system/heap-growth.ts';

const MB = 1024 ** 2;

test('the heap may become twice as large, of a large one 150 MB more, and always by a quarter', () => {
  const grown = (aliveMb: number) => Math.round(aliveMb * (1 + growthPercent(aliveMb * MB) / 100));
  expect([0, 30, 150].map(grown)).toEqual([0, 60, 300]);
  expect([250, 300].map(grown)).toEqual([400, 450]);
  expect(grown(1000)).toBe(1250);
});
