import { describe, expect, test } from '@jest/globals';
import { withoutForgotten } from '../../../src/core/alert/engine/moved-sensors.ts';
import { type AlertBatch, EMPTY_ALERT_BATCH } from '../../../src/core/alert/model.ts';

const key = (sensorId: number) =>
  ({ sensorId, metric: 'temperature', kind: 'threshold', side: 'high' }) as const;
const state = (sensorId: number, firedAtUs: number | null) => ({
  ...key(sensorId),
  ...{ alertType: 'temperature_high', state: 'firing', alertId: 'a', severity: 'warning' },
  ...{ sinceUs: null, startedAtUs: 5, firedAtUs, threshold: 30, peakValue: 40, seq: 1 },
  ...{ lastEventUs: 20, lastValue: 40, ruleHash: 'h', detail: {} },
});
const raised = (sensorId: number) => ({ ...key(sensorId), timeUs: 10, alertId: 'a' });
const batch = {
  ...EMPTY_ALERT_BATCH,
  states: [state(1, 10), state(2, 10), state(3, 10)],
  raised: [raised(1), raised(2), raised(3)],
  notifications: [{ sensorId: 1 }, { sensorId: 2 }, { sensorId: 3 }],
} as unknown as AlertBatch;

describe('what was evaluated before sensors were merged or forgotten', () => {
  test('is untouched where it is about others, or nothing is gone', () => {
    expect(withoutForgotten(batch, new Map())).toBe(batch);
    expect(withoutForgotten(batch, new Map([[9, null]]))).toBe(batch);
  });

  test('goes to the other sensor without its state, and an open episode is closed by hand', () => {
    const moved = withoutForgotten(batch, new Map([[1, 3]]));
    expect(moved.states.map(({ sensorId }) => sensorId)).toEqual([2, 3]);
    expect(moved.raised.map(({ sensorId }) => sensorId)).toEqual([3, 2, 3]);
    expect(moved.resolved).toMatchObject([{ ...key(3), firedAtUs: 10, resolvedAtUs: 20, reason: 'manual' }]);
  });

  test('is dropped where the sensor is forgotten', () => {
    const moved = withoutForgotten(batch, new Map([[1, null]]));
    for (const rows of [moved.states, moved.raised, moved.notifications])
      expect(rows.map(({ sensorId }) => sensorId)).toEqual([2, 3]);
    expect(moved.resolved).toEqual([]);
  });

  test('an episode that never fired leaves nothing', () => {
    const pending = { ...batch, raised: [], states: [state(1, null)] } as unknown as AlertBatch;
    expect(withoutForgotten(pending, new Map([[1, 3]]))).toMatchObject({ states: [], resolved: [] });
  });
});
