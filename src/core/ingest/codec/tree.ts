import type { Limits } from '../mapping/context.ts';
import { emptyDoc } from '../mapping/document.ts';
import { isoFromMicros, shiftDecimal } from '../mapping/instant.ts';
import { shortestFloat32 } from '../mapping/value.ts';
import { type PayloadReject, rejectPayload } from './codec.ts';

/** Thrown by tree builders, caught by their codec: the payload nests deeper than the limit (D9). */
export class TooDeep extends Error {}

/** Thrown likewise: a map with more entries than a message may have records. */
export class TooLarge extends Error {}

/** How far a tree may grow. */
export interface TreeLimits {
  readonly depth: number;
  /** Entries of one map; an array is truncated here: as records it is too long, as a metric it is ignored. */
  readonly items: number;
}

export function treeLimits({ max_depth, max_readings }: Limits): TreeLimits {
  return { depth: max_depth, items: max_readings + 1 };
}

/**
 * A decoded tree of Maps, arrays and leaves as the mapping wants it: objects without a prototype, keys as text
 * (SenML's are integers), no undefined, no bytes. Depth is counted on the way down.
 */
export function toDocument(value: unknown, limits: TreeLimits, levels = limits.depth): unknown {
  if (typeof value !== 'object' || value === null) return value === undefined ? null : value;
  if (value instanceof Uint8Array) return null;
  if (levels === 0) throw new TooDeep();
  if (Array.isArray(value))
    return value.slice(0, limits.items).map((item) => toDocument(item, limits, levels - 1));
  if (!(value instanceof Map)) return null;
  if (value.size > limits.items) throw new TooLarge();
  const doc = emptyDoc();
  for (const [key, item] of value as Map<unknown, unknown>) {
    doc[keyText(key) ?? NAMELESS] = toDocument(item, limits, levels - 1);
  }
  return doc;
}

/** `toDocument` for plain objects, arrays and Maps, as code outside of this project makes them. */
export function plainDocument(value: unknown, limits: TreeLimits, levels = limits.depth): unknown {
  if (typeof value !== 'object' || value === null) return leaf(value);
  if (value instanceof Uint8Array) return null;
  if (value instanceof Date) return value.toJSON();
  if (levels === 0) throw new TooDeep();
  if (Array.isArray(value))
    return value.slice(0, limits.items).map((item) => plainDocument(item, limits, levels - 1));
  const entries: readonly (readonly [unknown, unknown])[] =
    value instanceof Map ? [...value] : Object.entries(value);
  if (entries.length > limits.items) throw new TooLarge();
  const doc = emptyDoc();
  for (const [key, item] of entries) doc[keyText(key) ?? NAMELESS] = plainDocument(item, limits, levels - 1);
  return doc;
}

const leaf = (value: unknown): unknown =>
  value === undefined || typeof value === 'function' || typeof value === 'symbol' ? null : value;

/** Stands for a key without a name. No metric may be called so: what is under it is counted and not stored. */
export const NAMELESS = '\u0000';

/** Text and integers name things; other keys (arrays, floats, bytes) name nothing. */
export function keyText(key: unknown): string | undefined {
  if (typeof key === 'string') return key;
  return typeof key === 'bigint' || Number.isSafeInteger(key) ? String(key) : undefined;
}

/** A time marked as one by the format, as the text that a time path reads; a number would look like a metric. */
export function instantText(seconds: unknown): string | null {
  if (typeof seconds !== 'number' && typeof seconds !== 'bigint') return null;
  return isoFromMicros(shiftDecimal(String(seconds), 6)) ?? null;
}

/** A 32-bit float as the decimal that was meant (D4). */
export function fromFloat32(value: number): number {
  return shortestFloat32(value);
}

/** A 64-bit integer as a number where that is exact: a small id stays an id. */
export function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** The error of a decoder, as the code to reject with; a stack that overflows is the same as too deep, only later. */
export function treeFault(error: unknown, detail: string): PayloadReject {
  const message = error instanceof Error ? error.message : '';
  if (error instanceof TooLarge) return rejectPayload('too_large', 'a map with too many entries');
  const deep = error instanceof TooDeep || /call stack|depth|recursion/i.test(message);
  return deep ? rejectPayload('too_deep') : rejectPayload('parse_error', detail);
}
