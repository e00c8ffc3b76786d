import type { Millis } from '../../reading.ts';

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1440;

/** What the clock on the wall shows. */
export interface WallTime {
  /** Minutes since midnight. */
  readonly minute: number;
  /** 0 is Sunday. */
  readonly weekday: number;
}

/** The clock on the wall of a time zone, daylight saving included. */
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
    return this.look(timeMs);
  }

  /**
   * The next moment after `afterMs` at which the wall may show one of these minutes of the day, or at which it is put
   * forward or back. It may be one at which nothing of interest happens; it is never too late.
   */
  nextAtMinute(minutes: readonly number[], afterMs: Millis): Millis {
    const fromMs = Math.floor(afterMs / MINUTE_MS) * MINUTE_MS;
    const { minute, offsetMs } = this.look(fromMs);
    const ahead = minutes
      .map((wanted) => (wanted - minute + DAY_MINUTES - 1) % DAY_MINUTES)
      .map((d) => d + 1);
    const untilMs = fromMs + Math.min(...ahead) * MINUTE_MS;
    return this.look(untilMs).offsetMs === offsetMs ? untilMs : this.changeBetween(fromMs, untilMs, offsetMs);
  }

  /** By halves, to the minute: changes of daylight saving happen on full minutes. */
  private changeBetween(fromMs: Millis, untilMs: Millis, offsetMs: Millis): Millis {
    let before = fromMs / MINUTE_MS;
    let after = untilMs / MINUTE_MS;
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (this.look(middle * MINUTE_MS).offsetMs === offsetMs) before = middle;
      else after = middle;
    }
    return after * MINUTE_MS;
  }

  /** Formatting costs microseconds, and a storm of alerts asks for the same minute. */
  private look(timeMs: Millis): WallTime & { readonly offsetMs: Millis } {
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
