import type { Millis } from '../../reading.ts';

/** A clock on the wall of a place, in a language. */
export interface LocalClock {
  readonly locale: string;
  /** IANA name. */
  readonly timezone: string;
}

const DAY_MS = 86_400_000;

interface Formats {
  readonly time: Intl.DateTimeFormat;
  readonly day: Intl.DateTimeFormat;
  readonly dayOfYear: Intl.DateTimeFormat;
  readonly suffix: string;
}

const known = new Map<string, Formats>();

function formatsOf({ locale, timezone: timeZone }: LocalClock): Formats {
  const key = `${locale} ${timeZone}`;
  let formats = known.get(key);
  if (formats === undefined) {
    formats = {
      time: new Intl.DateTimeFormat(locale, {
        timeZone,
        hour: '2-digit',
        minute: '2-digit',
        hourCycle: 'h23',
      }),
      day: new Intl.DateTimeFormat(locale, { timeZone, day: 'numeric', month: 'short' }),
      dayOfYear: new Intl.DateTimeFormat(locale, {
        timeZone,
        day: 'numeric',
        month: 'short',
        year: 'numeric',
      }),
      suffix: /^(?:etc\/)?(?:utc|gmt|zulu|universal)$/i.test(timeZone) ? ' UTC' : '',
    };
    known.set(key, formats);
  }
  return formats;
}

/** `09:27` of today, `28 Nov 09:27` of another day, with its year after half of one; in UTC it says so. */
export function localTime(atMs: Millis, nowMs: Millis, clock: LocalClock): string {
  const { time, day, dayOfYear, suffix } = formatsOf(clock);
  const shown = `${time.format(atMs)}${suffix}`;
  if (dayOfYear.format(atMs) === dayOfYear.format(nowMs)) return shown;
  const date = Math.abs(nowMs - atMs) < 180 * DAY_MS ? day : dayOfYear;
  return `${date.format(atMs)} ${shown}`;
}

const UNITS: readonly (readonly [unit: string, seconds: number])[] = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
];

/** In its two largest units, the symbols of which every language shares: `45 s`, `20 min`, `2 h 5 min`, `3 d 4 h`. */
export function lasting(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  // From five minutes on seconds say nothing.
  const total = whole >= 300 ? Math.round(whole / 60) * 60 : whole;
  const first = UNITS.findIndex(([, size]) => total >= size);
  if (first < 0) return '0 s';
  const parts: string[] = [];
  let rest = total;
  for (const [unit, size] of UNITS.slice(first, first + 2)) {
    const number = Math.floor(rest / size);
    rest -= number * size;
    if (number > 0) parts.push(`${number} ${unit}`);
  }
  return parts.join(' ');
}
