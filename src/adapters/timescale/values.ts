import type { Micros } from '../../core/reading.ts';

/** Encoding of our values as parameters, and decoding of results. */

/** Characters that `text` cannot hold: NUL, and halves of a surrogate pair. */
const UNSTORABLE = /[\0\p{Surrogate}]/gu;

/** Text from the network for a text column: what PostgreSQL cannot store becomes U+FFFD. */
export const storableText = (text: string): string => text.replace(UNSTORABLE, '\uFFFD');

/** Text in ASCII, for any encoding of the database: other characters become their code point, `\\u{6e29}`. */
export const asciiText = (text: string): string =>
  text.replace(/[^\x01-\x7f]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`);

/** A parameter in ASCII: text, each of a list, and each text in JSON. */
export function asciiValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asciiValue);
  if (typeof value !== 'string' || /^[\x01-\x7f]*$/.test(value)) return value;
  return /^[[{]/.test(value) ? (asciiJson(value) ?? asciiText(value)) : asciiText(value);
}

/** Undefined for what is no JSON. Code points in its own notation (`\\u6e29`) are refused like the characters. */
function asciiJson(text: string): string | undefined {
  try {
    return JSON.stringify(inAscii(JSON.parse(text)));
  } catch {
    return undefined;
  }
}

function inAscii(value: unknown): unknown {
  if (typeof value === 'string') return asciiText(value);
  if (Array.isArray(value)) return value.map(inAscii);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [asciiText(key), inAscii(each)]));
}

/** A value as JSON for a jsonb column, with every text in it storable. */
export const storableJson = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === 'string' ? storableText(part) : part));

/** Exact to the microsecond, which Date is not: `2026-01-01T00:00:00.000001Z`. */
export function isoMicros(timeUs: Micros): string {
  const ms = Math.floor(timeUs / 1000);
  const micros = String(timeUs - ms * 1000).padStart(3, '0');
  return new Date(ms).toISOString().replace('Z', `${micros}Z`);
}

export const isoMicrosOrNull = (timeUs: Micros | null): string | null =>
  timeUs === null ? null : isoMicros(timeUs);

/** An SQL expression that gives a timestamptz as microseconds since 1970, exactly; a number in JavaScript. */
export const microsOf = (expression: string): string => `(extract(epoch FROM ${expression}) * 1000000)::int8`;

/** Rows to the arrays that `unnest` takes: one array per column. */
export function columns<Row, const Picks extends readonly ((row: Row) => unknown)[]>(
  rows: readonly Row[],
  ...picks: Picks
): unknown[][] {
  return picks.map((pick) => rows.map(pick));
}

const BYTEA = 17;
const INT4 = 23;
const FLOAT8 = 701;

/**
 * An `int[]` or `float8[]` as a parameter in PostgreSQL's own binary form (array_recv): dimensions, whether it has NULLs, type,
 * length, first index, and each element after its length. As text the same numbers cost driver and server several times as much.
 */
export function binaryArray(numbers: Int32Array | Uint32Array | Uint16Array | Float64Array): Buffer {
  const isWide = numbers instanceof Float64Array;
  const size = isWide ? 8 : 4;
  const { length } = numbers;
  const bytes = Buffer.allocUnsafe(length === 0 ? 12 : 20 + length * (4 + size));
  let at = bytes.writeInt32BE(length === 0 ? 0 : 1, 0);
  at = bytes.writeInt32BE(0, at);
  at = bytes.writeInt32BE(isWide ? FLOAT8 : INT4, at);
  if (length === 0) return bytes;
  at = bytes.writeInt32BE(length, at);
  at = bytes.writeInt32BE(1, at);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let index = 0; index < length; index++) {
    const number = numbers[index] ?? 0;
    view.setInt32(at, size);
    if (isWide) view.setFloat64(at + 4, number);
    else view.setInt32(at + 4, number);
    at += 4 + size;
  }
  return bytes;
}

/** A `bytea[]` in the same binary form. */
export function binaryBytes(all: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(all.length === 0 ? 12 : 20);
  head.writeInt32BE(all.length === 0 ? 0 : 1, 0);
  head.writeInt32BE(BYTEA, 8);
  if (all.length === 0) return head;
  head.writeInt32BE(all.length, 12);
  head.writeInt32BE(1, 16);
  const parts: Uint8Array[] = [head];
  for (const bytes of all) {
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes.length, 0);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}
