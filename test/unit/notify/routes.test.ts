import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../../src/config/load.ts';
import { ConfigError } from '../../../src/config/fault.ts';
import { routesOf } from '../../../src/config/notify-routes.ts';
import { warningsOf } from '../../../src/config/warnings.ts';
import { settingsOf } from '../../../src/app/wiring/notify.ts';
import type { AlertNotification } from '../../../src/core/alert/model.ts';
import { explainRoutes } from '../../../src/core/notify/explain-routes.ts';
import { MuteTimes } from '../../../src/core/notify/mute-times.ts';
import { NotificationRoutes } from '../../../src/core/notify/recipients.ts';
import { notificationOf } from '../../support/notifications.ts';

const SINKS = ['phone', 'mail', 'boss', 'ops']
  .map((name) => `    - { name: ${name}, kind: webhook, url: "https://x.example/${name}" }`)
  .join('\n');
const load = (routes: string, times = '{}', sinks = SINKS) =>
  loadConfig({
    text: `routes: [{ topic: "a/{device}", codec: json }]\nnotify:\n  sinks:\n${sinks}\n  times: ${times}\n  routes:\n${routes}`,
    env: {},
    hostname: 'pi',
  }).config;
const faults = (routes: string, times?: string) => {
  try {
    load(routes, times);
  } catch (error) {
    if (error instanceof ConfigError)
      return error.faults.map(({ path, line, message }) => `${path} (${String(line)}): ${message}`);
    throw error;
  }
  return [];
};
const partsOf = ({ notify }: ReturnType<typeof load>) =>
  [{ routes: routesOf(notify), times: notify.times }, notify.sinks.map(settingsOf)] as const;

const FACTS = { name: null, location: 'lab', type: 'probe', tags: ['gateway=gw1', 'cold'] };
const NOON_MS = Date.UTC(2026, 0, 7, 12);

/** `sink` sent at once, `sink@ISO` held until then, `sink+minutes` escalated, `sink?` as the firing. */
function reach(config: ReturnType<typeof load>, more: Partial<AlertNotification> = {}, atMs = NOON_MS, facts = FACTS) {
  const routes = new NotificationRoutes(...partsOf(config));
  const { recipients, escalations } = routes.of(notificationOf({ eventTimeMs: atMs, ...more }), facts, atMs);
  return [
    ...recipients.map(({ sink, heldUntilMs, ifNotified }) =>
      heldUntilMs === undefined ? `${sink}${ifNotified ? '?' : ''}` : `${sink}@${new Date(heldUntilMs).toISOString().slice(0, 16)}`,
    ),
    ...escalations.map(({ sink, dueMs }) => `${sink}+${(dueMs - atMs) / 60_000}`),
  ];
} // prettier-ignore

describe('the tree', () => {
  const config = load(`
    - { match: { location: lab }, to: [phone, mail], continue: true }
    - match: { type: probe }
      to: phone
      routes:
        - { match: { alert_type: "*_no_data" }, to: ops }
        - { match: { team: north }, min_severity: critical, to: boss }
    - { match: { gateway: gw2 }, to: boss }
    - { to: [] }
`);
  test.each([
    ['the first that matches, and the next behind continue', {}, FACTS, ['phone', 'mail']],
    ['a nested one goes before the one around it', { alertType: 'x_no_data' }, FACTS, ['phone', 'mail', 'ops']],
    ['by a label of the rule and the severity', { severity: 'critical', labels: { team: 'north' } }, { ...FACTS, location: null }, ['boss']],
    ['a severity below the limit stays with the one around it', { labels: { team: 'north' } }, { ...FACTS, location: null }, ['phone']],
    ['a tag is a label', {}, { ...FACTS, location: null, type: null, tags: ['gateway:gw2'] }, ['boss']],
    ['nowhere, as stated', {}, { name: null, location: null }, []],
    ['suppressed', { suppressed: 'silence' }, FACTS, []],
    ['history', { backfilled: true }, FACTS, []],
    ['the end goes to the sinks that had the firing, whatever the routes are', { event: 'resolved' }, FACTS, ['phone?', 'mail?', 'boss?', 'ops?']],
    ['so does a lower severity', { event: 'deescalated' }, { name: null, location: null }, ['phone?', 'mail?', 'boss?', 'ops?']],
  ] as const)('%s', (_, notification, facts, expected) => {
    expect(reach(config, notification as Partial<AlertNotification>, NOON_MS, facts as typeof FACTS)).toEqual(expected);
  }); // prettier-ignore

  test('without routes each sink is one, with its own filters', () => {
    const sinks = `${SINKS.replace('/phone"', '/phone", min_severity: critical')}`;
    const text = `routes: [{ topic: "a/{device}", codec: json }]\nnotify:\n${sinks.replaceAll('    - ', '  - ')}\n`;
    const { config } = { config: loadConfig({ text, env: {}, hostname: 'pi' }).config };
    expect(reach(config)).toEqual(['mail', 'boss', 'ops']);
    expect(reach(config, { severity: 'critical' })).toEqual(['phone', 'mail', 'boss', 'ops']);
    expect(warningsOf(config)).toEqual([]);
  });

  test('filters of a sink hold behind routes, too', () => {
    const sinks = SINKS.replace('/phone"', '/phone", locations: [attic]');
    expect(reach(load('    - { to: [phone, mail] }', '{}', sinks))).toEqual(['mail']);
  });
});

const NIGHTS = '{ nights: { window: "22:00-06:00", tz: Europe/Berlin }, office: { window: "08:00-17:00", days: [mon, tue, wed, thu, fri], tz: Europe/Berlin }, lunch: { window: "12:00-14:00", tz: Europe/Berlin }, always: {} }'; // prettier-ignore

describe('times', () => {
  const config = load(`
    - { match: { severity: critical }, to: [phone, boss] }
    - { match: { location: attic }, to: phone, mute: [nights], continue: true }
    - { match: { location: attic }, to: [phone, mail], active: [office], mute: [lunch] }
    - { to: mail, mute: [nights] }
`, NIGHTS); // prettier-ignore
  const at = (text: string) => Date.parse(text);
  const attic = { ...FACTS, location: 'attic' };
  test.each([
    ['by day', {}, '2026-01-07T10:00Z', FACTS, ['mail']],
    ['held until the end of the night', {}, '2026-01-07T22:30Z', FACTS, ['mail@2026-01-08T05:00']],
    ['a critical one is sent', { severity: 'critical' }, '2026-01-07T22:30Z', FACTS, ['phone', 'boss']],
    ['in the night of the change to summer time', {}, '2026-03-28T23:30Z', FACTS, ['mail@2026-03-29T04:00']],
    ['in the night of the change to winter time', {}, '2026-10-24T22:30Z', FACTS, ['mail@2026-10-25T05:00']],
    ['the end is sent by night', { event: 'resolved' }, '2026-01-07T22:30Z', FACTS, ['phone?', 'mail?', 'boss?', 'ops?']],
    ['outside the active times until both allow it', {}, '2026-01-09T17:00Z', attic, ['phone', 'mail@2026-01-12T07:00']],
    ['of two routes to a sink the one that sends', {}, '2026-01-09T22:00Z', attic, ['phone@2026-01-10T05:00', 'mail@2026-01-12T07:00']],
    ['a time within an active one', {}, '2026-01-09T11:30Z', attic, ['phone', 'mail@2026-01-09T13:00']],
  ] as const)('%s', (_, notification, when, facts, expected) => {
    expect(reach(config, notification as Partial<AlertNotification>, at(when), facts)).toEqual(expected);
  }); // prettier-ignore

  test('the end of a mute time is one at which it sends, whenever in the year it begins', () => {
    const times = new MuteTimes({
      nights: { window: '22:00-06:00', days: ['mon', 'sun'], tz: 'America/St_Johns' },
      gap: { window: '02:30-02:45', days: ['sun'], tz: 'Europe/Berlin' },
    });
    const muted = { active: [], mute: ['nights', 'gap'] };
    let seed = 17;
    for (let i = 0; i < 500; i++) {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      const fromMs = Date.UTC(2026, 0, 1) + (seed % 525_600) * 60_000;
      const untilMs = times.mutedUntilMs(muted, fromMs);
      if (untilMs === undefined) continue;
      expect(times.mutedBy(muted, untilMs)).toBeUndefined();
      for (let ms = fromMs; ms < untilMs; ms += 600_000) expect(times.mutedBy(muted, ms)).toBeDefined();
      expect(times.mutedBy(muted, untilMs - 60_000)).toBeDefined();
    }
  });
});

describe('escalation', () => {
  const config = load(`
    - to: phone
      escalate: [{ after: 15m, to: boss }, { after: 1h, to: [boss, mail] }]
      continue: true
      routes:
        - { match: { severity: info }, escalate: [] }
    - { to: ops, escalate: [{ after: 15m, to: boss }] }
`);
  test('steps count from the firing; the same one of two routes is one', () => {
    expect(reach(config)).toEqual(['phone', 'ops', 'boss+15', 'boss+60', 'mail+60']);
    expect(reach(config, { severity: 'info' })).toEqual(['phone', 'ops', 'boss+15']);
  });

  test('a rise of the severity restarts nothing; other events have no steps', () => {
    const fired = { firedAtMs: NOON_MS - 600_000 };
    expect(reach(config, { event: 'escalated', ...fired })).toEqual(['phone', 'ops', 'boss+5', 'boss+50', 'mail+50']);
    expect(reach(config, { event: 'reminder', ...fired })).toEqual(['phone', 'ops']);
    expect(reach(config, { suppressed: 'maintenance' })).toEqual([]);
  }); // prettier-ignore

  test('a route with reminders of its own does not pass on those of the rule', () => {
    const own = load('    - { to: phone, repeat_interval: 1h, continue: true }\n    - { to: mail }');
    expect(reach(own, { event: 'reminder' })).toEqual(['mail']);
  });
});

describe('the explanation', () => {
  test('says of each sink when, by which route, and why not', () => {
    const config = load(`
    - { match: { severity: critical }, to: ops }
    - { to: [phone, mail], mute: [nights], repeat_interval: 2h, group_wait: 1s, escalate: [{ after: 15m, to: boss }] }
`, NIGHTS, SINKS.replace('/mail"', '/mail", min_severity: critical')); // prettier-ignore
    const explained = explainRoutes(...partsOf(config), notificationOf({ eventTimeMs: NOON_MS }), FACTS, NOON_MS);
    expect(explained.sinks.map(({ sink, decision, atMs, route, reason }) => [sink, decision, atMs === null ? null : atMs - NOON_MS, route, reason])).toEqual([
      ['phone', 'sent', 1000, 'notify.routes[1]', 'it matches'],
      ['mail', 'not_sent', null, 'notify.routes[1]', 'min_severity of the sink excludes it'],
      ['boss', 'escalation', 900_000, 'notify.routes[1]', 'if it is firing and not acknowledged by then'],
      ['ops', 'not_sent', null, 'notify.routes[0]', 'needs severity: critical'],
    ]);
    expect(explained.sinks[0]).toMatchObject({ repeatMs: 7_200_000, groupIntervalMs: 30_000 });
    const night = explainRoutes(...partsOf(config), notificationOf(), FACTS, Date.UTC(2026, 0, 7, 23));
    expect(night.sinks[0]).toMatchObject({ decision: 'held', reason: 'muted: nights', atMs: Date.UTC(2026, 0, 8, 5) });
  }); // prettier-ignore
});

test.each([
  ['    - { to: pager }', 'notify.routes[0].to (10): no sink is called "pager"; known: phone, mail, boss, ops'],
  ['    - { to: phone, escalate: [{ after: 5m, to: [x] }] }', 'notify.routes[0].escalate[0].to (10): no sink is called "x"'],
  ['    - { to: phone, mute: [night] }', 'notify.routes[0].mute (10): no time is called "night"; known: nights'],
  ['    - { match: { severity: info } }', 'notify.routes[0].to: is missing: name sinks, or give [] to send its alerts nowhere'],
  ['    - { to: phone, mute: [always] }', 'notify.routes[0] (10): never sends: its times mute it at all times'],
  ['    - { to: phone, active: [lunch], mute: [lunch] }', 'never sends'],
  ['    - { to: phone, match: { lokation: x } }', 'notify.routes[0].match.lokation (10): "lokation" is no label; did you mean "location"?'],
  ['    - { to: phone, group_by: [alert_typ] }', 'did you mean "alert_type"?'],
  ['    - { to: phone, repeat_interval: 1s }', 'notify.routes[0].repeat_interval (10): "1s" is out of bounds'],
  ['    - { to: phone, routes: [{ to: phone, mtue: [nights] }] }', 'notify.routes[0].routes[0].mtue (10): unknown key "mtue"; did you mean "mute"?'],
])('%s is refused', (routes, message) => {
  expect(faults(routes, NIGHTS).join()).toContain(message.replace('.to: is', '.to (10): is'));
}); // prettier-ignore

test('what is probably not intended is a warning', () => {
  expect(warningsOf(load('    - { match: { severity: critical }, to: [phone, mail, boss] }'))).toEqual([
    expect.stringContaining('an alert that no route matches is not sent'),
    'notify: no route leads to the sink "ops"',
  ]);
  expect(
    warningsOf(
      load('    - { to: [phone, mail, boss], escalate: [{ after: 5m, to: ops }] }\n    - { to: mail }'),
    ),
  ).toEqual(['notify.routes[0] matches every alert: the routes behind it are never reached']);
  const grouped = SINKS.replace('/phone"', '/phone", group: { over: 5, window: 1m }');
  const config = load('    - { to: [phone, mail, boss, ops] }', '{}', grouped);
  expect(warningsOf(config)).toEqual([expect.stringContaining('its window is taken as group_interval')]);
  expect(config.notify.sinks.map(settingsOf)[0]?.grouping.groupIntervalMs).toBe(60_000);
});
