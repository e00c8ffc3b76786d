import { expect, test } from '@jest/globals';
import { growthPercent } from '../../../src/adapters/system/heap-growth.ts';

const MB = 1024 ** 2;

test('the heap may become twice as large, of a large one 120 MB more, and always by a quarter', () => {
  const grown = (aliveMb: number) => Math.round(aliveMb * (1 + growthPercent(aliveMb * MB) / 100));
  expect([0, 30, 120].map(grown)).toEqual([0, 60, 240]);
  expect([200, 300].map(grown)).toEqual([320, 420]);
  expect(grown(1000)).toBe(1250);
});
