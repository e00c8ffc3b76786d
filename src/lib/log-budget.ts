import type { Clock } from '../ports/time.ts';

const WINDOW_MS = 60_000;
const LINES = 5;

/**
 * Limits the lines per minute of an event that may occur thousands of times. Suppressed lines are counted, and the
 * next line carries the count.
 */
export class LogBudget {
  private readonly clock: Clock;
  private readonly lines: number;
  private sinceMs = -Infinity;
  private left = 0;
  private withheld = 0;

  constructor(clock: Clock, lines = LINES) {
    this.clock = clock;
    this.lines = lines;
  }

  /** The number of events since the last line, this one included; undefined where this one gets no line. */
  take(events = 1): number | undefined {
    const nowMs = this.clock.monotonicMs();
    if (nowMs - this.sinceMs >= WINDOW_MS) {
      this.sinceMs = nowMs;
      this.left = this.lines;
    }
    this.withheld += events;
    if (this.left === 0) return undefined;
    this.left--;
    const { withheld } = this;
    this.withheld = 0;
    return withheld;
  }
}
