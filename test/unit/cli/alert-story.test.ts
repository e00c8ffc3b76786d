import { describe, expect, test } from '@jest/globals';
import { type AlertStory, storyDocument, storyLines } from '../../../src/cli/alert-story.ts';
import { crossingText, standing } from '../../../src/cli/episode-text.ts';
import { cells, createPaint } from '../../../src/cli/terminal.ts';
import { courseOf } from '../../../src/queries/alert-course.ts';
import {
  type DeliveryRow,
  type EpisodeRecord,
  type EpisodeRow,
  recordedRoutes,
} from '../../../src/queries/alert-episodes.ts';

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 12, minute));
const ID = '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a10';

const row = (change: Partial<EpisodeRow> = {}): EpisodeRow => ({
  ...{ time: at(5), at: '', sensorId: 1, sensor: 'freezer-01', name: 'Freezer 1', location: 'cellar', type: 'freezer' },
  ...{ tags: ['cold'], alertType: 'temperature_high', metric: 'temperature', kind: 'threshold', severity: 'warning' },
  ...{ message: 'too warm', value: 9, threshold: 8, alertId: ID, startedAt: at(0), resolvedAt: null },
  ...{ resolvedValue: null, resolveReason: null, peakValue: null, peakSoFar: 13, ackedAt: null, ackedBy: null },
  ...{ ackedUntil: null, suppressed: null, deferredBy: null, backfilled: false, state: 'firing', system: false },
  ...change,
}); // prettier-ignore
const stated = () => undefined;

const delivery = (change: Partial<DeliveryRow> = {}): DeliveryRow => ({
  ...{ sink: 'phone', event: 'firing', queuedAt: at(5), doneAt: at(6), outcome: 'sent', origin: null },
  ...{ step: 0, heldUntil: null, route: null },
  ...change,
});

const rise = row({ time: at(10), severity: 'critical', threshold: 12, value: 12.5, message: 'far too warm' });
const record: EpisodeRecord = {
  episode: rise,
  rows: [row(), rise],
  notifications: [],
  deliveries: [
    delivery(),
    delivery({ sink: 'boss', step: 900, origin: 'escalation', outcome: 'refused' }),
    delivery({ sink: 'phone', event: 'reminder', step: -2, origin: 'reminder', doneAt: null, outcome: null, heldUntil: at(50) }),
  ],
  actions: [{ kind: 'ack', by: 'ann', comment: 'door was open', at: at(12), endsAt: at(42) }],
}; // prettier-ignore

const story = (change: Partial<AlertStory> = {}): AlertStory => ({
  nowMs: at(20).getTime(),
  record,
  steps: courseOf(record),
  silences: [{ id: '3', matchers: { sensor: 'freezer*' }, endsAt: at(59), by: 'bob', comment: 'defrosting' }],
  stated,
  curve: { metric: 'temperature', from: at(0), to: at(20), values: [4, 9, null, 12.5, 13, 9] },
  sinks: [],
  routes: ({ sink }) => (sink === 'boss' ? 'notify.routes[0]' : undefined),
  ...change,
});

test('the course has who acknowledged it, until when and why', () => {
  expect(courseOf(record).map(({ event, by, comment, until }) => [event, by, comment, until])).toEqual([
    ['started', null, null, null],
    ['firing', null, null, null],
    ['escalated', null, null, null],
    ['acked', 'ann', 'door was open', at(42)],
  ]);
});

describe('the story', () => {
  const text = (change: Partial<AlertStory> = {}, width = 100) =>
    storyLines(story(change), createPaint(false), width).join('\n');

  test('has course, curve with its limits, deliveries with route and step, and the silence', () => {
    expect(text().split('\n')).toEqual([
      '● critical temperature_high  firing',
      'far too warm',
      '',
      `id            ${ID}`,
      'sensor        freezer-01 (Freezer 1)',
      'location      cellar',
      'type          freezer',
      'tags          cold',
      'value         12.5 °C > 12 °C',
      'furthest      13 °C',
      'since         2026-01-01 12:00:00Z',
      'lasts         20m',
      '',
      'temperature',
      '13 │ ⠠⠁',
      '12 │╌╌╌',
      '   │',
      '   │',
      '   │⠐ ⠐',
      ' 8 │╌╌╌',
      '   │',
      '   │',
      '   │',
      ' 4 │⡀',
      '    ○◇',
      '    2026-01-01 12:00:00Z 2026-01-01 12:20:00Z',
      '',
      'course',
      '○ 2026-01-01 12:00:00Z  first breach',
      '● 2026-01-01 12:05:00Z  fired, warning        9 °C  too warm',
      '▲ 2026-01-01 12:10:00Z  escalated, critical   12.5 °C  far too warm',
      '◇ 2026-01-01 12:12:00Z  acknowledged          by ann  until 2026-01-01 12:42:00Z  "door was open"',
      '',
      'notifications',
      'sink   what                          outcome     at                    route',
      'phone  firing                        sent        2026-01-01 12:06:00Z  -',
      'boss   firing, escalation after 15m  refused     2026-01-01 12:06:00Z  notify.routes[0]',
      'phone  reminder 2                    held until  2026-01-01 12:50:00Z  -',
      '',
      'silence 3 by bob until 2026-01-01 12:59:00Z (sensor=freezer*): "defrosting"',
    ]);
  });

  test('a sink that fails says why', () => {
    const failing = { name: 'boss', failingSince: at(15), lastError: 'connect ECONNREFUSED' };
    expect(text({ sinks: [failing as AlertStory['sinks'][number]] })).toContain(
      'boss fails since 2026-01-01 12:15:00Z: connect ECONNREFUSED',
    );
  });

  test.each<[Partial<EpisodeRow>, string]>([
    [{ deferredBy: 'silence', suppressed: 'maintenance' }, 'not notified  now: silence'],
    [{ suppressed: 'maintenance' }, 'not notified  when it fired: maintenance'],
  ])('%j says why it is not notified, and when', (change, expected) => {
    expect(text({ record: { ...record, episode: row(change) } })).toContain(expected);
  });

  test('fits a terminal of 80 cells, also where names are long', () => {
    const widest = Math.max(...text({}, 80).split('\n').map(cells));
    expect(widest).toBeLessThanOrEqual(80);
  });

  test('shows control characters of names as text', () => {
    const hostile = '\u001b[31mred\u202e';
    const rows = [row({ name: hostile, location: hostile, sensor: hostile, message: hostile })] as const;
    const actions = [{ kind: 'ack' as const, by: hostile, comment: hostile, at: at(12), endsAt: null }];
    const bad = { ...record, rows, episode: rows[0], actions, deliveries: [delivery({ sink: hostile })] };
    expect(text({ record: bad, steps: courseOf(bad) })).not.toMatch(/[\u001b\u202e]/);
  });

  test('has the routes of that time, what follows a firing that of the firing', () => {
    const deliveries = [
      delivery({ route: 'notify.routes[1]' }),
      delivery({ sink: 'boss', step: 900, origin: 'escalation', route: 'notify.routes[0]' }),
      delivery({ event: 'resolved' }),
    ];
    const routes = recordedRoutes(deliveries);
    expect(deliveries.map(routes)).toEqual(['notify.routes[1]', 'notify.routes[0]', 'notify.routes[1]']);
    expect(routes(delivery({ sink: 'mail' }))).toBeUndefined();
  });

  test('as JSON has the same, its fields as the log names them', () => {
    const { transitions, notifications, silences, ...facts } = storyDocument(story());
    expect(facts).toMatchObject({ alert_id: ID, severity: 'critical', threshold: 12, peak_value: 13 });
    expect(transitions.map(({ event }) => event)).toEqual(['started', 'firing', 'escalated', 'acked']);
    expect(notifications.map(({ sink, step, route }) => [sink, step, route])).toEqual([
      ['phone', 0, null],
      ['boss', 900, 'notify.routes[0]'],
      ['phone', -2, null],
    ]);
    expect(silences).toMatchObject([{ matchers: { sensor: 'freezer*' }, by: 'bob' }]);
  });
});

test.each<[string, Partial<EpisodeRow>, string]>([
  ['a threshold', {}, '9 °C > 8 °C'],
  ['a low one', { alertType: 'temperature_low', value: 1, threshold: 2 }, '1 °C < 2 °C'],
  ['a rate', { kind: 'rate', alertType: 'temperature_rate_high', value: 3, threshold: 2 }, '3 °C/min > 2 °C/min'],
  ['a difference with a name of its own', { kind: 'difference', alertType: 'heat_high', value: 21, threshold: 20 }, '21 °C > 20 °C'],
  ['a count', { kind: 'count', metric: 'many', alertType: 'many', value: 3, threshold: 3 }, '3 >= 3'],
  ['an anomaly below', { kind: 'anomaly', alertType: 'temperature_anomaly', value: 1, threshold: 2 }, '1 °C < 2 °C'],
  ['silence', { kind: 'no_data', alertType: 'temperature_no_data', value: 900, threshold: 900 }, 'silent for 15m'],
  ['offline', { kind: 'offline', metric: '', alertType: 'offline', value: 3600, threshold: 3600 }, 'silent for 1h'],
  ['one that said so', { kind: 'offline', metric: '', alertType: 'offline', value: 0, threshold: 0 }, 'reported offline'],
  ['a row without a limit', { threshold: null }, '9 °C'],
])('%s: the crossing', (_, change, expected) => {
  expect(crossingText(row(change), stated)).toBe(expected);
}); // prettier-ignore

test('a unit that the database states is used', () => {
  expect(crossingText(row({ metric: 'supply' }), (metric) => (metric === 'supply' ? '°F' : undefined))).toBe(
    '9 °F > 8 °F',
  );
});

test('the state says until when it is acknowledged, and what defers it', () => {
  expect(standing(row({ ackedBy: 'ann', ackedUntil: at(42), deferredBy: 'silence' }))).toBe(
    'firing, acked by ann until 2026-01-01 12:42:00Z, silence',
  );
  expect(standing(row({ ackedBy: 'ann', ackedUntil: at(42), resolvedAt: at(20), state: 'resolved' }))).toBe(
    'resolved, acked by ann',
  );
});
