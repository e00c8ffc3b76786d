import type { Millis } from '../../reading.ts';
import type { MaintenanceConfig } from '../config.ts';
import { fits } from './matcher.ts';
import type { AlertLabels } from './labels.ts';
import { WallClock } from './wall-clock.ts';

/** In the order of Date.getUTCDay(). */
export const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** Minutes of the day; the end is not in it. An end at or before the start is on the next day. */
export interface DayWindow {
  readonly start: number;
  readonly end: number;
}

const WINDOW = /^([01]\d|2[0-3]):([0-5]\d)\s*-\s*(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))$/;

/** `22:00-06:00`; undefined for anything else. */
export function parseWindow(text: string): DayWindow | undefined {
  const match = WINDOW.exec(text.trim());
  if (match === null) return undefined;
  const minutes = (hour: string | undefined, minute: string | undefined) =>
    Number(hour) * 60 + Number(minute);
  return {
    start: minutes(match[1], match[2]),
    end: minutes(match[3] ?? match[5], match[4] ?? match[6]) % 1440,
  };
}

/**
 * A window that comes back: it is open whenever the clock on the wall shows a time within it. A time that daylight saving
 * leaves out is never shown; one that is shown twice is in the window both times. What is after midnight belongs to the
 * day on which the window began.
 */
export class Maintenance {
  private readonly config: MaintenanceConfig;
  private readonly window: DayWindow;
  private readonly days: ReadonlySet<number>;
  private readonly clock: WallClock;

  constructor(config: MaintenanceConfig) {
    this.config = config;
    const window = parseWindow(config.window);
    if (window === undefined) throw new RangeError(`"${config.window}" is no window`);
    this.window = window;
    this.days = new Set(config.days.map((day) => WEEKDAYS.indexOf(day)));
    this.clock = new WallClock(config.tz);
  }

  covers(alert: AlertLabels, atMs: Millis): boolean {
    return this.isOpen(atMs) && fits(this.config.match, alert);
  }

  isOpen(atMs: Millis): boolean {
    const { minute, weekday } = this.clock.at(atMs);
    const { start, end } = this.window;
    if (start < end) return minute >= start && minute < end && this.days.has(weekday);
    return minute >= start ? this.days.has(weekday) : minute < end && this.days.has((weekday + 6) % 7);
  }

  /** When it may open or close next. */
  nextChangeMs(afterMs: Millis): Millis {
    const { start, end } = this.window;
    return this.clock.nextAtMinute([start, end], afterMs);
  }
}
