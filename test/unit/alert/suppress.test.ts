import { WEEKDAYS, type Weekday } from '../../../src/core/alert/rules/config.ts';
import { describe, expect, test } from '@jest/globals';
import { alertsSchema } from '../../../src/config/schema/alerts.ts';
import { Inhibition } from '../../../src/core/alert/suppress/inhibition.ts';
import { Maintenance, parseWindow } from '../../../src/core/alert/suppress/maintenance.ts';
import { matches } from '../../../src/core/alert/suppress/matcher.ts';
import { nextSilenceChangeMs } from '../../../src/core/alert/suppress/silence.ts';
import { globMatches } from '../../../src/core/glob.ts';
import { leastCpuMs } from '../../support/cpu-time.ts';
import { sensorOf } from './support.ts';

const alert = (facts: Parameters<typeof sensorOf>[1] = {}, severity: 'warning' | 'critical' = 'warning') => ({
  sensor: sensorOf('s1', facts),
  metric: 'temperature',
  alertType: 'temperature_high',
  severity,
});

describe('patterns', () => {
  test.each([
    ['temperature_*', 'temperature_high', true],
    ['temperature_*', 'temperature_', true],
    ['temperature_*', 'temperature', false],
    ['*_no_data', 'a_no_data_no_data', true],
    ['*', '', true],
    ['', 'a', false],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['a?', 'a\u{1f321}', true],
    ['a.c', 'abc', false],
    ['*a*b*', 'xxaxxbxx', true],
    ['*a*b', 'xxbxxa', false],
    ['[x]', 'x', false],
  ])('%s and %s', (pattern, text, expected) => {
    expect(globMatches(pattern, text)).toBe(expected);
  });

  test('many stars take no longer than their number times the length', () => {
    const pattern = '*a'.repeat(120) + 'b';
    const short = leastCpuMs(3, () => expect(globMatches(pattern, 'a'.repeat(5000))).toBe(false));
    const long = leastCpuMs(3, () => expect(globMatches(pattern, 'a'.repeat(40_000))).toBe(false));
    // Eight times the length; its square would be 64 times the work.
    expect(long).toBeLessThan(32 * Math.max(short, 1));
  });

  test('all matchers have to match; a missing label matches no pattern', () => {
    const here = alert({ location: 'lab', tags: ['cold', 'rack=7'] });
    expect(matches({}, here)).toBe(true);
    expect(matches({ location: 'lab', tag: 'cold', rack: '7', severity: 'warn*' }, here)).toBe(true);
    expect(matches({ location: 'lab', tag: 'warm' }, here)).toBe(false);
    expect(matches({ type: '*' }, here)).toBe(false);
    expect(matches({ rack: '*' }, alert({ tags: ['racks=7', 'rack'] }))).toBe(false);
  });
});

describe('windows', () => {
  test.each([
    ['22:00-06:00', { start: 1320, end: 360 }],
    ['00:00-24:00', { start: 0, end: 0 }],
    ['08:30 - 09:00', { start: 510, end: 540 }],
    ['24:00-06:00', undefined],
    ['8:00-09:00', undefined],
    ['22:00', undefined],
    ['22:00-06:60', undefined],
  ])('%s', (text, expected) => {
    expect(parseWindow(text)).toEqual(expected);
  });

  const shownBy = (zone: string) => {
    const format = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    return (timeMs: number) => {
      const [day = '', time = ''] = format.format(timeMs).replace(',', '').split(' ');
      return { day: day.toLowerCase() as Weekday, time };
    };
  };

  // Every minute around both changes of daylight saving, against the definition: what the wall shows is within the window.
  test.each([
    ['Europe/Berlin', '2026-03-28T00:00Z', '02:15-02:45'],
    ['Europe/Berlin', '2026-03-28T00:00Z', '22:00-02:30'],
    ['Europe/Berlin', '2026-10-24T00:00Z', '02:15-02:45'],
    ['Europe/Berlin', '2026-10-24T00:00Z', '23:30-03:00'],
    ['America/New_York', '2026-11-01T00:00Z', '01:00-01:30'],
    ['Australia/Lord_Howe', '2026-04-04T00:00Z', '01:30-02:00'],
    ['Asia/Kathmandu', '2026-05-01T00:00Z', '05:45-06:00'],
    ['UTC', '2026-05-01T00:00Z', '00:00-00:01'],
  ])('%s from %s, %s', (tz, from, window) => {
    const days: Weekday[] = ['sat', 'sun', 'fri'];
    const maintenance = new Maintenance({ match: {}, window, tz, days });
    const shown = shownBy(tz);
    const [start = '', end = ''] = window.split('-');
    const yesterday = (day: Weekday) => WEEKDAYS[(WEEKDAYS.indexOf(day) + 6) % 7] ?? day;
    const fromMs = Date.parse(from);
    let open: boolean | undefined;
    let lookMs = fromMs;
    for (let timeMs = fromMs; timeMs < fromMs + 3 * 86_400_000; timeMs += 60_000) {
      const { day, time } = shown(timeMs);
      const expected =
        start < end
          ? time >= start && time < end && days.includes(day)
          : time >= start
            ? days.includes(day)
            : time < end && days.includes(yesterday(day));
      expect([time, maintenance.isOpen(timeMs)]).toEqual([time, expected]);
      // No change is ever missed between two looks, and there are few looks.
      if (open !== undefined && open !== expected) expect(timeMs).toBe(lookMs);
      if (timeMs >= lookMs) lookMs = maintenance.nextChangeMs(timeMs);
      open = expected;
    }
  });

  test('a change is evaluated a handful of times a day', () => {
    const maintenance = new Maintenance({
      match: {},
      window: '22:00-06:00',
      tz: 'Europe/Berlin',
      days: [...WEEKDAYS],
    });
    let looks = 0;
    for (let at = Date.parse('2026-01-01T00:00Z'); at < Date.parse('2027-01-01T00:00Z'); looks++)
      at = maintenance.nextChangeMs(at);
    expect(looks).toBeLessThanOrEqual(2 * 365 + 4);
  });
});

test('the next change of silences is their begin or end; one taken back before it began has none', () => {
  const silence = (startsMs: number, endsMs: number) => ({
    id: '1',
    matchers: { sensor: 's1' },
    startsMs,
    endsMs,
    by: 'ann',
    comment: '',
  });
  const silences = [silence(10, 20), silence(15, 30), silence(50, 40)];
  expect([0, 10, 15, 20, 30].map((at) => nextSilenceChangeMs(silences, at))).toEqual([
    10,
    15,
    20,
    30,
    Infinity,
  ]);
});

describe('inhibition', () => {
  const gateway = (name: string, role = 'role=gateway') => alert({ tags: [role, `gateway=${name}`] });
  const rule = { source: { role: 'gateway' }, target: {}, equal: ['gateway'] };

  test('counts sources: the last one that ends lifts it', () => {
    const inhibition = new Inhibition([rule]);
    const target = alert({ tags: ['gateway=g1'] });
    inhibition.count(gateway('g1'), 1);
    inhibition.count(gateway('g1'), 1);
    inhibition.count(gateway('g1'), -1);
    expect(inhibition.covers(target)).toBe(true);
    inhibition.count(gateway('g1'), -1);
    expect(inhibition.covers(target)).toBe(false);
  });

  test('what is source and target at once is not inhibited by its like; a label that is missing equals nothing', () => {
    const inhibition = new Inhibition([rule]);
    inhibition.count(gateway('g1'), 1);
    inhibition.count(alert({ tags: ['role=gateway'] }), 1);
    expect(inhibition.covers(gateway('g1'))).toBe(false);
    expect(inhibition.covers(alert())).toBe(false);
    expect(inhibition.covers(alert({ tags: ['gateway=g2', 'gateway=g1'] }))).toBe(true);
  });
});

describe('the configuration', () => {
  test.each([
    [{ inhibit: [{ source: {}, target: {} }] }, 'needs at least one matcher'],
    [{ inhibit: [{ source: { sensor: '*' }, target: {}, equal: ['locaton'] }] }, 'did you mean "location"'],
    [{ maintenance: [{ match: { 'a b': 'x' }, window: '01:00-02:00' }] }, '"a b" is no label'],
    [{ maintenance: [{ match: {}, window: '01:00-02:00', tz: 'Mars/Olympus' }] }, 'is no time zone'],
    [{ maintenance: [{ match: {}, window: '1-2' }] }, 'is no window'],
    [{ maintenance: [{ match: {}, window: '09:00-09:00' }] }, 'never ends'],
  ])('%j is refused', (given, message) => {
    const issues = alertsSchema.safeParse(given).error?.issues.map((issue) => issue.message) ?? [];
    expect(issues.join()).toContain(message);
  });
});
