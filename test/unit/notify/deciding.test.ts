import { describe, expect, test } from '@jest/globals';
import { type SinkFilter, wanted } from '../../../src/core/notify/filter.ts';
import type { AlertNotification } from '../../../src/core/alert/model.ts';
import { groupDueMs, groupLabelsOf, placementOf } from '../../../src/core/notify/grouping.ts';
import { type GroupingConfig, routedAlert } from '../../../src/core/notify/routes.ts';
import { commonOf, fingerprintOf, labelsOf } from '../../../src/core/notify/labels.ts';
import { TokenBucket, perMinute } from '../../../src/core/token-bucket.ts';
import { notificationOf } from '../../support/notifications.ts';

const ALL: SinkFilter = {
  minSeverity: 'info',
  alertTypes: [],
  locations: [],
  sendResolved: true,
};

describe('notifications that match a sink', () => {
  test.each([
    ['anything', {}, {}, 'yes'],
    ['too little', { minSeverity: 'critical' }, {}, 'no'],
    ['enough', { minSeverity: 'critical' }, { severity: 'critical' }, 'yes'],
    ['another type', { alertTypes: ['humidity_*'] }, {}, 'no'],
    ['a type by pattern', { alertTypes: ['x', '*_high'] }, {}, 'yes'],
    ['a dot is a dot', { alertTypes: ['temperature.high'] }, {}, 'no'],
    ['another location', { locations: ['attic'] }, {}, 'no'],
    ['its location', { locations: ['attic', 'lab'] }, {}, 'yes'],
    ['silenced', {}, { suppressed: 'silence' }, 'no'],
    ['history', {}, { backfilled: true }, 'no'],
    ['an end', {}, { event: 'resolved' }, 'if_notified'],
    ['an end at a lower severity', { minSeverity: 'critical' }, { event: 'resolved' }, 'if_notified'],
    ['an unwanted end', { sendResolved: false }, { event: 'resolved' }, 'no'],
    ['an end in silence', {}, { event: 'resolved', suppressed: 'silence' }, 'if_notified'],
    ['an end that is history', {}, { event: 'resolved', suppressed: 'backfill', backfilled: true }, 'if_notified'],
    ['an unwanted end in silence', { sendResolved: false }, { event: 'resolved', suppressed: 'silence' }, 'no'],
    ['a lower severity', { minSeverity: 'critical' }, { event: 'deescalated' }, 'if_notified'],
    ['a lower severity in silence', {}, { event: 'deescalated', suppressed: 'silence' }, 'no'],
    ['the end of flapping', {}, { event: 'flapping_end' }, 'if_notified'],
    ['the end of flapping in silence', {}, { event: 'flapping_end', suppressed: 'silence' }, 'no'],
    ['the end of flapping that never fired, in silence', {}, { event: 'flapping_end', firedAtMs: null, suppressed: 'silence' }, 'if_notified'],
  ] as const)('%s', (_, filter, notification, expected) => {
    expect(wanted({ ...ALL, ...filter }, notificationOf(notification), 'lab')).toBe(expected);
  }); // prettier-ignore
});

describe('grouping', () => {
  const FACTS = { name: null, location: 'lab', type: 'probe', tags: ['gateway=gw1', 'cold'] };
  const place = (notification: AlertNotification, ...scopes: GroupingConfig[]) =>
    placementOf(notification, routedAlert(notification, FACTS), scopes);

  test('by the alert type, after 5 s; what is missing after 30 s', () => {
    expect(place(notificationOf())).toEqual({ groupKey: '{"alert_type":"temperature_high"}', waitMs: 5000, intervalMs: 30_000 });
    expect(place(notificationOf({ severity: 'critical' }))).toMatchObject({ waitMs: 5000, intervalMs: 10_000 });
    expect(place(notificationOf({ alertType: 'temperature_no_data' }))).toMatchObject({ waitMs: 30_000, intervalMs: 300_000 });
    expect(place(notificationOf({ alertType: 'offline', kind: 'offline' }))).toMatchObject({ waitMs: 30_000 });
    expect(place(notificationOf({ alertType: 'x_no_data', kind: 'threshold' }))).toMatchObject({ waitMs: 5000 });
  }); // prettier-ignore

  test('the route goes before the sink, each key on its own', () => {
    const route = { groupBy: ['gateway', 'location', 'unknown'] };
    expect(place(notificationOf(), route, { groupBy: ['tag'], groupWaitMs: 0 })).toEqual({
      groupKey: '{"gateway":"gw1","location":"lab","unknown":""}',
      waitMs: 0,
      intervalMs: 30_000,
    });
    expect(place(notificationOf(), { groupBy: [] }).groupKey).toBe('{}');
  });

  test('each alone: every episode has a group', () => {
    expect(place(notificationOf({ alertId: 'a' }), { groupBy: ['...'] }).groupKey).toBe('{"alert_id":"a"}');
  });

  test('a key is bounded; one that was cut names no labels', () => {
    const facts = { ...FACTS, tags: [`gateway=${'x'.repeat(5000)}`] };
    const alert = routedAlert(notificationOf(), facts);
    const { groupKey } = placementOf(notificationOf(), alert, [{ groupBy: ['gateway'] }]);
    expect(groupKey).toHaveLength(1000);
    expect(groupLabelsOf(groupKey)).toBeUndefined();
    expect(groupLabelsOf('{"gateway":"gw1"}')).toEqual({ gateway: 'gw1' });
  });

  test.each([
    ['the first one waits', 5000, undefined, 5000],
    ['the interval is not over', 5000, 4000, 34_000],
    ['it is long over', 50_000, 4000, 50_000],
  ])('due: %s', (_, firstDueMs, flushedAtMs, expected) => {
    expect(groupDueMs(firstDueMs, 30_000, flushedAtMs)).toBe(expected);
  });
});

test('a bucket lets a minute’s worth through at once, then the pace', () => {
  const bucket = new TokenBucket(perMinute(60), 0);
  for (let i = 0; i < 60; i++) expect(bucket.take(0)).toBe(0);
  expect(bucket.take(0)).toBe(1000);
  expect(bucket.take(500)).toBe(500);
  expect(bucket.take(1000)).toBe(0);
  expect(bucket.take(1000)).toBe(1000);
});

test('fingerprints are those of Prometheus: order does not matter, everything else does', () => {
  // model.LabelSet{"job": "x"}.Fingerprint(), and of the empty set
  expect(fingerprintOf({})).toBe('cbf29ce484222325');
  expect(fingerprintOf({ a: '1', b: '2' })).toBe(fingerprintOf({ b: '2', a: '1' }));
  expect(fingerprintOf({ a: '1', b: '2' })).not.toBe(fingerprintOf({ a: '1b', b: '2' }));
  expect(fingerprintOf({ a: 'ü' })).toMatch(/^[0-9a-f]{16}$/);
});

test('labels of the rule win over those of the sink, and the identity over both', () => {
  const alert = { alertType: 'temperature_high', sensorKey: 's1', severity: 'warning', metric: 'temperature' } as const; // prettier-ignore
  const labels = { team: 'cold', sensor: 'other' };
  expect(labelsOf({ ...alert, labels }, { site: 'north', team: 'ops' })).toEqual({
    ...{ alertname: 'temperature_high', sensor: 's1', severity: 'warning', metric: 'temperature' },
    ...{ site: 'north', team: 'cold' },
  });
});

test('common labels are those that all have', () => {
  expect(commonOf([{ a: '1', b: '2' }, { a: '1', b: '3' }])).toEqual({ a: '1' }); // prettier-ignore
  expect(commonOf([])).toEqual({});
});
