import { FieldwatchError } from '../core/errors.ts';
import type { TimeInput } from './time-types.ts';

const HOUR_MS = 3_600_000;
const LONGEST_H = 24 * 366 * 20;

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

/** The last hours. @throws FieldwatchError TIME_INVALID */
export function lastHours(hours: number, nowMs: number): { readonly from: Date; readonly to: Date } {
  if (!(hours > 0 && hours <= LONGEST_H))
    throw new FieldwatchError(`${hours} hours: expected a number above 0, of 20 years at most`, {
      code: 'TIME_INVALID',
      kind: 'data',
    });
  // A reading of this moment is in it.
  return { from: new Date(nowMs - hours * HOUR_MS), to: new Date(nowMs + 1) };
}
