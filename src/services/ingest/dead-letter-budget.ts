import { LogBudget } from '../../lib/log-budget.ts';
import type { Counter, Logger, Metrics } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';

const MINUTE_MS = 60_000;
const SAMPLE_EVERY_MS = 1000;

/**
 * How many dead letters a minute are kept: a flood of bad messages must not fill the database. Beyond the limit one a
 * second is kept as a sample; the others are counted, and their messages acknowledged.
 */
export class DeadLetterBudget {
  private readonly maxPerMinute: number;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly dropped: Counter;
  private readonly lines: LogBudget;
  private sinceMs = -Infinity;
  private kept = 0;
  private sampledMs = -Infinity;

  constructor(
    maxPerMinute: number,
    { clock, logger, metrics }: { readonly clock: Clock; readonly logger: Logger; readonly metrics: Metrics },
  ) {
    this.maxPerMinute = maxPerMinute;
    this.clock = clock;
    this.logger = logger;
    this.lines = new LogBudget(clock);
    this.dropped = metrics.counter(
      'fieldwatch_dead_letters_dropped_total',
      'Dead letters beyond dead_letters.max_per_minute: counted and acknowledged, not stored',
      ['reason'],
    );
  }

  /** Whether one more is kept; where not, it is counted here. */
  admits(topic: string, reason: string): boolean {
    const nowMs = this.clock.monotonicMs();
    if (nowMs - this.sinceMs >= MINUTE_MS) {
      this.sinceMs = nowMs;
      this.kept = 0;
    }
    if (this.kept < this.maxPerMinute) {
      this.kept++;
      return true;
    }
    if (nowMs - this.sampledMs >= SAMPLE_EVERY_MS) {
      this.sampledMs = nowMs;
      return true;
    }
    this.dropped.inc(1, { reason });
    const messages = this.lines.take();
    if (messages !== undefined)
      this.logger.warn(
        { topic, reason, messages, max_per_minute: this.maxPerMinute },
        'dead letters over max_per_minute are counted only, keeping one per second',
      );
    return false;
  }
}
