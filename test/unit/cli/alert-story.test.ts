import { describe, expect, test } from '@jest/globals';
import { sentencesOf } from '../../../src/cli/alerts/sentences.ts';
import { type AlertStory, storyDocument, storyLines } from '../../../src/cli/alerts/story.ts';
import { ackSentence } from '../../../src/cli/alerts/ack.ts';
import { routeWords } from '../../../src/cli/alerts/words.ts';
import { crossingText, shortStanding, standing } from '../../../src/cli/alerts/episode-text.ts';
import { formatShortTime, formatSpan, formatTime } from '../../../src/cli/output/format.ts';
import { cells, createPaint } from '../../../src/cli/output/terminal.ts';
import { courseOf } from '../../../src/queries/alert-course.ts';
import {
  type DeliveryRow,
  type EpisodeRecord,
  type EpisodeRow,
  recordedRoutes,
} from '../../../src/queries/alert-episodes.ts';
import { notificationOf } from '../../support/notifications.ts';

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 12, minute));
const ID = '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a10';

const row = (change: Partial<EpisodeRow> = {}): EpisodeRow => ({
  ...{ time: at(5), at: '', sensorId: 1, sensor: 'freezer-01', name: 'Freezer 1', location: 'cellar', type: 'freezer' },
  ...{ tags: ['cold'], alertType: 'temperature_high', metric: 'temperature', kind: 'threshold', side: null, severity: 'warning' },
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
  worded: (message) => (message === 'too warm' ? 'Freezer 1: temperature 9 °C, above 8 °C' : message),
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

test('a firing keeps its sentence when a reminder has the same message', () => {
  const message = 'temperature 9 above 8';
  const firing = {
    ...notificationOf(),
    event: 'firing' as const,
    ...{
      message,
      value: 9,
      threshold: 8,
      eventTimeMs: at(5).getTime(),
      facts: { name: 'Freezer 1', location: null },
    },
  };
  const reminder = { ...firing, seq: 2, event: 'reminder', eventTimeMs: at(35).getTime() } as const;
  const worded = sentencesOf([firing, reminder], stated);
  expect(worded(message, { event: 'firing', at: at(5) })).not.toContain('still');
  expect(worded(message, { event: 'reminder', at: at(35) })).toContain('still');
  expect(worded(message)).not.toContain('still');
  expect(worded('another one')).toBe('another one');
});

describe('the story', () => {
  const text = (change: Partial<AlertStory> = {}, width = 100, zone = 'UTC') =>
    storyLines(story(change), createPaint(false), width, zone).join('\n');

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
      'highest       13 °C',
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
      '● 2026-01-01 12:05:00Z  fired, warning        Freezer 1: temperature 9 °C, above 8 °C',
      '▲ 2026-01-01 12:10:00Z  escalated, critical   far too warm',
      '◇ 2026-01-01 12:12:00Z  acknowledged          by ann  until 2026-01-01 12:42:00Z  "door was open"',
      '',
      'notifications',
      'sink   what                      outcome              at                    route',
      'phone  firing                    sent                 2026-01-01 12:06:00Z  -',
      'boss   not acknowledged for 15m  refused by the sink  2026-01-01 12:06:00Z  route 1',
      'phone  reminder 2                held until           2026-01-01 12:50:00Z  -',
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
    [{ deferredBy: 'silence', suppressed: 'maintenance' }, 'not notified  now silenced by an operator'],
    [{ suppressed: 'maintenance' }, 'not notified  when it fired, in a maintenance window'],
    [{ suppressed: 'inhibition' }, 'not notified  when it fired, inhibited: another open alert explains it'],
  ])('%j says why it is not notified, and when', (change, expected) => {
    expect(text({ record: { ...record, deliveries: [], episode: row(change) } })).toContain(expected);
  });

  test('after something was sent it is not notified any more', () => {
    const silenced = { ...record, episode: row({ deferredBy: 'silence' }) };
    expect(text({ record: silenced })).toContain('not notified  any more: silenced by an operator');
    const waiting = [delivery({ outcome: null, doneAt: null })];
    expect(text({ record: { ...silenced, deliveries: waiting } })).toContain('not notified  now silenced');
  });

  test('of what ended says why in words, of what was missed from the last sign of life on, each time in the zone', () => {
    const ended = { resolvedAt: at(20), resolveReason: 'data_resumed', state: 'resolved', peakSoFar: null };
    const missed = { alertType: 'offline', metric: '', kind: 'offline', value: 300, threshold: 300 } as const;
    const only = row({ ...missed, ...ended });
    const lines = text({ record: { ...record, rows: [only], episode: only } }, 100, 'Europe/Berlin').split(
      '\n',
    );
    expect(lines).toContain('since         2026-01-01 12:55:00+01');
    expect(lines).toContain('lasted        25m');
    expect(lines).toContain('○ 2026-01-01 12:55:00+01  last sign of life');
    expect(lines).toContain('resolved      2026-01-01 13:20:00+01, it sends again');
    expect(lines.join('\n')).not.toMatch(/\dZ/);
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
    'firing, acked by ann until 2026-01-01 12:42:00Z, silenced',
  );
  expect(standing(row({ ackedBy: 'ann', ackedUntil: at(42), resolvedAt: at(20), state: 'resolved' }))).toBe(
    'resolved, acked by ann',
  );
});

test('what was not notified when it fired says so after its end, too', () => {
  const ended = row({ suppressed: 'inhibition', resolvedAt: at(20), state: 'resolved' });
  expect([standing(ended), shortStanding(ended)]).toEqual(['resolved, inhibited', 'resolved, inhibited']);
  expect(standing(row({ suppressed: 'inhibition' }))).toBe('firing');
});

test('a crossing is on the side of the limit that it claims', () => {
  expect(crossingText(row({ value: 8.0001 }), stated)).toBe('8.0001 °C > 8 °C');
  const line = { alertType: 'battery_low', value: 13.5, threshold: 15 };
  expect(crossingText(line)).toBe('13.5 % < 15 %');
});

test.each([
  ['20:52:11.800', '20:55:46.100', '3m35s'],
  ['20:00:00', '20:59:59', '59m59s'],
  ['20:00:00', '21:05:46', '1h5m'],
  ['20:00:01', '20:00:00', '0s'],
])('from %s to %s it lasted %s', (from, to, expected) => {
  const on = (time: string) => new Date(`2026-01-01T${time}Z`);
  expect(formatSpan(on(from), on(to))).toBe(expected);
});

test('an acknowledgement with an end names it', () => {
  const about = { sensor: 'a1', alertType: 'temperature_high' };
  const said = (outcome: string | null, endsAt: Date | null) =>
    ackSentence('ack', about, { outcome, endsAt }, 'Europe/Berlin');
  expect(said('done', null)).toBe('acknowledged: a1 temperature_high');
  expect(said('done', at(5))).toBe('acknowledged until 2026-01-01 13:05:00+01: a1 temperature_high');
  expect(said('already', at(5))).toBe('was acknowledged before: a1 temperature_high');
});

test('times of the operator are in one zone', () => {
  const winter = at(5);
  expect(formatTime(winter)).toBe('2026-01-01 12:05:00Z');
  expect(formatTime(winter, 'Europe/Berlin')).toBe('2026-01-01 13:05:00+01');
  expect(formatTime(winter, 'Asia/Kolkata')).toBe('2026-01-01 17:35:00+05:30');
  expect(formatTime(winter, 'America/New_York')).toBe('2026-01-01 07:05:00-05');
  expect(formatTime(winter, 'Etc/UTC')).toBe('2026-01-01 12:05:00Z');
  expect(formatShortTime(winter, winter.getTime(), 'Europe/Berlin')).toBe('13:05:00+01');
  expect(formatShortTime(winter, at(5 + 3 * 1440).getTime(), 'Europe/Berlin')).toBe('01-01 13:05+01');
  const until = row({ ackedBy: 'ann', ackedUntil: at(42) });
  expect(standing(until, 'Europe/Berlin')).toBe('firing, acked by ann until 2026-01-01 13:42:00+01');
});

test.each([
  ['notify.routes[0]', 'route 1'],
  ['notify.routes[1].routes[0]', 'route 2.1'],
  ['sink phone', 'filters of the sink'],
])('the place %s is, for people, %s', (place, expected) => expect(routeWords(place)).toBe(expected));
