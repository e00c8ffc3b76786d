import { expect, test } from '@jest/globals';
import { lasting, localSpan, localTime, localUntil } from '../../../src/core/notify/text/moment.ts';
import { quantity } from '../../../src/core/notify/text/quantity.ts';

const NOW_MS = Date.UTC(2026, 10, 28, 8, 30);
const MINUTE_MS = 60_000;
const ago = (minutes: number): number => NOW_MS - minutes * MINUTE_MS;

test('a quantity has the digits that fit its unit, and those that tell it from its limit', () => {
  const celsius = { locale: 'en-GB', unit: '°C' };
  expect(quantity(-4.249, celsius)).toBe('-4.2 °C');
  expect(quantity(-0.01, celsius)).toBe('0 °C');
  expect(quantity(30.00001, celsius, [30])).toBe('30.00001 °C');
  expect(quantity(30, celsius, [30])).toBe('30 °C');
  expect(quantity(1013.26, { locale: 'de-DE', unit: 'hPa' })).toBe('1013,3 hPa');
  expect(quantity(4210.4, { locale: 'en-GB', unit: undefined })).toBe('4210');
  expect(quantity(30.00000001, celsius, [30])).toBe('30.00000001 °C');
  expect(quantity(1_000_000_400, celsius, [1e9])).toBe('1000000400 °C');
  expect(quantity(1.5e12, { locale: 'en-GB', unit: 'Wh' })).toBe('1500000000000 Wh');
});

test('a duration has its two largest units', () => {
  expect([0, 45, 90, 299, 1199, 7500, 90_000, 400_000].map(lasting)).toEqual(
    ['0 s', '45 s', '1 min 30 s', '4 min 59 s', '20 min', '2 h 5 min', '1 d 1 h', '4 d 15 h'], // prettier-ignore
  );
});

test('a time is that of the zone, with its day where it is another one', () => {
  const at = (atMs: number, timezone = 'Europe/Berlin', locale = 'en-GB') =>
    localTime(atMs, NOW_MS, { locale, timezone });
  expect(at(ago(0))).toBe('09:30');
  expect(at(ago(0), 'UTC')).toBe('08:30 UTC');
  expect(at(ago(600))).toBe('27 Nov 23:30');
  expect(at(Date.UTC(2025, 0, 2, 12))).toBe('2 Jan 2025 13:00');
  expect(at(ago(600), 'America/New_York')).toBe('27 Nov 17:30');
});

test('a span is as long as its two times say', () => {
  const clock = { locale: 'en-GB', timezone: 'Europe/Berlin' };
  const span = (from: string, to: string) => {
    const [fromMs = 0, toMs = 0] = [from, to].map((time) => Date.parse(`2026-01-01T${time}Z`));
    return Object.values(localSpan(fromMs, toMs, toMs, clock)).join(' ');
  };
  expect(span('08:27:10', '08:35:50')).toBe('09:27 09:35 8 min');
  expect(span('08:27:50', '08:35:10')).toBe('09:27 09:35 8 min');
  expect(span('08:27:10.900', '08:30:45.200')).toBe('09:27:10 09:30:45 3 min 35 s');
  const untilMs = Date.parse('2026-01-01T08:55:40Z');
  expect(localUntil(untilMs, untilMs - 200_000, clock)).toBe('09:55:40');
  expect(localUntil(untilMs, untilMs - 400_000, clock)).toBe('09:55');
});

/** A text must show what it claims, whatever the unit and however close the value is to its limit. */
test.each([undefined, '°C', '%', 'hPa', 'V', 'lx'])(
  'in %s the value shown is on the side of its limit',
  (unit) => {
    const shown = (value: number, other: number) =>
      Number.parseFloat(quantity(value, { locale: 'en-GB', unit }, [other]));
    for (let step = 1; step < 400; step++) {
      const limit = ((step * 7919) % 400) / 8 - 25;
      const distance = 10 ** -(step % 9) * (1 + (step % 7) / 3);
      for (const value of [limit + distance, limit - distance]) {
        const [seen, seenLimit] = [shown(value, limit), shown(limit, value)];
        expect([value, limit, seen > seenLimit, seen < seenLimit]).toEqual([
          value,
          limit,
          value > limit,
          value < limit,
        ]);
        expect(Math.abs(seen - value)).toBeLessThanOrEqual(distance / 9);
      }
    }
  },
);
