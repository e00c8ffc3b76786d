import { FieldwatchError } from '../errors.ts';

/**
 * A PostgreSQL interval. Policies are declared and stored as intervals, and an interval is not a number of
 * milliseconds: `1 year` is twelve months. PostgreSQL compares intervals with a month of 30 days and a day of 24
 * hours (so `1 mon` equals `30 days`, and `1 year` equals 360 days, not 365); comparisons here do the same.
 */
export interface Interval {
  readonly months: number;
  readonly days: number;
  readonly ms: number;
}

/** An interval in the canonical form of `formatInterval`: `90 days`, `1 year`, `10 minutes`. */
export type IntervalText = string;

const DAY_MS = 86_400_000;
const MONTHS: Readonly<Record<string, number>> = { y: 12, yr: 12, year: 12, mon: 1, month: 1 };
const DAYS: Readonly<Record<string, number>> = { w: 7, week: 7, d: 1, day: 1 };
const MILLIS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  hr: 3_600_000,
  hour: 3_600_000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  s: 1000,
  sec: 1000,
  second: 1000,
  ms: 1,
};

const PART = /\s*(?:([-+]?)(\d+):(\d{2})(?::(\d{2}(?:\.\d+)?))?|([-+]?\d+)\s*([a-z]+))\s*/gy;

/**
 * Parses `90 days`, `1 year`, `1h30m` and PostgreSQL's output in each of its interval styles: a job keeps the text
 * from when it was configured. Undefined if it is not an interval.
 */
export function parseInterval(text: string): Interval | undefined {
  const input = normalStyle(text.trim());
  if (input === '' || input === '0') return input === '' ? undefined : { months: 0, days: 0, ms: 0 };
  let [months, days, ms] = [0, 0, 0];
  PART.lastIndex = 0;
  while (PART.lastIndex < input.length) {
    const part = PART.exec(input);
    if (part === null) return undefined;
    const [, sign, hours, minutes, seconds, count, unit = ''] = part;
    if (hours !== undefined) {
      const clock = (Number(hours) * 60 + Number(minutes)) * 60_000 + Math.round(Number(seconds ?? 0) * 1000);
      ms += sign === '-' ? -clock : clock;
      continue;
    }
    // `months` and `mons`, but not `m` from `ms`: the unit as written comes first.
    const known = (table: Readonly<Record<string, number>>) => table[unit] ?? table[unit.replace(/s$/, '')];
    const [inMs, inMonths, inDays] = [known(MILLIS), known(MONTHS), known(DAYS)];
    if (inMs !== undefined) ms += Number(count) * inMs;
    else if (inMonths !== undefined) months += Number(count) * inMonths;
    else if (inDays !== undefined) days += Number(count) * inDays;
    else return undefined;
  }
  return { months, days, ms };
}

const ISO_8601 =
  /^P(?:([-+]?\d+)Y)?(?:([-+]?\d+)M)?(?:([-+]?\d+)W)?(?:([-+]?\d+)D)?(?:T(?=.)(?:([-+]?\d+)H)?(?:([-+]?\d+)M)?(?:([-+]?\d+)S)?)?$/;
const SQL_STANDARD =
  /^(?:([-+]?\d+)-(\d+))?(?: ?([-+]?\d+) (?=[-+]?\d+:))?(?: ?([-+]?\d+:\d+:\d+(?:\.\d+)?))?$/;

/** `P90D` (iso_8601), `@ 90 days` (postgres_verbose) and `1-2 3 4:05:06` (sql_standard), in the style `postgres`. */
function normalStyle(text: string): string {
  const iso = text.length > 1 ? ISO_8601.exec(text) : null;
  if (iso !== null) {
    const units = ['year', 'mon', 'week', 'day', 'hour', 'min', 'sec'];
    return units
      .flatMap((unit, index) => (iso[index + 1] === undefined ? [] : `${iso[index + 1]} ${unit}`))
      .join(' ');
  }
  const sql = SQL_STANDARD.exec(text);
  if (sql !== null && (sql[1] !== undefined || sql[3] !== undefined || /^[-+]?\d:/.test(sql[4] ?? ''))) {
    const [, years = '0', months = '0', days = '0', clock = '00:00:00'] = sql;
    const sign = years.startsWith('-') ? '-' : '';
    return `${years} year ${sign}${months} mon ${days} day ${clock.replace(/^([-+]?)(\d):/, '$10$2:')}`;
  }
  return text.toLowerCase().replace(/^@\s*/, '');
}

const NAMES: readonly (readonly ['months' | 'days' | 'ms', number, string])[] = [
  ['months', 12, 'year'],
  ['months', 1, 'month'],
  ['days', 1, 'day'],
  ['ms', 3_600_000, 'hour'],
  ['ms', 60_000, 'minute'],
  ['ms', 1000, 'second'],
  ['ms', 1, 'millisecond'],
];

/** The text of an interval, for display and for SQL: `1 year`, `1 hour 30 minutes`, `0 seconds`. */
export function formatInterval(interval: Interval): IntervalText {
  const rest = { ...interval };
  const words: string[] = [];
  for (const [field, size, name] of NAMES) {
    const count = Math.trunc(rest[field] / size);
    if (count !== 0) words.push(`${count} ${name}${Math.abs(count) === 1 ? '' : 's'}`);
    rest[field] -= count * size;
  }
  return words.length === 0 ? '0 seconds' : words.join(' ');
}

/** Length in milliseconds as PostgreSQL compares intervals: months of 30 days, days of 24 hours. */
export function intervalMs(value: Interval | IntervalText): number {
  const interval = typeof value === 'string' ? requireInterval(value) : value;
  return (interval.months * 30 + interval.days) * DAY_MS + interval.ms;
}

const MONTH_DAYS = 365.25 / 12;

/** Length in milliseconds on the calendar, on average: a year is one of 365 days and a quarter. */
export function calendarMs(value: IntervalText): number {
  const { months, days, ms } = requireInterval(value);
  return (months * MONTH_DAYS + days) * DAY_MS + ms;
}

export function sameInterval(a: Interval | IntervalText, b: Interval | IntervalText): boolean {
  return intervalMs(a) === intervalMs(b);
}

function requireInterval(text: IntervalText): Interval {
  const interval = parseInterval(text);
  if (interval === undefined) {
    throw new FieldwatchError(`"${text}" is no interval`, { code: 'POLICY_INTERVAL_INVALID', kind: 'bug' });
  }
  return interval;
}
