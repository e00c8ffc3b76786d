import { expect, test } from '@jest/globals';
import { alertId } from '../../../src/services/alert/alert-id.ts';

const key = { sensorId: 7, metric: 'temperature', kind: 'threshold', side: 'high' } as const;
const startedAtMs = Date.UTC(2026, 0, 1);

test('the id of an alert is a UUID of version 5 over its key and start, the same in every version: ids are stored', () => {
  // Made by uuid.uuid5 of Python.
  expect(alertId(key, startedAtMs)).toBe('13b15120-22b8-5665-b73f-794bc485c782');
});

test('each part of the key makes another one: two alerts of one type are two', () => {
  const others = [
    alertId({ ...key, sensorId: 8 }, startedAtMs),
    alertId({ ...key, metric: 'temperature_rate' }, startedAtMs),
    alertId({ ...key, kind: 'rate' }, startedAtMs),
    alertId({ ...key, side: 'low' }, startedAtMs),
    alertId(key, startedAtMs + 1),
  ];
  expect(new Set([alertId(key, startedAtMs), ...others]).size).toBe(6);
});
