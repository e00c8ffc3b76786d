/** Local times of one reader: the zone is named where a time could be taken for another one. */
export interface TimeFormat {
  readonly timeZone: string;
  /** `14:05:09` */
  clock(ms: number): string;
  /** `14:05`, of another day than `nowMs` with the day: `Sat 28 Nov, 14:05`, of another year with the year. */
  short(ms: number, nowMs: number): string;
  /** `Sat, 28 November 2026 at 14:05:09 CET`: for titles and screen readers. */
  full(ms: number): string;
  /** `Sat 28 Nov 2026` */
  day(ms: number): string;
  /** A bucket, or a point of a plot whose points are this far apart. */
  point(ms: number, stepMs: number): string;
  /** `Europe/Berlin, UTC+1` */
  zoneName(ms: number): string;
  /** `2026-11-28T14:05`: the value of a datetime-local input. */
  input(ms: number): string;
  /** The reverse of `input`; undefined for what is no time. */
  fromInput(text: string): number | undefined;
}

const DAY_MS = 86_400_000;

export function createTimeFormat({
  locale,
  timeZone,
}: { readonly locale?: string; readonly timeZone?: string } = {}): TimeFormat {
  const format = (options: Intl.DateTimeFormatOptions): ((ms: number) => string) => {
    const made = new Intl.DateTimeFormat(locale, {
      ...options,
      ...(timeZone === undefined ? {} : { timeZone }),
    });
    return (ms) => made.format(ms);
  };
  const hour12 = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
  const date = { weekday: 'short', day: 'numeric', month: 'short' } as const;
  const minute = format(hour12);
  const second = format({ ...hour12, second: '2-digit' });
  const dayMinute = format({ ...date, ...hour12 });
  const dayYear = format({ ...date, year: 'numeric' });
  const full = format({
    ...hour12,
    weekday: 'short',
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    second: '2-digit',
    timeZoneName: 'short',
  });
  const zone = timeZone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const parts = new Intl.DateTimeFormat('en-CA', {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZone: zone,
  });
  /** The wall clock of the zone, as if it were UTC. */
  const wall = (ms: number): number => {
    const found: Record<string, number> = {};
    for (const { type, value } of parts.formatToParts(ms)) found[type] = Number(value);
    const { year, month, day, hour, minute: minutes, second: seconds } = found;
    return Date.UTC(year!, month! - 1, day, hour, minutes, seconds);
  };
  const offsetMs = (ms: number): number => wall(ms) - Math.floor(ms / 1000) * 1000;
  const sameDay = (a: number, b: number): boolean =>
    Math.floor(wall(a) / DAY_MS) === Math.floor(wall(b) / DAY_MS);
  return {
    timeZone: zone,
    clock: second,
    short: (ms, nowMs) => {
      if (sameDay(ms, nowMs)) return minute(ms);
      return Math.abs(nowMs - ms) < 300 * DAY_MS ? dayMinute(ms) : `${dayYear(ms)}, ${minute(ms)}`;
    },
    full,
    day: dayYear,
    point: (ms, stepMs) => {
      if (stepMs >= DAY_MS) return dayYear(ms);
      return stepMs >= 60_000 ? dayMinute(ms) : `${dayMinute(ms)}:${second(ms).slice(-2)}`;
    },
    zoneName: (ms) => (zone === 'UTC' ? zone : `${zone}, ${offsetText(offsetMs(ms))}`),
    input: (ms) => new Date(wall(ms)).toISOString().slice(0, 16),
    fromInput: (text) => {
      const asUtc = Date.parse(`${text}Z`);
      if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/.test(text) || Number.isNaN(asUtc)) return undefined;
      // Twice: the first guess may lie on the other side of a change of the offset.
      const guess = asUtc - offsetMs(asUtc);
      return asUtc - offsetMs(guess);
    },
  };
}

export function offsetText(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes === 0) return 'UTC';
  const size = Math.abs(minutes);
  const rest = size % 60;
  return `UTC${minutes < 0 ? '−' : '+'}${Math.floor(size / 60)}${rest === 0 ? '' : `:${String(rest).padStart(2, '0')}`}`;
}
