import type { SparkplugValue } from './sparkplug-wire.ts';
import { narrow } from './tree.ts';

interface Width {
  readonly bits: number;
  readonly signed: boolean;
}

/** Sparkplug 3.0, section 6.4.16: the datatypes of numbers. */
const INTEGERS: ReadonlyMap<number, Width> = new Map([
  [1, { bits: 8, signed: true }],
  [2, { bits: 16, signed: true }],
  [3, { bits: 32, signed: true }],
  [4, { bits: 64, signed: true }],
  [5, { bits: 8, signed: false }],
  [6, { bits: 16, signed: false }],
  [7, { bits: 32, signed: false }],
  [8, { bits: 64, signed: false }],
]);
const FLOAT = 9;
const DOUBLE = 10;
const BOOLEAN = 11;

/**
 * The value as a metric; undefined for texts, times, data sets and arrays. Negative integers are two's complement in
 * an unsigned field, of 32 or 64 bits whatever the datatype's own width.
 */
export function metricValue(
  value: SparkplugValue,
  datatype: number | undefined,
): number | bigint | boolean | undefined {
  if (value.kind === 'text' || value.kind === 'compound') return undefined;
  if (datatype === undefined) return withoutDatatype(value);
  const width = INTEGERS.get(datatype);
  if (width !== undefined) return value.kind === 'integer' ? ofWidth(value.bits, width) : plain(value);
  if (datatype === FLOAT || datatype === DOUBLE || datatype === BOOLEAN) {
    const found = plain(value);
    return datatype === BOOLEAN && typeof found === 'number' ? found !== 0 : found;
  }
  return undefined;
}

const DATA_SET = 16;
const TEMPLATE = 19;
/** Int8Array to DoubleArray; BooleanArray; not StringArray and DateTimeArray, 33 and 34. */
const ARRAYS = { first: 22, last: 32 };

/** True if a value that is not stored may hold numbers: then it is counted. */
export function mayMeasure(value: SparkplugValue, datatype: number | undefined): boolean {
  if (datatype === undefined) return value.kind !== 'text';
  if (INTEGERS.has(datatype) || datatype === FLOAT || datatype === DOUBLE) return true;
  return (
    datatype === DATA_SET || datatype === TEMPLATE || (datatype >= ARRAYS.first && datatype <= ARRAYS.last)
  );
}

function plain(value: SparkplugValue): number | bigint | boolean | undefined {
  if (value.kind === 'integer') return narrow(value.bits);
  return value.kind === 'text' || value.kind === 'compound' ? undefined : value.value;
}

function ofWidth(bits: bigint, { bits: width, signed }: Width): number | bigint {
  return narrow(signed ? BigInt.asIntN(width, bits) : BigInt.asUintN(width, bits));
}

/** Without a datatype from a birth an integer with its highest bit set may be negative or not, so it has no value. */
function withoutDatatype(value: SparkplugValue): number | bigint | boolean | undefined {
  const ambiguous = value.kind === 'integer' && value.bits >= 2n ** 31n;
  return ambiguous ? undefined : plain(value);
}
