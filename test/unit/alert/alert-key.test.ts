import { expect, test } from '@jest/globals';
import { identityOf, withKeys } from '../../../src/core/alert/engine/alert-key.ts';

test.each([
  ['temperature_high', { metric: 'temperature', kind: 'threshold', side: 'high' }],
  ['temperature_low', { metric: 'temperature', kind: 'threshold', side: 'low' }],
  // As the migration that gave rows their keys reads it.
  ['temperature_rate_low', { metric: 'temperature', kind: 'rate', side: 'low' }],
  ['temperature_anomaly', { metric: 'temperature', kind: 'anomaly', side: 'both' }],
  ['temperature_no_data', { metric: 'temperature', kind: 'no_data', side: 'high' }],
])('%s of a row without a key', (alertType, key) => {
  expect(identityOf({ alertType })).toEqual(key);
  expect(withKeys({ states: [{ alertType }], raised: [], resolved: [] }).states).toEqual([
    { alertType, ...key },
  ]);
});

test('the key of a row goes before its type', () => {
  const key = { metric: 'flow_rate', kind: 'threshold', side: 'high' } as const;
  expect(identityOf({ alertType: 'flow_rate_high', ...key })).toEqual(key);
  const count = { metric: 'offline', kind: 'count', side: 'high' } as const;
  expect(identityOf({ alertType: 'offline', ...count })).toEqual(count);
  expect(identityOf({ alertType: 'offline' })).toEqual({ metric: '', kind: 'offline', side: 'high' });
});
