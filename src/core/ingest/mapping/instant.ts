import type { Micros } from '../../reading.ts';
import { isNumericText } from './value.ts';
import type { Zone } from './zone.ts';

export type TimeUnit = 'auto' | 's' | 'ms' | 'us' | 'ns' | 'iso';
export const TIME_UNITS: readonly [TimeUnit, ...TimeUnit[]] = ['auto', 's', 'ms', 'us', 'ns', 'iso'];

/** Powers of ten from the unit to microseconds. */
const SHIFT: Readonly<Record<'s' | 'ms' | 'us' | 'ns', number>> = { s: 6, ms: 3, us: 0, ns: -3 };
const SECOND_US = 1_000_000;

/**
 * A time as sent, in microseconds; undefined if it is invalid (`bad_time`). Not checked against any window: an absurd
 * time comes back as a huge or infinite number.
 */
export function parseTime(value: unknown, unit: TimeUnit, zone: Zone): Micros | undefined {
  if (typeof value === 'number') return numberTime(value, unit);
  if (typeof value === 'bigint') return numericTime(value.toString(), Number(value), unit);
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  if (isNumericText(text)) return numericTime(text, Number(text), unit);
  // A unit is about numbers: text with a date in it can mean one thing only.
  return isoTime(text, zone);
}

/** D6: the unit follows from the magnitude; seconds reach to the year 5138. */
function unitOf(magnitude: number): 's' | 'ms' | 'us' | 'ns' {
  if (magnitude < 1e11) return 's';
  if (magnitude < 1e14) return 'ms';
  return magnitude < 1e17 ? 'us' : 'ns';
}

function numberTime(value: number, unit: TimeUnit): Micros | undefined {
  if (unit === 'iso' || !Number.isFinite(value)) return undefined;
  const shift = SHIFT[unit === 'auto' ? unitOf(Math.abs(value)) : unit];
  // Exact without text while the product is a safe integer.
  if (shift >= 0 && Number.isInteger(value)) {
    const micros = value * 10 ** shift;
    if (Number.isSafeInteger(micros)) return micros + 0;
  }
  // The shortest decimal of the double is what was written; 1680962879.62 * 1e6 is not (D6: exact truncation).
  return shiftDecimal(String(value), shift);
}

function numericTime(text: string, value: number, unit: TimeUnit): Micros | undefined {
  if (unit === 'iso') return undefined;
  return shiftDecimal(text, SHIFT[unit === 'auto' ? unitOf(Math.abs(value)) : unit]);
}

const DECIMAL = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/;

/** Decimal text times 10^shift, truncated to an integer by moving the point in the text: no rounding on the way. */
export function shiftDecimal(text: string, shift: number): number {
  const [, sign, whole = '', fraction = '', exponent = '0'] = DECIMAL.exec(text) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  if (digits === '') return 0;
  const leadingZeros = whole.length + fraction.length - digits.length;
  const point = whole.length - leadingZeros + Number(exponent) + shift;
  if (point <= 0) return 0;
  // More than 22 digits of microseconds is beyond any window: keep the magnitude, not the memory.
  if (point > 22) return sign === '-' ? -Infinity : Infinity;
  const magnitude = Number(digits.slice(0, point).padEnd(point, '0'));
  return sign === '-' ? 0 - magnitude : magnitude;
}

// RFC 3339 and its everyday relatives: a blank for the T, no seconds, +0200, a comma; the basic format with a T.
const ISO =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)? ?([Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?$/;
const ISO_BASIC =
  /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(?:(\d{2})(?:[.,](\d+))?)?([Zz]|[+-]\d{2}(?::?\d{2})?)?$/;
/** With the year in front it can mean nothing else. */
const SLASHES = /^(\d{4})\/(\d{2})\/(\d{2})/;

function isoTime(text: string, zone: Zone): Micros | undefined {
  const match = ISO.exec(text) ?? ISO_BASIC.exec(text) ?? ISO.exec(text.replace(SLASHES, '$1-$2-$3'));
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '', offset] = match;
  const wallMs = calendar(Number(year), Number(month), Number(day), [
    Number(hour),
    Number(minute),
    Number(second ?? '0'),
  ]);
  if (wallMs === undefined) return undefined;
  const utcMs = offset === undefined ? zone.toUtcMs(wallMs) : withOffset(wallMs, offset);
  if (utcMs === undefined) return undefined;
  // D6: the text is truncated to microseconds, so that .9999999 never becomes the next second.
  return (utcMs / 1000) * SECOND_US + Number(fraction.slice(0, 6).padEnd(6, '0'));
}

/** Milliseconds as if the wall clock were UTC; undefined for 30 February, which Date rolls over to 2 March. */
function calendar(
  year: number,
  month: number,
  day: number,
  [hour, minute, second]: [number, number, number],
): number | undefined {
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return undefined;
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
  if (day > days) return undefined;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

function withOffset(wallMs: number, offset: string): number | undefined {
  if (!/^[+-]/.test(offset)) return wallMs;
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(3).replace(':', '') || '0');
  if (hours > 23 || minutes > 59) return undefined;
  return wallMs - (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/** RFC 3339 in UTC: milliseconds, or microseconds where there are any; undefined beyond the calendar. */
export function isoFromMicros(timeUs: Micros): string | undefined {
  const millis = Math.floor(timeUs / 1000);
  // The range of Date (ECMA-262, 21.4.1.1), beyond which toISOString throws.
  if (!(Math.abs(millis) <= 8.64e15)) return undefined;
  const iso = new Date(millis).toISOString();
  const micros = timeUs - millis * 1000;
  return micros === 0 ? iso : iso.replace('Z', `${String(micros).padStart(3, '0')}Z`);
}
