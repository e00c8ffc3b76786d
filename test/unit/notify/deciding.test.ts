import { describe, expect, test } from '@jest/globals';
import { type SinkFilter, wanted } from '../../../src/core/notify/filter.ts';
import { Grouping, type KindCount } from '../../../src/core/notify/grouping.ts';
import { commonOf, fingerprintOf, labelsOf } from '../../../src/core/notify/labels.ts';
import { TokenBucket } from '../../../src/core/notify/rate-limiter.ts';
import { notificationOf } from '../../support/notifications.ts';

const ALL: SinkFilter = {
  minSeverity: 'info',
  alertTypes: [],
  locations: [],
  sendResolved: true,
};

describe('what a sink wants', () => {
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
  const kind = (count: number, alertType = 'a_no_data'): KindCount => ({ event: 'firing', alertType, count });
  const make = () => new Grouping({ over: 3, windowMs: 1000 });

  test('a few go one by one', () => {
    expect(make().plan([kind(3)], 0)).toEqual({ grouped: [], held: [], wakeMs: Infinity });
  });

  test('many at once are one, at once', () => {
    expect(make().plan([kind(100_000), kind(1, 'b_high')], 0)).toEqual({
      grouped: [kind(100_000)],
      held: [],
      wakeMs: Infinity,
    });
  });

  test('what follows the first few waits for the end of the window, and is one then', () => {
    const grouping = make();
    for (let i = 0; i < 3; i++) grouping.sent(kind(1), 1, 100);
    expect(grouping.plan([kind(1)], 500)).toEqual({ grouped: [], held: [kind(1)], wakeMs: 1100 });
    expect(grouping.plan([kind(9)], 1100)).toEqual({ grouped: [kind(9)], held: [], wakeMs: Infinity });
  });

  test('a steady trickle of one every so often is never held', () => {
    const grouping = make();
    for (let nowMs = 0; nowMs < 10_000; nowMs += 400) {
      expect(grouping.plan([kind(1)], nowMs).held).toEqual([]);
      grouping.sent(kind(1), 1, nowMs);
    }
  });
});

test('a bucket lets a minute’s worth through at once, then the pace', () => {
  const bucket = new TokenBucket(60, 0);
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
