import { metricUnit, unitDigits } from './unit.ts';

const cache = new Map<string, Intl.NumberFormat>();

/** A number in the reader's notation, with so many digits after the point. */
export function formatNumber(value: number, digits: number, locale?: string): string {
  const key = `${locale ?? ''}/${digits}`;
  let format = cache.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
    cache.set(key, format);
  }
  // "-0" is not a temperature.
  return format.format(Math.abs(value) < 0.5 * 10 ** -digits ? 0 : value);
}

/** A count: grouped, without digits after the point. */
export const formatCount = (value: number, locale?: string): string => formatNumber(value, 0, locale);

/** `1 sensor`, `2,000 sensors`. */
export const counted = (value: number, one: string, many = `${one}s`, locale?: string): string =>
  `${formatCount(value, locale)} ${value === 1 ? one : many}`;

/** Digits after the point that a value of this size is worth where its unit does not say. */
function digitsOf(value: number): number {
  const size = Math.abs(value);
  if (size >= 1000 || Number.isInteger(value)) return 0;
  if (size >= 100) return 1;
  if (size >= 1) return 2;
  return size >= 0.01 ? 3 : 5;
}

export interface FormattedValue {
  readonly number: string;
  /** As it is written after the number; empty for a number without one. */
  readonly unit: string;
}

export interface ValueOptions {
  readonly metric?: string | undefined;
  readonly unit?: string | null | undefined;
  readonly locale?: string | undefined;
  /** More digits than the unit usually gets, for a cursor or an average. */
  readonly extraDigits?: number;
}

/** A measured value with its unit; a missing one is a dash. */
export function formatValue(value: number | null | undefined, options: ValueOptions = {}): FormattedValue {
  const unit = metricUnit(options.metric, options.unit);
  if (value === null || value === undefined || !Number.isFinite(value)) return { number: '–', unit: '' };
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 1e-5)) return { number: value.toExponential(2), unit };
  const digits = (unitDigits(unit) ?? digitsOf(value)) + (options.extraDigits ?? 0);
  return { number: formatNumber(value, digits, options.locale), unit };
}

/** Number and unit as one text: `4.2 °C`. */
export function valueText(value: number | null | undefined, options: ValueOptions = {}): string {
  const { number, unit } = formatValue(value, options);
  return unit === '' ? number : `${number}\u00a0${unit}`;
}

/** Beyond it two values differ by the noise of binary fractions. */
const MOST_TO_TELL = 9;

/** More digits than usual, as many as tell two values apart: "14 %, limit 15 %" for 14.6 and 15 would mislead. */
export function digitsToTell(a: number, b: number, options: ValueOptions = {}): number {
  if (a === b) return 0;
  const text = (value: number, extraDigits: number): string => valueText(value, { ...options, extraDigits });
  const shown = (value: number, extraDigits: number): number =>
    Number(value.toFixed((unitDigits(metricUnit(options.metric, options.unit)) ?? 3) + extraDigits));
  let digits = 0;
  // Rounding takes away a tenth of their distance at most.
  while (
    digits < MOST_TO_TELL &&
    (text(a, digits) === text(b, digits) ||
      Math.abs(shown(a, digits) - shown(b, digits) - (a - b)) > Math.abs(a - b) / 10)
  )
    digits += 1;
  return digits;
}

/** A rate: `98 /s`, `0.4 /s`. */
export const rateText = (perSecond: number, locale?: string): string =>
  `${formatNumber(perSecond, perSecond >= 10 || perSecond === 0 ? 0 : 1, locale)}\u00a0/s`;

/** A part of a whole: `12 %`, `0.3 %`. */
export function shareText(part: number, whole: number, locale?: string): string {
  if (whole === 0) return '–';
  const percent = (100 * part) / whole;
  if (percent > 0 && percent < 0.1) return `< ${formatNumber(0.1, 1, locale)}\u00a0%`;
  return `${formatNumber(percent, percent !== 0 && percent < 1 ? 1 : 0, locale)}\u00a0%`;
}
