const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

function inRange(digits: string, min: bigint, max: bigint): boolean {
  // Twenty digits and a sign hold every 64-bit integer; leading zeros are rare, and long ones hostile.
  if (digits.length > 64) return false;
  const value = BigInt(digits);
  return value >= min && value <= max;
}

/** True for the text of a timestamp of line protocol. */
export function isInt64(text: string): boolean {
  return /^-?\d+$/.test(text) && inRange(text, INT64_MIN, INT64_MAX);
}

/**
 * A field of line protocol that is not a string: a float, an integer (`42i`, `42u`) or a boolean; undefined
 * otherwise. A float beyond the range of a double is Infinity here, which loses the metric and not the line (D4).
 */
export function fieldValue(text: string): number | bigint | boolean | undefined {
  if (/^-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return Number(text);
  const digits = text.slice(0, -1);
  if (text.endsWith('i') && isInt64(digits)) return exact(digits);
  if (/^\d+u$/.test(text) && inRange(digits, 0n, UINT64_MAX)) return exact(digits);
  if (/^(?:t|T|true|True|TRUE)$/.test(text)) return true;
  return /^(?:f|F|false|False|FALSE)$/.test(text) ? false : undefined;
}

function exact(digits: string): number | bigint {
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : BigInt(digits);
}
