import { parseDuration } from './duration.ts';
import type { Millis } from './reading.ts';

/** The width of a bucket: days and months are those of a calendar, and differ in length; anything else is a duration. */
export interface Bucket {
  readonly unit: 'months' | 'days' | 'ms';
  readonly count: number;
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const CALENDAR = /^(\d+)\s*(d|day|w|week|mo|month|q|quarter|y|year)s?$/;
const UNITS: Readonly<Record<string, Bucket>> = {
  ...{ d: { unit: 'days', count: 1 }, day: { unit: 'days', count: 1 } },
  ...{ w: { unit: 'days', count: 7 }, week: { unit: 'days', count: 7 } },
  ...{ mo: { unit: 'months', count: 1 }, month: { unit: 'months', count: 1 } },
  ...{ q: { unit: 'months', count: 3 }, quarter: { unit: 'months', count: 3 } },
  ...{ y: { unit: 'months', count: 12 }, year: { unit: 'months', count: 12 } },
};

/** Reads `15m`, `1d`, `2 weeks`, `1mo`, `1 quarter`, `1y`; of a second at least. Undefined for anything else. */
export function parseBucket(text: string): Bucket | undefined {
  const input = text.trim().toLowerCase();
  const [, count = '', name = ''] = CALENDAR.exec(input) ?? [];
  const unit = UNITS[name];
  if (unit !== undefined)
    return Number(count) > 0 ? { unit: unit.unit, count: Number(count) * unit.count } : undefined;
  const ms = parseDuration(input);
  return ms === undefined || ms < 1000 ? undefined : { unit: 'ms', count: ms };
}

/** As PostgreSQL reads it. */
export const bucketInterval = ({ unit, count }: Bucket): string =>
  `${count} ${unit === 'ms' ? 'milliseconds' : unit}`;

/** The shortest that such a bucket can be: for the number of buckets in a range. */
export const shortestMs = ({ unit, count }: Bucket): Millis =>
  unit === 'ms' ? count : unit === 'days' ? count * DAY_MS - HOUR_MS : count * 28 * DAY_MS;

/** Whether its borders are those of UTC hours in a zone whose offset is whole hours. */
export const isOfHours = ({ unit, count }: Bucket): boolean => unit !== 'ms' || count % HOUR_MS === 0;
