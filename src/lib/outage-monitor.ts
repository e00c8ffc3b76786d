import { FieldwatchError, messageOf } from '../core/errors.ts';
import type { Counter, Logger, Metrics } from '../ports/metrics.ts';
import type { Clock } from '../ports/time.ts';
import { LogBudget } from './log-budget.ts';

/** Whether the database takes what we write. */
export type StoreHealth =
  | { readonly state: 'ok' }
  | { readonly state: 'failing'; readonly code: string; readonly message: string; readonly sinceMs: number };

export const codeOf = (error: unknown): string =>
  error instanceof FieldwatchError ? error.code : 'UNEXPECTED';

const FAILED = 'cannot write to the database; messages are held unacknowledged and tried again';

/** Counts failed attempts, and reports an outage when it begins, when it changes and when it is over. */
export class OutageMonitor {
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly failures: Counter;
  private readonly refusals: LogBudget;
  private state: StoreHealth = { state: 'ok' };

  constructor({ clock, logger, metrics }: { clock: Clock; logger: Logger; metrics: Metrics }) {
    this.clock = clock;
    this.logger = logger;
    this.refusals = new LogBudget(clock);
    this.failures = metrics.counter('fieldwatch_store_failures_total', 'Failed attempts to write a batch', [
      'code',
    ]);
  }

  get health(): StoreHealth {
    return this.state;
  }

  count(error: unknown): void {
    this.failures.inc(1, { code: codeOf(error) });
  }

  failed(error: unknown, rows: number, what = FAILED): void {
    this.count(error);
    const code = codeOf(error);
    // Logged when the trouble begins or changes, not at every attempt.
    if (this.state.state === 'failing' && this.state.code === code) return;
    const sinceMs = this.state.state === 'failing' ? this.state.sinceMs : this.clock.nowMs();
    this.state = { state: 'failing', code, message: messageOf(error), sinceMs };
    const remedy = error instanceof FieldwatchError ? error.remedy : undefined;
    this.logger.error({ code, err: error, remedy, rows }, what);
  }

  /** Rows that the database refused: a few lines a minute, whether they come in one batch or in thousands. */
  refused(
    rows: number,
    first: { readonly sqlstate: string; readonly error: string; readonly topic: string },
  ): void {
    const all = this.refusals.take(rows);
    if (all !== undefined)
      this.logger.warn({ ...first, rows: all }, 'database refused rows, stored as dead letters');
  }

  recovered(): void {
    if (this.state.state === 'ok') return;
    const awayMs = this.clock.nowMs() - this.state.sinceMs;
    this.state = { state: 'ok' };
    this.logger.info({ away_ms: awayMs }, 'database accepts writes again');
  }
}
