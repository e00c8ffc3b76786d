import type { Millis } from '../../reading.ts';

/** A clock on the wall of a place, in a language. */
export interface LocalClock {
  readonly locale: string;
  /** IANA name. */
  readonly timezone: string;
  /** Times name their zone, as it was not configured and the reader may be in another. UTC is always named. */
  readonly namesZone?: boolean | undefined;
}

const DAY_MS = 86_400_000;

/** Below it seconds count: of a span, and of the times between which it lies. */
const COUNTS_SECONDS_S = 300;

interface Formats {
  readonly time: Intl.DateTimeFormat;
  readonly second: Intl.DateTimeFormat;
  readonly day: Intl.DateTimeFormat;
  readonly dayOfYear: Intl.DateTimeFormat;
  readonly zone: Intl.DateTimeFormat;
}

const known = new Map<string, Formats>();

function formatsOf({ locale, timezone: timeZone }: LocalClock): Formats {
  const key = `${locale} ${timeZone}`;
  let formats = known.get(key);
  if (formats === undefined) {
    const clock = { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
    const day = { timeZone, day: 'numeric', month: 'short' } as const;
    formats = {
      time: new Intl.DateTimeFormat(locale, clock),
      second: new Intl.DateTimeFormat(locale, { ...clock, second: '2-digit' }),
      day: new Intl.DateTimeFormat(locale, day),
      dayOfYear: new Intl.DateTimeFormat(locale, { ...day, year: 'numeric' }),
      zone: new Intl.DateTimeFormat(locale, { timeZone, timeZoneName: 'short' }),
    };
    known.set(key, formats);
  }
  return formats;
}

const isUtc = (timezone: string): boolean => /^(?:etc\/)?(?:utc|gmt|zulu|universal)$/i.test(timezone);

/** `CET` at that moment; empty where the readers know. */
function zoneText(atMs: Millis, clock: LocalClock): string {
  if (isUtc(clock.timezone)) return 'UTC';
  if (clock.namesZone !== true) return '';
  const parts = formatsOf(clock).zone.formatToParts(atMs);
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
}

interface Precision {
  readonly seconds?: boolean;
  /** False: the zone stands elsewhere in the text. */
  readonly zone?: boolean;
}

/** `09:27` of today, `28 Nov 09:27` of another day, with its year after half of one; `09:27 CET` where the zone is named. */
export function localTime(
  atMs: Millis,
  nowMs: Millis,
  clock: LocalClock,
  { seconds = false, zone = true }: Precision = {},
): string {
  const { time, second, day, dayOfYear } = formatsOf(clock);
  const date = Math.abs(nowMs - atMs) < 180 * DAY_MS ? day : dayOfYear;
  const isToday = dayOfYear.format(atMs) === dayOfYear.format(nowMs);
  return [
    isToday ? '' : date.format(atMs),
    (seconds ? second : time).format(atMs),
    zone ? zoneText(atMs, clock) : '',
  ]
    .filter((part) => part !== '')
    .join(' ');
}

/** The two ends of a span: with seconds where it is so short that they count, and the zone once; and how long it is by what they show. */
export function localSpan(
  fromMs: Millis,
  toMs: Millis,
  nowMs: Millis,
  clock: LocalClock,
): { readonly from: string; readonly to: string; readonly lasted: string } {
  const seconds = countsSeconds((toMs - fromMs) / 1000);
  // Between them the clocks may have been put back.
  const zone = zoneText(fromMs, clock) !== zoneText(toMs, clock);
  const shownS = seconds ? 1 : 60;
  const shown = (atMs: Millis) => Math.floor(atMs / 1000 / shownS) * shownS;
  return {
    from: localTime(fromMs, nowMs, clock, { seconds, zone }),
    to: localTime(toMs, nowMs, clock, { seconds }),
    lasted: lasting(shown(toMs) - shown(fromMs)),
  };
}

/** The beginning of a span that lasts. */
export const localSince = (fromMs: Millis, nowMs: Millis, clock: LocalClock): string =>
  localTime(fromMs, nowMs, clock, { seconds: countsSeconds((nowMs - fromMs) / 1000) });

/** The end of what lasts from now on. */
export const localUntil = (untilMs: Millis, nowMs: Millis, clock: LocalClock): string =>
  localTime(untilMs, nowMs, clock, { seconds: countsSeconds((untilMs - nowMs) / 1000) });

const countsSeconds = (seconds: number): boolean => Math.round(seconds) < COUNTS_SECONDS_S;

const UNITS: readonly (readonly [unit: string, seconds: number])[] = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
];

/** In its two largest units, the symbols of which every language shares: `45 s`, `20 min`, `2 h 5 min`, `3 d 4 h`. */
export function lasting(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const total = countsSeconds(whole) ? whole : Math.round(whole / 60) * 60;
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
