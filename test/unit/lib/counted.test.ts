import { expect, test } from '@jest/globals';
import { counted } from '../../../src/core/counted.ts';

test.each([
  [0, '0 routes'],
  [1, '1 route'],
  [2, '2 routes'],
])('%i of them: %s', (number, text) => {
  expect(counted(number, 'route')).toBe(text);
});

test('a plural of its own', () => {
  expect([1, 2].map((number) => counted(number, 'batch', 'batches'))).toEqual(['1 batch', '2 batches']);
});
