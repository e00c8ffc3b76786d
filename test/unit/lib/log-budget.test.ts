import { expect, it } from '@jest/globals';
import { LogBudget, LogBudgets } from '../../../src/lib/log-budget.ts';
import { FakeClock } from '../../support/fake-clock.ts';

it('statement 6: five lines a minute, and the next one has the count of what was withheld', () => {
  const clock = new FakeClock();
  const budget = new LogBudget(clock);
  const lines = (events: number) =>
    Array.from({ length: events }, () => budget.take()).filter((count) => count !== undefined);
  expect(lines(1000)).toEqual([1, 1, 1, 1, 1]);
  clock.advance(59_999);
  expect(lines(10)).toEqual([]);
  clock.advance(1);
  expect(lines(3)).toEqual([1006, 1, 1]);
  expect(budget.take(9000)).toBe(9000);
});

it('one line a minute for each key, with the count of that key, and no more keys than are bounded', () => {
  const clock = new FakeClock();
  const budgets = new LogBudgets<string>(clock);
  const takes = () => ['a', 'a', 'b'].map((key) => budgets.take(key));
  expect(takes()).toEqual([1, undefined, 1]);
  clock.advance(60_000);
  expect(takes()).toEqual([2, undefined, 1]);
  for (let key = 0; key < 1000; key++) budgets.take(`${key}`);
  expect(budgets.take('a')).toBe(1);
});
