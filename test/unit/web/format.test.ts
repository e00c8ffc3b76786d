import { describe, expect, test } from '@jest/globals';
import { bytesText } from '../../../src/web/format/bytes.ts';
import { agoText, durationText, parseDuration, roughDuration } from '../../../src/web/format/duration.ts';
import {
  counted,
  digitsToTell,
  formatValue,
  rateText,
  shareText,
  valueText,
} from '../../../src/web/format/number.ts';
import { createTimeFormat, offsetText } from '../../../src/web/format/time.ts';
import { metricName, unitDigits, unitMeaning } from '../../../src/web/format/unit.ts';
import { shortened, visible } from '../../../src/web/format/visible.ts';

const locale = 'en-GB';

describe('values', () => {
  test.each([
    [4.234, { metric: 'temperature' }, '4.2\u00a0°C'],
    [-0.04, { metric: 'temperature' }, '0.0\u00a0°C'],
    [-18.06, { metric: 'temperature', unit: '°F' }, '-18.1\u00a0°F'],
    [71.25, { metric: 'humidity' }, '71.3\u00a0%RH'],
    [1013.27, { metric: 'pressure' }, '1,013.3\u00a0hPa'],
    [12.6, { metric: 'battery' }, '13\u00a0%'],
    [-71, { metric: 'rssi' }, '-71\u00a0dBm'],
    [412.7, { metric: 'co2', unit: 'ppm' }, '413\u00a0ppm'],
    [3, { metric: 'doors' }, '3'],
    [0.004567, { metric: 'flow' }, '0.00457'],
    [123456.7, { metric: 'energy' }, '123,457'],
    [12_345_678_901, { metric: 'pulses' }, '1.23e+10'],
    [4.2, { metric: 'temperature', extraDigits: 1 }, '4.20\u00a0°C'],
    [null, { metric: 'temperature' }, '–'],
    [Number.NaN, {}, '–'],
  ])('%p with %p is %p', (value, options, text) => {
    expect(valueText(value, { ...options, locale })).toBe(text);
  });

  test.each([
    [14.6, 15, 1],
    [13.5, 15, 1],
    [14.96, 15, 2],
    [9.4, 8, 1],
    [80, 15, 0],
    [15, 15, 0],
  ])('%p and %p differ with %p digits more', (a, b, digits) => {
    const options = { unit: '%', locale };
    expect(digitsToTell(a, b, options)).toBe(digits);
    if (a !== b)
      expect(valueText(a, { ...options, extraDigits: digits })).not.toBe(
        valueText(b, { ...options, extraDigits: digits }),
      );
  });

  test('number and unit come apart', () => {
    expect(formatValue(4.2, { metric: 'temperature', locale })).toEqual({ number: '4.2', unit: '°C' });
  });

  test('rates, shares, counts and sizes', () => {
    expect([0, 0.44, 98.4].map((rate) => rateText(rate, locale))).toEqual([
      '0\u00a0/s',
      '0.4\u00a0/s',
      '98\u00a0/s',
    ]);
    expect([
      shareText(0, 0),
      shareText(1, 4000, locale),
      shareText(1, 400, locale),
      shareText(3, 4, locale),
    ]).toEqual(['–', '< 0.1\u00a0%', '0.3\u00a0%', '75\u00a0%']);
    expect([counted(1, 'sensor'), counted(2000, 'sensor', 'sensors', locale)]).toEqual([
      '1 sensor',
      '2,000 sensors',
    ]);
    expect(
      [null, 0, 999, 1000, 8190, 999_999, 1.4e9, 2.5e17].map((bytes) => bytesText(bytes, locale)),
    ).toEqual([
      '–',
      '0\u00a0B',
      '999\u00a0B',
      '1.0\u00a0kB',
      '8.2\u00a0kB',
      '1.0\u00a0MB',
      '1.4\u00a0GB',
      '250\u00a0PB',
    ]);
  });

  test.each(['toString', 'constructor', 'valueOf', '__proto__'])(
    '%s is a metric like any other',
    (metric) => {
      expect([valueText(1.5, { metric, locale }), unitMeaning(metric), unitDigits(metric)]).toEqual([
        '1.50',
        undefined,
        undefined,
      ]);
      expect(visible(metricName(metric)).toLowerCase()).toContain(metric.replaceAll('_', '').toLowerCase());
      expect(valueText(1, { unit: metric, locale })).toBe(`1\u00a0${metric}`);
    },
  );

  test('names of metrics', () => {
    expect(['temperature', 'co2', 'soil_moisture_2', '___'].map(metricName)).toEqual([
      'Temperature',
      'CO₂',
      'Soil moisture 2',
      '___',
    ]);
  });
});

describe('durations', () => {
  test.each([
    [0, '0 s'],
    [0.25, '250 ms'],
    [45.4, '45 s'],
    [59.7, '1 min'],
    [200, '3 min 20 s'],
    [7_200, '2 h'],
    [187_200, '2 d 4 h'],
    [35_000_000, '1 y 40 d'],
    [-90, '−1 min 30 s'],
    [Infinity, '–'],
  ])('%p s is %p', (seconds, text) => {
    expect(durationText(seconds)).toBe(text);
  });

  test('how long ago', () => {
    const now = 1_000_000_000;
    expect(
      [now - 1_500, now - 200_000, now - 90_000_000, now + 300_000].map((at) => agoText(at, now)),
    ).toEqual(['just now', '3 min ago', '1 d ago', 'in 5 min']);
    expect(roughDuration(0)).toBe('0 s');
  });

  test.each([
    ['30m', 1_800],
    ['1h 30 min', 5_400],
    ['7 d', 604_800],
    ['0.5h', 1_800],
    ['', undefined],
    ['soon', undefined],
    ['5', undefined],
    ['-1h', undefined],
  ])('%p reads as %p s', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });
});

describe('times', () => {
  const berlin = createTimeFormat({ locale, timeZone: 'Europe/Berlin' });
  const at = (text: string): number => Date.parse(text);
  const now = at('2026-11-29T22:30:00Z');

  test('are local, with the day where it is another one', () => {
    expect(berlin.short(at('2026-11-29T13:05:00Z'), now)).toBe('14:05');
    // 23:30 UTC is the next day there.
    expect(berlin.short(at('2026-11-28T13:05:00Z'), now)).toMatch(/Sat,? 28 Nov,? 14:05/);
    expect(berlin.short(at('2025-01-28T13:05:00Z'), now)).toMatch(/28 Jan 2025,? 14:05/);
    expect(berlin.clock(at('2026-11-29T13:05:09Z'))).toBe('14:05:09');
  });

  test('name their zone', () => {
    expect(berlin.zoneName(now)).toBe('Europe/Berlin, UTC+1');
    expect(berlin.zoneName(at('2026-07-01T00:00:00Z'))).toBe('Europe/Berlin, UTC+2');
    expect([0, 19_800_000, -34_200_000].map(offsetText)).toEqual(['UTC', 'UTC+5:30', 'UTC−9:30']);
    expect(berlin.full(now)).toMatch(/23:30:00/);
    expect(berlin.full(now)).toMatch(/CET|GMT\+1|UTC\+1/);
  });

  test.each(['2026-11-29T22:30:00Z', '2026-03-29T00:30:00Z', '2026-10-25T01:30:00Z', '2026-07-01T12:00:00Z'])(
    'the value of an input at %s reads back',
    (text) => {
      expect(berlin.fromInput(berlin.input(at(text)))).toBe(at(text));
    },
  );

  test('what is no time has no text', () => {
    expect([berlin.fromInput(''), berlin.fromInput('2026-13-01T00:00'), berlin.fromInput('soon')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('a point names what distinguishes it from its neighbours', () => {
    const point = at('2026-11-29T13:05:09Z');
    expect(berlin.point(point, 86_400_000)).toMatch(/29 Nov 2026/);
    expect(berlin.point(point, 60_000)).toMatch(/14:05$/);
    expect(berlin.point(point, 0)).toMatch(/14:05:09$/);
  });
});

describe('text of devices', () => {
  test('hidden characters are written out', () => {
    expect(visible('a\u202egpj.exe\u2066\0\u200b\n')).toBe('a\\u202Egpj.exe\\u2066\\u0000\\u200B\\u000A');
    expect(visible('pass\u00adage \u3164\ud800 \u{e0061}')).toBe('pass\\u00ADage \\u3164\\uD800 \\u{E0061}');
    expect(visible('Kühlraum 北 👍 ❄\ufe0f <b>')).toBe('Kühlraum 北 👍 ❄\ufe0f <b>');
  });

  test('is cut between characters', () => {
    expect(shortened('👍👍👍👍', 3)).toBe('👍👍…');
    expect(shortened('abc', 3)).toBe('abc');
  });
});
