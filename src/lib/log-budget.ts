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

const MAX_KEYS = 1000;

/** One line per minute for each key of an event. A bounded number of keys is remembered. */
export class LogBudgets<Key> {
  private readonly clock: Clock;
  private readonly budgets = new Map<Key, LogBudget>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The number of events of this key since its last line; undefined where this one gets no line. */
  take(key: Key, events = 1): number | undefined {
    let budget = this.budgets.get(key);
    if (budget === undefined) {
      if (this.budgets.size >= MAX_KEYS) this.budgets.clear();
      this.budgets.set(key, (budget = new LogBudget(this.clock, 1)));
    }
    return budget.take(events);
  }
}
