import type { RejectCode } from '../../core/reading.ts';
import { LogBudget } from '../../lib/log-budget.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';

/** Logs refused messages: at warn, once a minute for each reason, with the number since the last line. */
export class RefusedMessages {
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly budgets = new Map<RejectCode, LogBudget>();

  constructor(clock: Clock, logger: Logger) {
    this.clock = clock;
    this.logger = logger;
  }

  note(topic: string, reason: RejectCode, detail: string | undefined): void {
    // A fault of the program has its own lines.
    if (reason === 'decoder_failed') return;
    let budget = this.budgets.get(reason);
    if (budget === undefined) this.budgets.set(reason, (budget = new LogBudget(this.clock, 1)));
    const messages = budget.take();
    if (messages === undefined) return;
    this.logger.warn({ topic, reason, detail, messages }, 'messages rejected, stored as dead letters');
  }
}
