import { FieldwatchError, codeOf } from '../../core/errors.ts';
import { LogBudget } from '../../lib/log-budget.ts';
import { Outage, type Trouble } from '../../lib/outage.ts';
import type { Counter, Logger, Metrics } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';

/** Whether the database takes what we write. */
export type StoreHealth = { readonly state: 'ok' } | ({ readonly state: 'failing' } & Trouble);

const FAILED = 'cannot write to the database; messages are held unacknowledged and tried again';

/** Counts failed attempts, and reports an outage when it begins, when it changes and when it is over. */
export class OutageMonitor {
  private readonly logger: Logger;
  private readonly failures: Counter;
  private readonly refusals: LogBudget;
  private readonly outage: Outage;

  constructor({ clock, logger, metrics }: { clock: Clock; logger: Logger; metrics: Metrics }) {
    this.logger = logger;
    this.outage = new Outage(clock);
    this.refusals = new LogBudget(clock);
    this.failures = metrics.counter('fieldwatch_store_failures_total', 'Failed attempts to write a batch', [
      'code',
    ]);
  }

  get health(): StoreHealth {
    const { trouble } = this.outage;
    return trouble === undefined ? { state: 'ok' } : { state: 'failing', ...trouble };
  }

  count(error: unknown): void {
    this.failures.inc(1, { code: codeOf(error) });
  }

  failed(error: unknown, rows: number, what = FAILED): void {
    this.count(error);
    if (!this.outage.failed(error)) return;
    const remedy = error instanceof FieldwatchError ? error.remedy : undefined;
    this.logger.error({ code: codeOf(error), err: error, remedy, rows }, what);
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
    const awayMs = this.outage.recovered();
    if (awayMs !== undefined) this.logger.info({ away_ms: awayMs }, 'database accepts writes again');
  }
}
