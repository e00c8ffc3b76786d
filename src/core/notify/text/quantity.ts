/** Digits after the point that are worth showing. */
const DIGITS: Readonly<Record<string, number>> = {
  '°C': 1, K: 1, '%': 0, hPa: 1, dBm: 0, dB: 1, lqi: 0, ppm: 0, ppb: 0, 'µg/m³': 0, lx: 0, mV: 0, V: 2, mA: 0, A: 2, W: 1, kWh: 2, Wh: 0,
  Hz: 2, 'km/h': 1, 'm/s': 1, mm: 1, g: 2,
}; // prettier-ignore

/** Digits after the point of a small number without a unit. */
const SMALL_DIGITS = 6;
/** Beyond it two numbers differ by the noise of binary fractions. */
const MOST_DIGITS = 12;
/** Significant digits of a number that is too large or too small for digits after the point. */
const SIGNIFICANT = 4;
const MOST_SIGNIFICANT = 15;

export interface QuantityStyle {
  readonly locale: string;
  readonly unit: string | undefined;
}

/** Digits after the point for a unit, or by the size of the number where the unit does not say. */
function digitsOf(value: number, unit: string | undefined): number {
  const perMinute = unit?.endsWith('/min') === true;
  const known = DIGITS[perMinute ? (unit ?? '').slice(0, -'/min'.length) : (unit ?? '')];
  if (known !== undefined) return perMinute ? known + 1 : known;
  const size = Math.abs(value);
  if (size >= 1000) return 0;
  if (size >= 100) return 1;
  if (size >= 1) return 2;
  return size >= 0.01 ? 3 : SMALL_DIGITS;
}

/**
 * `9.3 °C`: at most the digits that fit the unit, none of them zero at the end, and as many as tell it from each of
 * `others`: 14.6 is not `15 %, below 15 %`, and 13.5, of which rounding would take away a third of the way to 15, not `14 %`.
 */
export function quantity(value: number, style: QuantityStyle, others: readonly number[] = []): string {
  const { locale, unit } = style;
  const size = Math.abs(value);
  const differ = others.filter((other) => other !== value && Number.isFinite(other));
  if (!Number.isFinite(value) || (size !== 0 && (size >= 1e9 || size < 1e-6)))
    return withUnit(significant(value, differ), unit);
  let digits = digitsOf(value, unit);
  while (digits < MOST_DIGITS && differ.some((other) => !isDistinct(value, other, digits))) digits += 1;
  return withUnit(rounded(value, digits, locale), unit);
}

/** Rounding leaves them apart, and takes away a tenth of their distance at most. */
function isDistinct(value: number, other: number, digits: number): boolean {
  const shown = Number(value.toFixed(digits));
  return (
    shown !== Number(other.toFixed(digits)) && Math.abs(shown - value) <= Math.abs(other - value) / LEAST_PART
  );
}

const LEAST_PART = 10;

function significant(value: number, others: readonly number[]): string {
  let digits = SIGNIFICANT;
  const shown = (number: number) => Number(number.toPrecision(digits));
  while (digits < MOST_SIGNIFICANT && others.some((other) => shown(other) === shown(value))) digits += 1;
  return String(shown(value));
}

const withUnit = (number: string, unit: string | undefined): string =>
  unit === undefined || unit === '' ? number : `${number} ${unit}`;

const formats = new Map<string, Intl.NumberFormat>();

function rounded(value: number, digits: number, locale: string): string {
  const key = `${locale} ${digits}`;
  let format = formats.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat(locale, { maximumFractionDigits: digits, useGrouping: false });
    formats.set(key, format);
  }
  // "-0" is not a temperature.
  return format.format(Number(value.toFixed(digits)) === 0 ? 0 : value);
}

/** `1,234` in the notation of the language. */
export const count = (value: number, locale: string): string => value.toLocaleString(locale);
