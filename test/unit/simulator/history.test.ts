import { expect, test } from '@jest/globals';
import { history } from '../../../src/simulator/history.ts';

test('the same options give the same rows, another seed others', () => {
  const options = { sensors: 2, fromMs: 0, toMs: 40 * 86_400_000, everyMs: 1_800_000 };
  const rows = (seed: number) => [...history({ ...options, seed })].flatMap((chunk) => chunk.rows);
  const first = rows(1);
  expect(rows(1)).toEqual(first);
  expect(rows(2)).not.toEqual(first);
  const energy = first.filter(([, sensor]) => sensor === first[0]![1]).map((row) => row.at(-1) as number);
  expect(energy.filter((value, n) => n > 0 && value < energy[n - 1]!).length).toBeGreaterThan(0);
});
