import { InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../core/duration.ts';
import type { Millis } from '../core/reading.ts';

/** Parsers for options. Commander reports what they throw as a usage error: exit code 2. */

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Whether it is an id of an alert or a dead letter. */
export const isUuid = (text: string): boolean => UUID.test(text);

/** A number within bounds. */
export const numeric =
  (min: number, max: number, whole = true) =>
  (value: string): number => {
    const number = Number(value);
    if (value.trim() === '' || !(number >= min && number <= max) || (whole && !Number.isInteger(number)))
      throw new InvalidArgumentError(`Expected a ${whole ? 'whole ' : ''}number from ${min} to ${max}.`);
    return number;
  };

/** `10m`, `90 days`; milliseconds, more than zero. */
export function durationArgument(value: string): Millis {
  const ms = parseDuration(value);
  if (ms === undefined || ms <= 0)
    throw new InvalidArgumentError('Expected a duration such as 30s, 5m, 1h30m or 7d.');
  return ms;
}

/** An option that takes a duration; the help shows the default as it would be typed. */
export const durationOption = (flags: string, description: string, fallback: string): Option =>
  new Option(flags, description).argParser(durationArgument).default(durationArgument(fallback), fallback);

/** A moment: a time (`2026-01-31`, `2026-01-31T12:00Z`) or how long ago (`24h`). */
export type Moment = (nowMs: Millis) => Date;

/** An option that takes a moment, with its default. */
export const momentOption = (flags: string, description: string, fallback: string): Option =>
  new Option(flags, description).argParser(momentArgument).default(momentArgument(fallback), fallback);

// Without a zone a time of day would mean something else on every machine: it is read as UTC.
const TIME = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/;

export function momentArgument(value: string): Moment {
  const ago = parseDuration(value);
  if (ago !== undefined) return (nowMs) => new Date(nowMs - ago);
  const match = TIME.exec(value.trim());
  const zoned =
    match !== null && value.trim().length > 10 && match[1] === undefined ? `${value.trim()}Z` : value.trim();
  const time = new Date(zoned.replace(' ', 'T'));
  if (match === null || Number.isNaN(time.getTime()))
    throw new InvalidArgumentError(
      'Expected a time such as 2026-01-31T12:00Z, or how long ago, such as 24h.',
    );
  return () => time;
}

/** Gathers an option that may be given several times. */
export const repeated = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
];
