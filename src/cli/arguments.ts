import { InvalidArgumentError, Option } from 'commander';
import type { Bucket } from '../core/bucket.ts';
import { parseDuration } from '../core/duration.ts';
import { type Moment, parseMoment } from '../core/moment.ts';
import type { Millis } from '../core/reading.ts';
import { DEFAULT_ZONE, inputReader } from '../queries/analyze/input.ts';

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

export type { Moment };

/** An option that takes a moment, with its default. */
export const momentOption = (flags: string, description: string, fallback: string): Option =>
  new Option(flags, description).argParser(momentArgument).default(momentArgument(fallback), fallback);

export function momentArgument(value: string): Moment {
  const moment = parseMoment(value);
  if (moment !== undefined) return moment;
  throw new InvalidArgumentError('Expected a time such as 2026-01-31T12:00Z, or how long ago, such as 24h.');
}

/** Gathers an option that may be given several times. */
export const repeated = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
];

/** How many rows a list has at most; undefined: all. */
export interface RowLimit {
  readonly rows: number | undefined;
  /** The user has named it. */
  readonly given: boolean;
}

const MOST_ROWS = 100_000_000;
const limitArgument = (value: string): RowLimit => {
  const rows = numeric(0, MOST_ROWS)(value);
  return { rows: rows === 0 ? undefined : rows, given: true };
};

/** `--limit`, where 0 is no limit. */
export const limitOption = (fallback: number, what = 'rows'): Option =>
  new Option('--limit <n>', `${what} at most; 0: no limit`)
    .argParser(limitArgument)
    .default({ rows: fallback, given: false } satisfies RowLimit, String(fallback));

const input = inputReader((_, detail) => new InvalidArgumentError(`${detail}.`));

const bucketArgument = (value: string): Bucket => input.bucketOf(value);

/** `--bucket`: its days, months and years are those of the calendar of `--tz`. */
export const bucketOption = (fallback: string): Option =>
  new Option('--bucket <width>', 'width of a bucket: 15m, 1h, 1d, 1w, 1mo, 1y')
    .argParser(bucketArgument)
    .default(bucketArgument(fallback), fallback);

/** `--tz`: the zone whose days, weeks and months buckets are. */
export const bucketZoneOption = (): Option =>
  new Option('--tz <zone>', 'time zone of days, weeks and months, such as Europe/Berlin')
    .argParser((value: string) => input.zoneOf(value))
    .default(DEFAULT_ZONE);
