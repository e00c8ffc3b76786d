import type { Micros, Millis } from '../reading.ts';

/** A number that waits for earlier ones: `allowed_lateness`. */
export interface Held {
  readonly timeUs: Micros;
  readonly value: number;
  readonly receivedAtMs: Millis;
}

/** In event order; immutable, so that a batch can be evaluated again. */
export type HeldNumbers = readonly Held[];

export const NONE_HELD: HeldNumbers = [];

/** Puts a number in its place, or tells that its time is taken. */
export function hold(held: HeldNumbers, number: Held): HeldNumbers | 'duplicate' | 'late' {
  let at = held.length;
  while (at > 0 && (held[at - 1]?.timeUs ?? 0) > number.timeUs) at--;
  const before = held[at - 1];
  if (before?.timeUs === number.timeUs) return before.value === number.value ? 'duplicate' : 'late';
  return [...held.slice(0, at), number, ...held.slice(at)];
}

/**
 * How many numbers, from the oldest, may be evaluated: those that are older than the newest by the allowance, those
 * that waited as long as that by the clock, and whatever comes before one of them in event order.
 */
export function releasable(held: HeldNumbers, maxEventUs: Micros, nowMs: Millis, allowedUs: Micros): number {
  return (
    held.findLastIndex(
      ({ timeUs, receivedAtMs }) =>
        maxEventUs - allowedUs >= timeUs || nowMs * 1000 >= receivedAtMs * 1000 + allowedUs,
    ) + 1
  );
}

export function releaseDueMs(held: HeldNumbers, allowedUs: Micros): Millis {
  return held.reduce((due, { receivedAtMs }) => Math.min(due, receivedAtMs + allowedUs / 1000), Infinity);
}
