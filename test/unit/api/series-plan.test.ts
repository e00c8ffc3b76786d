import { expect, test } from '@jest/globals';
import { type Retention, planSeries } from '../../../src/core/series-plan.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 5, 15, 12, 34, 56);
const KEPT: Retention = { raw: 90 * DAY, hourly: 365 * DAY, daily: 5 * 365 * DAY };
const FOR_EVER: Retention = { raw: undefined, hourly: undefined, daily: undefined };

const plan = (days: number, points: number, retention = KEPT, stepMs?: number) =>
  planSeries({ fromMs: NOW - days * DAY, toMs: NOW, points, stepMs }, retention, NOW);

test.each<[string, number, number, Retention, string, number]>([
  ['a quarter of an hour', 1 / 96, 500, KEPT, 'raw', 2000],
  ['a day', 1, 1000, KEPT, 'raw', 87_000],
  ['a month', 30, 1000, KEPT, 'raw', 2_592_000],
  ['a quarter', 89, 1000, KEPT, 'hourly', 3 * HOUR],
  ['a year', 365, 1000, KEPT, 'hourly', 9 * HOUR],
  ['a year of readings that are kept', 365, 1000, FOR_EVER, 'hourly', 9 * HOUR],
  ['two years', 730, 1000, KEPT, 'daily', DAY],
  ['five years', 1825, 500, KEPT, 'daily', 4 * DAY],
  ['beyond everything that is kept', 4000, 500, KEPT, 'daily', 8 * DAY],
  [
    'readings that outlive the figures',
    80,
    4000,
    { raw: 90 * DAY, hourly: 10 * DAY, daily: 10 * DAY },
    'raw',
    1_728_000,
  ],
])('%s', (_name, days, points, retention, source, stepMs) => {
  const found = plan(days, points, retention);
  expect([found.source, found.stepMs]).toEqual([source, stepMs]);
  expect(found.fromMs % found.stepMs).toBe(0);
  expect(found.fromMs).toBeLessThanOrEqual(NOW - days * DAY);
  expect((found.toMs - found.fromMs) / found.stepMs).toBeLessThanOrEqual(points + 1);
});

test('the same buckets come again with a later range', () => {
  const [one, other] = [0, 77_777].map((laterMs) =>
    planSeries({ fromMs: NOW - DAY + laterMs, toMs: NOW + laterMs, points: 100, stepMs: 60_000 }, KEPT, NOW),
  );
  expect((other!.fromMs - one!.fromMs) % 60_000).toBe(0);
});

test('a requested step is rounded up to what figures have', () => {
  expect(plan(30, 500, KEPT, 90 * 60_000).stepMs).toBe(2 * HOUR);
  expect(plan(1, 500, KEPT, 90_500).stepMs).toBe(90_500);
});

test('too many buckets are refused', () => {
  expect(() => plan(30, 500, KEPT, 1000)).toThrow(expect.objectContaining({ code: 'QUERY_TOO_LARGE' }));
});
