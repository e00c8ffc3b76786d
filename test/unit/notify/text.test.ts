import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { AlertNotification, NotificationEvent } from '../../../src/core/alert/model.ts';
import { KINDS } from '../../../src/core/alert/kind/index.ts';
import type { OutgoingNotification } from '../../../src/core/notify/delivery.ts';
import { bodyOf, titleOf } from '../../../src/core/notify/messages.ts';
import { ENDINGS, MESSAGES } from '../../../src/core/notify/text/language.ts';
import { LANGUAGES, LANGUAGE_NAMES, type LanguageName } from '../../../src/core/notify/text/languages.ts';
import { sampleNotifications } from '../../../src/core/notify/text/samples.ts';
import { type TextContext, sentenceOf } from '../../../src/core/notify/text/sentence.ts';
import { notificationOf } from '../../support/notifications.ts';

const NOW_MS = Date.UTC(2026, 10, 28, 8, 30);
const MINUTE_MS = 60_000;
const ago = (minutes: number): number => NOW_MS - minutes * MINUTE_MS;

const context = (more: Partial<TextContext> = {}): TextContext => ({
  language: LANGUAGES.en,
  timezone: 'Europe/Berlin',
  nowMs: NOW_MS,
  ...more,
});

/** A freezer that is too warm since a quarter of an hour, and was notified of just now. */
const freezer = (more: Partial<OutgoingNotification> = {}): OutgoingNotification => ({
  ...notificationOf({
    sensorKey: 'freezer-01',
    alertType: 'temperature_high',
    metric: 'temperature',
    kind: 'threshold',
    side: 'high',
    value: 9.3,
    threshold: 8,
    startedAtMs: ago(15),
    firedAtMs: ago(0),
    eventTimeMs: ago(0),
    runbook: null,
  }),
  facts: { name: 'Freezer 1', location: 'cold room' },
  ...more,
});

const one = (notification: OutgoingNotification) => ({ notifications: [notification], total: 1 });
const sentence = (more: Partial<OutgoingNotification>, given = context()): string =>
  sentenceOf(freezer(more), given);
const pushOf = (more: Partial<OutgoingNotification>, given = context()): string =>
  `${titleOf(one(freezer(more)), {}, given)}\n${bodyOf(one(freezer(more)), {}, given)}`;

const rate = { kind: 'rate', alertType: 'temperature_rate_high', value: 2.13, threshold: 1 } as const;
const mean = { kind: 'mean', alertType: 'temperature_mean_high', windowS: 3600 } as const;
const battery = {
  metric: 'battery',
  alertType: 'battery_low',
  side: 'low',
  value: 14.6,
  threshold: 15,
} as const;
const noData = { kind: 'no_data', alertType: 'temperature_no_data', value: 900, threshold: 900 } as const;
const offline = { kind: 'offline', alertType: 'offline', metric: '', value: 900, threshold: 900 } as const;
const over = { event: 'resolved', reason: 'value', value: 7.2, peakValue: 12.14, durationS: 2100 } as const;

describe('the sentence says what happened', () => {
  test.each<[string, Partial<OutgoingNotification>]>([
    ['Freezer 1: temperature 9.3 °C, above 8 °C', {}],
    ['Freezer 1: temperature 12.4 °C, above 12 °C, now critical', { event: 'escalated', value: 12.38, threshold: 12, severity: 'critical' }],
    ['Freezer 1: temperature 10 °C, above 8 °C, down to warning', { event: 'deescalated', value: 10 }],
    ['Freezer 1: temperature 29 °C, back under 30 °C, not back to normal until 28 °C', { event: 'reminder', value: 29, threshold: 30, clear: 28 }],
    ['Freezer 1: temperature 29 °C, back under 30 °C, not back to normal until 28 °C', { value: 29, threshold: 30, clear: 28 }],
    ['Freezer 1: temperature 7 °C, back under 8 °C, not back to normal yet', { event: 'reminder', value: 7 }],
    ['Freezer 1: temperature still 9.3 °C, above 8 °C', { event: 'reminder' }],
    ['Freezer 1: temperature is not back to normal yet', { event: 'reminder', value: null }],
    ['Freezer 1: temperature was 12.1 °C, above 8 °C', { past: 'over', value: 12.13 }],
    ['Freezer 1: there was no temperature for 15 min', { ...noData, past: 'over' }],
    ['Freezer 1 was offline: nothing received for 15 min', { ...offline, eventTimeMs: ago(1), past: 'over' }],
    ['Freezer 1 was offline, as it or its gateway reported', { ...offline, threshold: 0, past: 'over' }],
    ['Freezer 1: temperature was 12.1 °C, above 8 °C; not back to normal yet', { past: 'open', value: 12.13 }],
    ['Freezer 1: temperature 8.03 °C, above 8 °C', { value: 8.03 }],
    ['Freezer 1: temperature 8.04 °C, above 8 °C', { value: 8.04 }],
    ['Freezer 1: temperature 8.04 °C, above 8 °C', { value: 8.04, clear: 7.5 }],
    ['Freezer 1: battery 14.6 %, below 15 %', battery],
    ['Freezer 1: battery 13.5 %, below 15 %', { ...battery, value: 13.5 }],
    ['Freezer 1: battery 8 %, below 15 %', { ...battery, value: 8.1 }],
    ['Freezer 1: temperature rises by 2.13 °C/min, faster than 1 °C/min', rate],
    ['Freezer 1: temperature falls by 2.13 °C/min, faster than 1 °C/min', { ...rate, alertType: 'temperature_rate_low', side: 'low', value: -2.13, threshold: -1 }],
    ['Freezer 1: mean temperature over 1 h 9.3 °C, above 8 °C', mean],
    ['Freezer 1: temperature 9.3 °C, unusually high (above 8 °C)', { kind: 'anomaly', alertType: 'temperature_anomaly', side: 'both' }],
    ['Freezer 1: temperature minus room-2 dew point 9.3 °C, above 8 °C', { kind: 'difference', alertType: 'damp_high', minus: { sensor: 'room-2', metric: 'dew_point' } }],
    ['cold chain: open alerts 3, at least 2', { kind: 'count', alertType: 'cold_chain', metric: 'cold_chain', value: 3, threshold: 2 }],
    ['cold chain: open alerts 1, fewer than 2', { ...over, kind: 'count', alertType: 'cold_chain', metric: 'cold_chain', value: 1, threshold: 2 }],
    ['Freezer 1: no temperature for 15 min', noData],
    ['Freezer 1 is offline: nothing received for 15 min', offline],
    ['Freezer 1 is offline: nothing received for 1 h 5 min', { ...offline, eventTimeMs: ago(50) }],
    ['Freezer 1 is offline, as it or its gateway reports', { ...offline, value: 0, threshold: 0 }],
    ['Freezer 1 is still offline: nothing received for 4 h 15 min', { ...offline, value: 15_300, event: 'reminder' }],
    ['Freezer 1: alert for temperature ended, the sensor was retired', { ...over, reason: 'retired' }],
    ['Freezer 1: temperature is no longer expected', { ...over, ...noData, reason: 'retired' }],
    ['Freezer 1: temperature 7.2 °C, back to normal', over],
    ['Freezer 1: temperature 7 °C, back to normal', { ...over, value: 6.97, clear: 7 }],
    ['Freezer 1: temperature, back to normal', { ...over, value: null }],
    ['Freezer 1: temperature 7.2 °C, clear under the changed rule', { ...over, reason: 'rule_changed' }],
    ['Freezer 1: temperature is received again', { ...over, ...noData, reason: 'data_resumed' }],
    ['Freezer 1 is online again', { ...over, ...offline, reason: 'data_resumed' }],
    ['Freezer 1: offline alert closed by an operator', { ...over, ...offline, reason: 'manual' }],
    ['Freezer 1: alert for temperature closed by an operator', { ...over, reason: 'manual' }],
    ['Freezer 1: alert for change of temperature closed by an operator', { ...over, ...rate, ...over, reason: 'manual' }],
    ['Freezer 1: temperature is flapping around 8 °C', { event: 'flapping_start' }],
    ['Freezer 1: temperature acknowledged by Ann', { event: 'acknowledged', ackedBy: 'Ann' }],
    ['Freezer 1: temperature acknowledged by Ann until 13:30', { event: 'acknowledged', ackedBy: 'Ann', ackUntilMs: NOW_MS + 4 * 3_600_000 }],
    ['Freezer 1: temperature was 9.3 °C, above 8 °C', { eventTimeMs: ago(62) }],
  ])('%s', (expected, more) => expect(sentence(more)).toBe(expected)); // prettier-ignore

  test('what an operator closed is the alert, in each language; what is normal is said with its limit', () => {
    const closed = { ...over, reason: 'manual' } as const;
    const inDeadband = { event: 'reminder', value: 29, threshold: 30, clear: 28 } as const;
    const both = (name: 'de' | 'es') =>
      [closed, inDeadband].map((each) => sentence(each, context({ language: LANGUAGES[name] })));
    expect(both('de')).toEqual([
      'Freezer 1: Alarm Temperatur von Hand geschlossen',
      'Freezer 1: Temperatur 29 °C, wieder unter 30 °C, noch keine Entwarnung (ab 28 °C)',
    ]);
    expect(both('es')).toEqual([
      'Freezer 1: alerta de temperatura cerrada por un operador',
      'Freezer 1: temperatura 29 °C, de nuevo por debajo de 30 °C, aún no normal (a partir de 28 °C)',
    ]);
  });

  test('the key where the sensor has no name; the unit that the database states; a metric as words', () => {
    const facts = { name: null, location: null };
    const flow = { alertType: 'pump_flow_high', metric: 'pump_flow', facts, value: 12.345 };
    expect(sentence(flow)).toBe('freezer-01: pump flow 12.35, above 8');
    expect(sentence(flow, context({ unitOf: () => 'l/min' }))).toBe(
      'freezer-01: pump flow 12.35 l/min, above 8 l/min',
    );
  });

  test('of an older row as far as its type shows it', () => {
    const old = {
      ...notificationOf({ alertType: 'humidity_low', value: 20, threshold: 30, eventTimeMs: NOW_MS }),
      facts: { name: 'Freezer 1', location: null },
    };
    expect(old).not.toHaveProperty('metric');
    expect(sentenceOf(old, context())).toBe('Freezer 1: humidity 20 %, below 30 %');
  });

  test('a name cannot make a line of its own, nor be read as a placeholder', () => {
    expect(sentence({ facts: { name: 'a\n{value}\u202eb', location: null } })).toBe(
      'a {value} b: temperature 9.3 °C, above 8 °C',
    );
  });

  test('of the system in its own words', () => {
    const fault = freezer({
      sensorId: 0,
      sensorKey: 'sensor_readings retention',
      alertType: 'policy_late',
      message: 'it is late',
    });
    expect(titleOf(one(fault), {}, context())).toBe('Fault: sensor_readings retention');
    expect(bodyOf(one(fault), {}, context()).split('\n')[0]).toBe('it is late');
  });
});

describe('the lines below it', () => {
  test('say since when, for how long and with which trend', () => {
    expect(
      pushOf({ recent: { trend: 'rising' }, runbook: 'https://wiki.example/cold' })
        .split('\n')
        .slice(1),
    ).toEqual(['cold room · warning', 'since 09:15 (15 min), rising', 'runbook: https://wiki.example/cold']);
  });

  test('of a late one say how late, and the value of now', () => {
    const late = { eventTimeMs: ago(62), startedAtMs: ago(77) };
    expect(pushOf(late).split('\n').slice(1)).toEqual([
      'cold room · warning',
      'since 08:13 (1 h 17 min)',
      '1 h 2 min late: this happened at 08:28',
    ]);
    const recent = { trend: 'rising', newest: { timeMs: ago(1), value: -18.04 } } as const;
    expect(pushOf({ ...late, recent })).toMatch(/\nsince 08:13 \(1 h 17 min\)\n.*\nat 09:29: -18 °C$/);
  });

  test('of an escalation say the value of now, and that it is not acknowledged', () => {
    const old = {
      eventTimeMs: ago(15),
      startedAtMs: ago(30),
      origin: 'escalation',
      escalatedAfterS: 900,
    } as const;
    const recent = { trend: 'rising', newest: { timeMs: ago(1), value: 10.2 } } as const;
    expect(pushOf({ ...old, recent }).split('\n')).toEqual([
      'Freezer 1: temperature still 10.2 °C, above 8 °C, not acknowledged for 15 min',
      'cold room · warning',
      'since 09:00 (30 min), rising',
      'nobody has acknowledged it for 15 min',
    ]);
    expect(pushOf(old).split('\n')[0]).toBe(
      'Freezer 1: temperature was 9.3 °C, above 8 °C, not acknowledged for 15 min',
    );
    const ended = { ...old, recent: { ...recent, ackEnded: true } } as const;
    expect(pushOf(ended).split('\n')).toEqual([
      'Freezer 1: temperature still 10.2 °C, above 8 °C',
      'cold room · warning',
      'since 09:00 (30 min), rising',
      'its acknowledgement has ended',
    ]);
    const lastLine = (language: 'de' | 'es') =>
      pushOf({ ...ended, notified: ['phone'] }, context({ language: LANGUAGES[language] })).split('\n')[3];
    expect(lastLine('de')).toBe('die Quittierung ist abgelaufen; zuvor benachrichtigt: phone');
    expect(lastLine('es')).toBe('su confirmación ha terminado; avisados antes: phone');
    expect(pushOf({ ...old, notified: ['phone', 'mail'] })).toMatch(
      /\nnobody has acknowledged it for 15 min; notified before: phone, mail$/,
    );
    expect(sentence({ ...offline, ...old, eventTimeMs: ago(15) })).toBe(
      'Freezer 1 is offline: nothing received for 30 min, not acknowledged for 15 min',
    );
    const two = { notifications: [freezer(old), freezer(old)], total: 2 };
    expect(titleOf(two, {}, context())).toBe('2 sensors: temperature too high, not acknowledged');
  });

  test('of what is missed count from the last sign of life, as its sentence does', () => {
    const missed = { ...offline, startedAtMs: ago(0), recent: undefined };
    expect(pushOf(missed).split('\n')).toEqual([
      'Freezer 1 is offline: nothing received for 15 min',
      'cold room · warning',
      'since 09:15 (15 min)',
    ]);
    const reminded = { ...missed, event: 'reminder', startedAtMs: ago(45), value: 3600 } as const;
    expect(pushOf(reminded)).toMatch(/received for 1 h\n.*\nsince 08:30 \(1 h\)$/);
    const back = { ...over, ...offline, reason: 'data_resumed', value: -18, startedAtMs: ago(45) } as const;
    expect(pushOf(back)).toMatch(/\nfrom 08:30 to 09:30 \(1 h\)$/);
    expect(pushOf({ ...noData, startedAtMs: ago(0) })).toMatch(/for 15 min\n.*\nsince 09:15 \(15 min\)$/);
    const reported = { ...offline, value: 0, threshold: 0, startedAtMs: ago(0) };
    expect(pushOf(reported)).toMatch(/\nsince 09:30:00 \(0 s\)$/);
  });

  test('have seconds where they count, and the day where it is another one', () => {
    const short = { ...over, startedAtMs: NOW_MS - 20_000 };
    expect(pushOf(short)).toContain('\nfrom 09:29:40 to 09:30:00 (20 s), ');
    expect(pushOf({ startedAtMs: NOW_MS - 20_000 })).toMatch(/\nsince 09:29:40 \(20 s\)$/);
    const tomorrow = context({ nowMs: NOW_MS + 24 * 3_600_000 });
    expect(pushOf(short, tomorrow)).toContain('\nfrom 28 Nov 09:29:40 to 28 Nov 09:30:00 (20 s), ');
    expect(pushOf({ startedAtMs: ago(15) }, tomorrow)).toContain('\nsince 28 Nov 09:15 (1 d)');
  });

  test('name the zone once, where notify.timezone is not set', () => {
    const unchosen = context({ namesZone: true });
    expect(pushOf({}, unchosen)).toMatch(/\nsince 09:15 CET \(15 min\)$/);
    expect(pushOf({ ...over, startedAtMs: ago(35) }, unchosen)).toContain(
      '\nfrom 08:55 to 09:30 CET (35 min)',
    );
    expect(pushOf({ ...over, startedAtMs: ago(35) }, context({ timezone: 'UTC' }))).toContain(
      '\nfrom 07:55 to 08:30 UTC (35 min)',
    );
    const late = { eventTimeMs: ago(62), startedAtMs: ago(77) };
    const recent = { newest: { timeMs: ago(1), value: -18.04 } };
    expect(
      pushOf({ ...late, recent }, unchosen)
        .split('\n')
        .slice(2),
    ).toEqual(['since 08:13 CET (1 h 17 min)', '1 h 2 min late: this happened at 08:28', 'at 09:29: -18 °C']);
    const ended = pushOf({ ...late, past: 'over' }, unchosen);
    expect(ended).toMatch(/this happened at 08:28 CET$/);
    // The clocks were put back in between.
    const changed = {
      ...over,
      startedAtMs: Date.UTC(2026, 9, 24, 23),
      eventTimeMs: Date.UTC(2026, 9, 25, 2),
    };
    expect(pushOf(changed, unchosen)).toContain('from 25 Oct 01:00 CEST to 25 Oct 03:00 CET (3 h)');
  });

  test('of one that is over say from when to when, and its peak', () => {
    expect(
      pushOf({ ...over, startedAtMs: ago(35) })
        .split('\n')
        .slice(1),
    ).toEqual(['cold room', 'from 08:55 to 09:30 (35 min), highest 12.1 °C']);
    expect(pushOf({ ...over, ...battery, ...over, peakValue: 3 })).toContain('lowest 3 %');
    expect(pushOf({ ...over, ...rate, ...over, peakValue: 2.5 })).toContain('highest 2.5 °C/min');
    const odd = { ...over, kind: 'anomaly', side: 'both', alertType: 'temperature_anomaly' } as const;
    expect(pushOf({ ...odd, peakValue: -30 })).toContain('lowest -30 °C');
    expect(pushOf({ ...over, ...noData, ...over })).not.toContain('highest');
  });
});

describe('many in one', () => {
  const nine = (more: Partial<OutgoingNotification>, total = 9) => ({
    notifications: [freezer(more), freezer({ ...more, facts: { name: 'Freezer 2', location: null } })],
    total,
  });

  test.each<[string, Partial<OutgoingNotification>]>([
    ['9 sensors offline', offline],
    ['9 sensors online again', { ...over, ...offline, reason: 'data_resumed' }],
    ['9 sensors: no temperature', noData],
    ['9 sensors: temperature too high', {}],
    ['9 sensors: battery too low', battery],
    ['9 sensors: temperature back to normal', over],
    ['9 sensors were offline', { ...offline, past: 'over' }],
    ['9 sensors: there was no temperature', { ...noData, past: 'over' }],
    ['9 sensors: temperature was too high', { past: 'over' }],
    ['9 sensors: battery was too low', { ...battery, past: 'over' }],
    ['9 sensors: temperature received again', { ...over, ...noData, reason: 'data_resumed' }],
    ['9 alerts over', { ...over, ...offline, reason: 'retired' }],
    ['9 alerts over', { ...over, ...noData, reason: 'manual' }],
    ['9 alerts over', { ...over, reason: 'rule_removed' }],
    ['9 alerts', { event: 'flapping_start' }],
  ])('%s', (expected, more) => expect(titleOf(nine(more), {}, context())).toBe(expected));

  test('some of which are over: how many, where all are named', () => {
    const [open, ended] = [freezer(offline), freezer({ ...offline, past: 'over' })];
    const title = (total: number) => titleOf({ notifications: [open, ended, ended], total }, {}, context());
    expect(title(3)).toBe('3 sensors offline, 2 of them no longer');
    expect(title(9)).toBe('9 sensors offline');
  });

  test('the first by name, and how many more', () => {
    expect(bodyOf(nine(offline, 100_000), {}, context()).split('\n')).toEqual([
      '- Freezer 1 is offline: nothing received for 15 min (cold room)',
      '- Freezer 2 is offline: nothing received for 15 min',
      'and 99,998 more: fieldwatch alerts list',
    ]);
    expect(titleOf(nine(offline, 100_000), {}, context({ language: LANGUAGES.de }))).toBe(
      '100.000 Sensoren offline',
    );
  });

  test('of several kinds: their number', () => {
    const mixed = { notifications: [freezer(), freezer(battery)], total: 9 };
    expect(titleOf(mixed, {}, context())).toBe('9 alerts');
    const ends = { notifications: [freezer(over), freezer({ ...battery, ...over, ...battery })], total: 9 };
    expect(titleOf(ends, {}, context())).toBe('9 alerts over');
  });
});

const PLACEHOLDERS = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

describe.each(LANGUAGE_NAMES)('in %s', (name: LanguageName) => {
  const language = LANGUAGES[name];

  test('every message exists, with the placeholders of the English one', () => {
    expect(Object.keys(language.messages).sort()).toEqual([...MESSAGES].sort());
    for (const message of MESSAGES) {
      expect(language.messages[message].trim()).not.toBe('');
      const wanted = PLACEHOLDERS(LANGUAGES.en.messages[message]);
      expect([message, ...PLACEHOLDERS(language.messages[message])]).toEqual([message, ...wanted]);
    }
  });

  const events: readonly NotificationEvent[] = [
    'firing', 'escalated', 'deescalated', 'resolved', 'reminder', 'flapping_start', 'flapping_end', 'acknowledged',
  ]; // prettier-ignore
  const kinds = [...Object.keys(KINDS), 'a_later_one'];

  test('each kind, event, side, reason and place of the value has a text without gaps', () => {
    const faulty: string[] = []; // tens of thousands of expectations would take most of the time
    for (const kind of kinds)
      for (const event of events)
        for (const side of ['high', 'low', 'both'] as const)
          for (const reason of event === 'resolved' ? ENDINGS : [null])
            for (const value of [null, 7.5, 9.3])
              for (const eventTimeMs of [NOW_MS, ago(90)]) {
                const more = {
                  ...{ kind, event, side, value, eventTimeMs, clear: 7, ackedBy: 'Ann', windowS: 60 },
                  ...{ reason: reason, severity: 'critical' },
                } satisfies Partial<AlertNotification>;
                for (const text of [
                  sentence(more, context({ language })),
                  pushOf(more, context({ language })),
                ]) {
                  const hasGap = /[{}]|undefined|null|NaN| {2}| [,;)]|\(\)|^[: ]|[,:(]$/m.test(text);
                  // A count is about many sensors.
                  if (hasGap || (kind !== 'count' && !text.includes('Freezer 1'))) faulty.push(text);
                }
              }
    expect(faulty).toEqual([]);
  });
});

test.each<[LanguageName, string]>([
  ['de', 'Freezer 1: Temperatur 9,3 °C, über 8 °C\ncold room · Warnung\nseit 09:15 (15 min), steigend'],
  [
    'es',
    'Freezer 1: temperatura 9,3 °C, por encima de 8 °C\ncold room · advertencia\ndesde 09:15 (15 min), subiendo',
  ],
])('a push in %s', (name, expected) => {
  expect(pushOf({ recent: { trend: 'rising' } }, context({ language: LANGUAGES[name] }))).toBe(expected);
});

test('the samples have a text of each kind, an escalation among them', () => {
  const texts = sampleNotifications(NOW_MS).map((each) => bodyOf(one(each), {}, context()));
  expect(texts.filter((text) => text.includes('notified before: phone'))).toHaveLength(1);
});

describe('docs/notifications.md', () => {
  const docs = readFileSync(new URL('../../../docs/notifications.md', import.meta.url), 'utf8');
  const shown = [...docs.matchAll(/```text\n(.*?)\n```/gs)].map(([, text = '']) => text);
  const rising = { recent: { trend: 'rising' } } as const;
  const groupOf = (each: readonly Partial<OutgoingNotification>[], total = each.length) => {
    const notifications = each.map((more, at) =>
      freezer({ ...more, facts: { name: `Freezer ${at + 1}`, location: 'cold room' } }),
    );
    const delivery = { notifications, total };
    return `${titleOf(delivery, {}, context())}\n${bodyOf(delivery, {}, context())}`;
  };
  const produced: readonly string[] = [
    pushOf({ ...rising, runbook: 'https://wiki.example/freezer' }),
    pushOf({ ...rising, runbook: 'https://wiki.example/freezer' }, context({ language: LANGUAGES.de })),
    pushOf({ event: 'reminder', value: 29, threshold: 30, clear: 28, recent: { trend: 'falling' } }),
    pushOf({ eventTimeMs: ago(62), startedAtMs: ago(77), recent: { newest: { timeMs: ago(1), value: -18.04 } } }),
    pushOf({ ...rising, origin: 'escalation', escalatedAfterS: 900, notified: ['phone', 'mail'], value: 10.2, event: 'reminder' }),
    pushOf({ ...offline, startedAtMs: ago(0), severity: 'critical' }),
    pushOf({ ...over, startedAtMs: ago(35) }),
    groupOf([offline, offline], 9),
    groupOf([{ ...over, ...offline, reason: 'data_resumed' }, { ...over, ...offline, reason: 'data_resumed' }], 9),
    groupOf([{ ...offline, past: 'over' }, offline]),
  ]; // prettier-ignore

  test('shows texts that the sinks send, each of these', () => expect(shown).toEqual(produced));
});
