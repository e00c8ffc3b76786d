import { expect, test } from '@jest/globals';
import { type SensorCondition, SILENT_AFTER_MS, sensorState } from '../../../src/core/sensor-state.ts';
import { Rate } from '../../../src/lib/rate.ts';

const NOW = 1_700_000_000_000;

test.each<[Partial<SensorCondition>, string]>([
  [{}, 'ok'],
  [{ alerts: 1 }, 'alert'],
  [{ lastSeenMs: undefined, retired: 'until_seen' }, 'retired'],
  [{ alerts: 1, missing: 1 }, 'alert'],
  [{ missing: 1 }, 'silent'],
  [{ lastSeenMs: undefined }, 'never'],
  [{ lastSeenMs: undefined, missing: 1 }, 'silent'],
  [{ lastSeenMs: NOW - SILENT_AFTER_MS }, 'ok'],
  [{ lastSeenMs: NOW - SILENT_AFTER_MS - 1 }, 'silent'],
])('%j is %s', (change, state) => {
  expect(sensorState({ alerts: 0, missing: 0, lastSeenMs: NOW, ...change }, NOW)).toBe(state);
});

test('a rate is that of the last ten seconds', () => {
  let [nowMs, count] = [0, 0];
  const rate = new Rate({ monotonicMs: () => nowMs }, () => count);
  expect(rate.perSecond()).toBe(0);
  const after = (seconds: number, more: number) => {
    [nowMs, count] = [nowMs + seconds * 1000, count + more];
    return rate.perSecond();
  };
  expect(after(2, 20)).toBe(10);
  expect(after(2, 0)).toBe(5);
  for (let second = 0; second < 10; second++) after(1, 3);
  expect(after(1, 3)).toBeCloseTo(3, 0);
  expect(after(3600, 0)).toBeLessThan(0.01);
});
