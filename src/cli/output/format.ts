import { formatDuration } from '../../core/duration.ts';
import { quantity } from '../../core/notify/text/quantity.ts';

/** Values as text in tables and lines. JSON and CSV never pass through here. */

/** As in the texts of notifications: with the digits that leave it on its side of `other`. */
export const distinctValue = (value: number, unit: string | undefined, other: number | null = null): string =>
  quantity(value, { locale: 'en-GB', unit }, other === null ? [] : [other]);

/** `2h5m`; from a minute on without seconds, from a day on without minutes. */
export function formatSeconds(seconds: number): string {
  const unit = seconds < 60 ? 1 : seconds < 86_400 ? 60 : 3600;
  return formatDuration(Math.round(seconds / unit) * unit * 1000);
}

/** How long it is from one time to another by what `formatTime` shows of them, and never longer: with seconds below an hour. */
export function formatSpan(from: Date, to: Date): string {
  const [fromS, toS] = [from, to].map((time) => Math.floor(time.getTime() / 1000));
  const seconds = Math.max(0, (toS ?? 0) - (fromS ?? 0));
  const unit = seconds < 3600 ? 1 : seconds < 86_400 ? 60 : 3600;
  return formatDuration(Math.floor(seconds / unit) * unit * 1000);
}

const UTC = 'UTC';
const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(timeZone: string): Intl.DateTimeFormat {
  let clock = clocks.get(timeZone);
  if (clock === undefined) {
    const digits = '2-digit';
    clock = new Intl.DateTimeFormat('en', {
      ...{ timeZone, hourCycle: 'h23', year: 'numeric', month: digits, day: digits },
      ...{ hour: digits, minute: digits, second: digits, timeZoneName: 'longOffset' },
    });
    clocks.set(timeZone, clock);
  }
  return clock;
}

/** To the second, with the offset as PostgreSQL writes it: `2026-01-01 12:00:00Z`, `2026-01-01 13:00:00+01`. */
export function formatTime(time: Date | null, timezone = UTC): string {
  if (time === null || Number.isNaN(time.getTime())) return '-';
  const iso = time.toISOString().replace('T', ' ');
  if (timezone === UTC) return iso.replace(/\.\d+Z$/, 'Z');
  const part = Object.fromEntries(
    clockOf(timezone)
      .formatToParts(time)
      .map(({ type, value }) => [type, value]),
  );
  const offset = (part.timeZoneName ?? '').replace(/^GMT/, '').replace(/:00$/, '');
  const day = `${part.year?.padStart(4, '0')}-${part.month}-${part.day}`;
  return `${day} ${part.hour}:${part.minute}:${part.second}${offset === '' || offset === '+00' ? 'Z' : offset}`;
}

/** In few cells: `12:00:00Z` of the last 24 hours, otherwise `01-31 12:00Z`, of another year `2025-01-31`. */
export function formatShortTime(time: Date, nowMs: number, timezone = UTC): string {
  const text = formatTime(time, timezone);
  if (Math.abs(nowMs - time.getTime()) < 86_400_000) return text.slice(11);
  return text.slice(0, 4) === formatTime(new Date(nowMs), timezone).slice(0, 4)
    ? `${text.slice(5, 16)}${text.slice(19)}`
    : text.slice(0, 10);
}
