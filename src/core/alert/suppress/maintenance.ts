import type { Millis } from '../../reading.ts';
import { type MaintenanceConfig, WEEKDAYS } from '../rules/config.ts';
import { type AlertLabels, matches } from './matcher.ts';

/** Minutes of the day; the end is exclusive. An end at or before the start is on the next day. */
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
 * A recurring window: open whenever the wall clock shows a time within it. A time skipped by daylight saving is never
 * shown; one shown twice is in the window both times. The part after midnight belongs to the day on which the window
 * began.
 */
export class RecurringWindow {
  private readonly window: DayWindow;
  private readonly days: ReadonlySet<number>;
  private readonly clock: WallClock;

  /** Throws a RangeError for a text that is no window, and for a zone that does not exist. */
  constructor({ window: text, days, tz }: Pick<MaintenanceConfig, 'window' | 'days' | 'tz'>) {
    const window = parseWindow(text);
    if (window === undefined) throw new RangeError(`"${text}" is no window`);
    this.window = window;
    this.days = new Set(days.map((day) => WEEKDAYS.indexOf(day)));
    this.clock = new WallClock(tz);
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

/** A window in which alerts are not notified. */
export class Maintenance extends RecurringWindow {
  private readonly match: MaintenanceConfig['match'];

  constructor(config: MaintenanceConfig) {
    super(config);
    this.match = config.match;
  }

  covers(alert: AlertLabels, atMs: Millis): boolean {
    return this.isOpen(atMs) && matches(this.match, alert);
  }
}

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1440;

/** The time that the wall clock shows. */
export interface WallTime {
  /** Minutes since midnight. */
  readonly minute: number;
  /** 0 is Sunday. */
  readonly weekday: number;
}

/** The wall clock of a time zone, daylight saving included. */
export class WallClock {
  private readonly format: Intl.DateTimeFormat;
  private knownMs: Millis = NaN;
  private known: WallTime & { readonly offsetMs: Millis } = { minute: 0, weekday: 0, offsetMs: 0 };

  /** Throws a RangeError for a zone that does not exist. */
  constructor(zone: string) {
    this.format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    });
  }

  at(timeMs: Millis): WallTime {
    return this.wallTimeAt(timeMs);
  }

  /**
   * The next moment after `afterMs` at which the wall clock may show one of these minutes of the day, or at which it
   * is put forward or back. It may be one without any change; it is never too late.
   */
  nextAtMinute(minutes: readonly number[], afterMs: Millis): Millis {
    const fromMs = Math.floor(afterMs / MINUTE_MS) * MINUTE_MS;
    const { minute, offsetMs } = this.wallTimeAt(fromMs);
    const ahead = minutes
      .map((wanted) => (wanted - minute + DAY_MINUTES - 1) % DAY_MINUTES)
      .map((d) => d + 1);
    const untilMs = fromMs + Math.min(...ahead) * MINUTE_MS;
    return this.wallTimeAt(untilMs).offsetMs === offsetMs
      ? untilMs
      : this.changeBetween(fromMs, untilMs, offsetMs);
  }

  /** Bisects to the minute: changes of daylight saving happen on full minutes. */
  private changeBetween(fromMs: Millis, untilMs: Millis, offsetMs: Millis): Millis {
    let before = fromMs / MINUTE_MS;
    let after = untilMs / MINUTE_MS;
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (this.wallTimeAt(middle * MINUTE_MS).offsetMs === offsetMs) before = middle;
      else after = middle;
    }
    return after * MINUTE_MS;
  }

  /** Cached: formatting costs microseconds, and a storm of alerts needs the same minute. */
  private wallTimeAt(timeMs: Millis): WallTime & { readonly offsetMs: Millis } {
    const minuteMs = Math.floor(timeMs / MINUTE_MS) * MINUTE_MS;
    if (minuteMs === this.knownMs) return this.known;
    const parts = new Map(
      this.format.formatToParts(minuteMs).map(({ type, value }) => [type, Number(value)]),
    );
    const [year = 0, month = 1, day = 1, hour = 0, minute = 0] = (
      ['year', 'month', 'day', 'hour', 'minute'] as const
    ).map((type) => parts.get(type));
    const shownMs = Date.UTC(year, month - 1, day, hour, minute);
    this.knownMs = minuteMs;
    this.known = {
      minute: hour * 60 + minute,
      weekday: new Date(shownMs).getUTCDay(),
      offsetMs: shownMs - minuteMs,
    };
    return this.known;
  }
}
