import { FieldwatchError } from '../core/errors.ts';
import type { TimeInput } from './time-types.ts';

const HOUR_MS = 3_600_000;
const LONGEST_H = 24 * 366 * 20;

/** Milliseconds since the epoch; NaN for what is no time. */
export const msOf = (time: TimeInput): number =>
  typeof time === 'number' ? time : typeof time === 'string' ? Date.parse(time) : time.getTime();

/** @throws FieldwatchError TIME_INVALID */
export function timeOf(time: TimeInput, what: string): Date {
  const date = new Date(msOf(time));
  if (Number.isNaN(date.getTime()))
    throw new FieldwatchError(`${what}: ${String(time)} is no time`, {
      code: 'TIME_INVALID',
      kind: 'data',
      remedy: 'give a Date, milliseconds since the epoch, or ISO text such as 2026-01-31T12:00:00Z',
    });
  return date;
}

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
