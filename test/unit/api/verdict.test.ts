import { expect, test } from '@jest/globals';
import { type VerdictFacts, verdictOf } from '../../../src/core/verdict.ts';

const WELL: VerdictFacts = {
  database: { connected: true, detail: undefined },
  broker: { subscribed: true, detail: undefined, refused: 0 },
  spool: { items: 0, parked: 0, detail: undefined },
  alerts: { info: 0, warning: 0, critical: 0 },
  sensors: { silent: 0, total: 12 },
  policies: { errors: 0, warnings: 0, error: undefined },
  sinks: [],
  silentRoutes: [],
  clockOffS: undefined,
};

const away = { connected: false, detail: 'connection refused' };

test.each<[string, Partial<VerdictFacts>, boolean, string]>([
  ['nothing is wrong', {}, true, 'All is well: 12 sensors, no alert is open.'],
  [
    'nothing has sent yet',
    { sensors: { silent: 0, total: 0 } },
    true,
    'All is well; no sensor has sent anything yet.',
  ],
  [
    'only an alert that informs',
    { alerts: { info: 1, warning: 0, critical: 0 } },
    true,
    'All is well: 12 sensors, no alert is open.',
  ],
  ['one alert', { alerts: { info: 0, warning: 1, critical: 0 } }, false, '1 warning alert is open.'],
  [
    'the most urgent first',
    { alerts: { info: 0, warning: 2, critical: 3 }, sensors: { silent: 1, total: 12 } },
    false,
    '3 critical alerts are open, and 2 further reasons.',
  ],
  ['silent sensors', { sensors: { silent: 2, total: 12 } }, false, '2 sensors stopped sending.'],
  [
    'the database is away and the spool takes over',
    { database: away, alerts: undefined, sensors: undefined },
    false,
    'The database does not answer (connection refused), readings wait on disk.',
  ],
  [
    'the database is away and there is no spool',
    { database: away, spool: undefined, alerts: undefined, sensors: undefined },
    false,
    'The database does not answer (connection refused), messages wait at the broker.',
  ],
  [
    'database and spool are away',
    {
      database: away,
      spool: { items: 3, parked: 0, detail: 'disk full' },
      alerts: undefined,
      sensors: undefined,
    },
    false,
    'The database does not answer (connection refused), messages wait at the broker, and 1 further reason.',
  ],
  [
    'the broker is away',
    { broker: { subscribed: false, detail: 'connection refused', refused: 0 } },
    false,
    'No connection to the broker: connection refused.',
  ],
  [
    'the broker refuses',
    { broker: { subscribed: true, detail: undefined, refused: 1 } },
    false,
    'The broker refuses 1 subscription.',
  ],
  [
    'batches are parked',
    { spool: { items: 0, parked: 1, detail: undefined } },
    false,
    '1 batch of the spool could not be stored.',
  ],
  [
    'the spool drains',
    { spool: { items: 9, parked: 0, detail: undefined } },
    true,
    'All is well: 12 sensors, no alert is open.',
  ],
  ['a policy', { policies: { errors: 0, warnings: 1, error: undefined } }, false, '1 policy finding.'],
  [
    'policies unknown',
    { policies: { errors: 0, warnings: 0, error: 'timeout' } },
    false,
    'The policies cannot be verified: timeout.',
  ],
  ['a sink', { sinks: [{ sink: 'ops', detail: '401' }] }, false, 'Notifications to ops fail: 401.'],
  ['a route', { silentRoutes: ['a/{device}'] }, false, 'Route a/{device} stopped delivering.'],
  ['the clock', { clockOffS: -90.4 }, false, 'The clock of this machine is 90 s off.'],
])('%s', (_name, change, ok, sentence) => {
  const verdict = verdictOf({ ...WELL, ...change });
  expect([verdict.ok, verdict.sentence]).toEqual([ok, sentence]);
  expect(verdict.ok).toBe(verdict.reasons.every(({ severity }) => severity === 'info'));
});

test('what comes from elsewhere cannot move the cursor or the reading direction', () => {
  const { sentence } = verdictOf({ ...WELL, silentRoutes: ['a\u202e\u001b[31m'] });
  expect(sentence).toBe('Route a\\u{202e}\\u{1b}[31m stopped delivering.');
});
