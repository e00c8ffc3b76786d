import { expect, test } from '@jest/globals';
import { AdaptiveLinger } from '../../../src/core/ingest/adaptive-linger.ts';

const after = (mostMs: number, ...commits: readonly number[]): number => {
  const linger = new AdaptiveLinger(mostMs);
  for (const ms of commits) linger.observe(ms, 0);
  return linger.filledMs();
};

test('until the first commit a message waits as long as configured', () => {
  expect(after(20)).toBe(20);
});

test('it waits twice as long as a commit takes', () => {
  expect(after(20, 3, 3)).toBe(6);
});

test.each([
  ['not less than the least, however fast the database', 20, [0.5], 4],
  ['not longer than configured, however slow', 10, [500], 10],
  ['not longer than 20 ms, however slow and whatever is configured', 50, [500, 500], 20],
  ['not at all with a linger of zero', 0, [3], 0],
])('%s', (_, mostMs, commits, ms) => {
  expect(after(mostMs, ...commits)).toBe(ms);
});

test('one slow commit, and a batch that waited through an outage, are forgotten within a few', () => {
  const quick = Array.from({ length: 15 }, () => 2);
  expect(after(20, 2, 600_000)).toBeGreaterThan(5);
  expect(after(20, 2, 600_000, ...quick)).toBeLessThan(5);
});

test('a database that has become slow is followed within a few commits', () => {
  expect(after(20, 2, 2, ...Array.from({ length: 10 }, () => 15))).toBeGreaterThan(16);
});

test.each([
  ['as many times longer as there are members', 4, 24],
  ['not for seconds in a large group', 64, 200],
])('members of a group wait %s', (_, members, ms) => {
  const linger = new AdaptiveLinger(20);
  linger.observe(3, 0);
  expect(linger.filledMs(members)).toBe(ms);
});

test('a sparse batch waits as long as configured, in a group each member as many times longer', () => {
  const linger = new AdaptiveLinger(20);
  linger.observe(3, 0);
  expect([1, 4, 64].map((members) => linger.sparseMs(members))).toEqual([20, 80, 200]);
});

test('a group waits at least as long as configured allows one daemon to', () => {
  expect(new AdaptiveLinger(5000).sparseMs(3)).toBe(5000);
});

test.each([
  ['is idle', 20, 0.05, 6],
  ['has some work', 20, 0.3, 12],
  ['is busy', 20, 0.8, 20],
  ['is busy, and may wait for long', 200, 0.8, 20],
  ['is busy, and may not wait for long', 10, 0.8, 10],
])('a daemon that %s', (_, mostMs, load, ms) => {
  const linger = new AdaptiveLinger(mostMs);
  for (let commits = 0; commits < 40; commits++) linger.observe(3, load);
  expect(linger.filledMs()).toBeCloseTo(ms, 1);
});
