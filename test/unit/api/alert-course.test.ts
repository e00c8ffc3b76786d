import { expect, test } from '@jest/globals';
import { marginMs } from '../../../src/queries/alert-course.ts';

const MINUTE_MS = 60_000;

test.each([
  ['seconds', 0.5, 5],
  ['some minutes', 6, 12],
  ['an hour', 60, 30],
  ['a night', 600, 150],
])('the curve of an alert of %s has its context', (_name, minutes, expected) => {
  expect(marginMs(minutes * MINUTE_MS)).toBe(expected * MINUTE_MS);
});
