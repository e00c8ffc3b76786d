import { describe, expect, test } from '@jest/globals';
import { type Kept, keptBy, withoutExpired } from '../../../src/core/ingest/retention-filter.ts';
import type { Decoded, Reading } from '../../../src/core/reading.ts';
import { planWith } from '../../support/policy-plan.ts';
import { routerOf } from '../../support/routes.ts';

const DAY_US = 86_400_000_000;
const NOW_MS = Date.UTC(2026, 10, 22);

const reading = (daysAgo: number, ...metrics: string[]): Reading => ({
  device: 's1',
  timeUs: NOW_MS * 1000 - daysAgo * DAY_US,
  location: undefined,
  stamped: false,
  metrics: new Map(metrics.map((metric) => [metric, 1])),
});

function decode(kept: Kept, result: Decoded): Decoded {
  const router = { ...routerOf([{ codec: 'json', topic: 'a/{device}' }]), decode: () => result };
  const guarded = withoutExpired(router, kept);
  expect(guarded.filters).toEqual(['a/+']);
  return guarded.decode({
    ...{ topic: 'a', payload: new Uint8Array(), retain: false, receivedAtMs: NOW_MS },
    contentType: undefined,
  });
}
const readings = (...list: Reading[]): Decoded => ({ kind: 'readings', readings: list, dropped: 1 });
const days = (readingsDays: number, metricsDays: number): Kept => ({
  readingsUs: readingsDays * DAY_US,
  metricsUs: metricsDays * DAY_US,
});

describe('readings older than they are kept', () => {
  test('alone: refused, with the numbers', () => {
    expect(decode(days(90, 90), readings(reading(91, 'temperature')))).toEqual({
      kind: 'reject',
      code: 'older_than_retention',
      detail: 'its time is 2026-08-23T00:00:00.000Z, and readings are kept for 90 days',
    });
  });

  test('at the edge and younger: untouched', () => {
    const all = readings(reading(90, 'temperature'), reading(0, 'co2'));
    expect(decode(days(90, 90), all)).toBe(all);
    const rejected: Decoded = { kind: 'reject', code: 'parse_error' };
    expect(decode(days(90, 90), rejected)).toBe(rejected);
  });

  test('among others: set aside and counted', () => {
    const young = reading(1, 'temperature');
    expect(decode(days(90, 90), readings(reading(100, 'rssi'), young, reading(200, 'co2')))).toEqual({
      kind: 'readings',
      readings: [young],
      dropped: 3,
    });
  });

  test.each([
    ['a column', ['temperature'], false],
    ['the narrow table', ['co2'], true],
    ['both', ['temperature', 'co2'], false],
    ['neither', [], true],
  ])('by the table that they go to: %s', (_, metrics, kept) => {
    const { kind } = decode(days(90, 365), readings(reading(100, ...metrics)));
    expect(kind).toBe(kept ? 'readings' : 'reject');
  });

  test('commands of a route are published all the same', () => {
    const publish = { topic: 't', payload: new Uint8Array() };
    const old: Decoded = { kind: 'readings', readings: [reading(91, 'temperature')], dropped: 0, publish };
    expect(decode(days(90, 90), old)).toMatchObject({ kind: 'reject', publish });
  });
});

test('how long they are kept comes from the plan; without retention for ever', () => {
  expect(keptBy(planWith())).toEqual(days(90, 90));
  const open = { retention: { enabled: false } };
  const plan = planWith({
    hypertables: { sensor_readings: open, sensor_metrics: { retention: { after: '1 year' } } },
  });
  expect(keptBy(plan)).toEqual({ readingsUs: Infinity, metricsUs: 360 * DAY_US });
  const ancient = readings(reading(3000, 'temperature'));
  expect(
    decode(keptBy(planWith({ hypertables: { sensor_readings: open, sensor_metrics: open } })), ancient),
  ).toBe(ancient);
});
