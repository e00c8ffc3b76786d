import { type Doc, isObject } from './document.ts';
import { isNumericText } from './value.ts';

/** D3': an array of up to this many numbers is a set of channels or phases; a longer one is a recording. */
export const MAX_ARRAY_METRICS = 16;

// Keys that accompany the samples of a recording; a reporting interval marks the array as one as well.
const SAMPLING =
  /^(?:sampl(?:e|es|ing)_?)?(?:interval|period)(?:_?(?:s|sec|ms|us|ns))?$|^sampl(?:e|es|ing)_?(?:rate|freq(?:uency)?)(?:_?hz)?$|^(?:dt|delta_?t)(?:_?(?:s|ms|us))?$/i;

/** True if the arrays of `node` are samples in time, not channels: one of its members is their interval. */
export function isSampled(node: Doc): boolean {
  return Object.keys(node).some((key) => SAMPLING.test(key) && typeof node[key] === 'number');
}

/**
 * The values of a short array, by place; undefined for an element that is null. Undefined as a whole if the array is
 * too long, or if an element is no value (an object, text): then it is no list of channels.
 */
export function arrayValues(
  items: readonly unknown[],
  valueOf: (item: unknown) => number | undefined,
): readonly (number | undefined)[] | undefined {
  if (items.length > MAX_ARRAY_METRICS) return undefined;
  const values: (number | undefined)[] = [];
  for (const item of items) {
    const value = item === null ? undefined : valueOf(item);
    if (value === undefined && item !== null) return undefined;
    values.push(value);
  }
  return values;
}

const MAX_NUMBER_CHARS = 40;

/** A number, or text that holds one: lost data if it is not stored. */
export function isMeasured(raw: unknown): boolean {
  if (typeof raw === 'string') return raw.length <= MAX_NUMBER_CHARS && isNumericText(raw.trim());
  return typeof raw === 'number' || typeof raw === 'bigint';
}

/** True if a number, or text that holds one, is anywhere inside. Depth is bounded by the codec. */
export function holdsNumber(value: unknown): boolean {
  if (isMeasured(value)) return true;
  if (Array.isArray(value)) return value.some(holdsNumber);
  return isObject(value) && Object.values(value).some(holdsNumber);
}
