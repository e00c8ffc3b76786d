import { toSignificant, withoutNoise } from '../../format-number.ts';
/** A number in text (D4): no hex, no blanks inside, no `Infinity`, and never the empty string. */
const NUMERIC = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** A decimal number in text, or undefined; 1e400 is not one (D4). The text is already trimmed. */
export function parseNumber(text: string): number | undefined {
  if (!NUMERIC.test(text)) return undefined;
  return finite(Number(text));
}

export function isNumericText(text: string): boolean {
  return NUMERIC.test(text);
}

function finite(value: number): number | undefined {
  // Adding zero turns -0 into 0 (D4).
  return Number.isFinite(value) ? value + 0 : undefined;
}

/** A core or mapped metric's value (D4): numbers, bigints, numeric strings; never booleans. */
export function mappedNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return finite(value);
  if (typeof value === 'string') return parseNumber(value.trim());
  if (typeof value === 'bigint') return finite(Number(value));
  return undefined;
}

/** An extra metric's value (D4): numbers, bigints, booleans as 1 and 0; never strings. */
export function extraNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return finite(value);
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'bigint') return finite(Number(value));
  return undefined;
}

/** The shortest decimal that a 32-bit float round-trips through: 12.1, not 12.100000381469727 (D4). */
export function shortestFloat32(value: number): number {
  if (!Number.isFinite(value) || (Number.isInteger(value) && Math.abs(value) < 1e6)) return value;
  for (let digits = 6; digits < 9; digits++) {
    const short = toSignificant(value, digits);
    if (Math.fround(short) === value) return short;
  }
  return withoutNoise(value);
}
