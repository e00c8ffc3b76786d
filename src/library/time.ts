import { FieldwatchError } from '../core/errors.ts';
import type { TimeInput } from './pure-types.ts';

const UNIT_MS = { hours: 3_600_000, days: 86_400_000 } as const;
const LONGEST_MS = 20 * 366 * UNIT_MS.days;

/** Milliseconds since the epoch; NaN for what is no time. */
export function msOf(time: TimeInput): number {
  const given: unknown = time;
  if (typeof given === 'number') return given;
  if (typeof given === 'string') return Date.parse(given);
  // Also a Date of another realm.
  return Object.prototype.toString.call(given) === '[object Date]' ? (given as Date).getTime() : NaN;
}

/** @throws FieldwatchError TIME_INVALID */
export function timeOf(time: TimeInput, what: string): Date {
  const date = new Date(msOf(time));
  if (Number.isNaN(date.getTime()))
    throw new FieldwatchError(`${what}: ${printed(time)} is no time`, {
      code: 'TIME_INVALID',
      kind: 'data',
      remedy: 'give a Date, milliseconds since the epoch, or ISO text such as 2026-01-31T12:00:00Z',
    });
  return date;
}

const printed = (time: unknown): string =>
  typeof time === 'object' && time !== null ? 'an object' : String(time);

/** The last hours or days. @throws FieldwatchError TIME_INVALID */
export function theLast(
  count: number,
  unit: keyof typeof UNIT_MS,
  nowMs: number,
): { readonly from: Date; readonly to: Date } {
  const ms = typeof count === 'number' ? count * UNIT_MS[unit] : NaN;
  if (!(ms > 0 && ms <= LONGEST_MS))
    throw new FieldwatchError(`${unit}: ${printed(count)}; expected a number above 0, of 20 years at most`, {
      code: 'TIME_INVALID',
      kind: 'data',
    });
  // A reading of this moment is in it.
  return { from: new Date(nowMs - ms), to: new Date(nowMs + 1) };
}
