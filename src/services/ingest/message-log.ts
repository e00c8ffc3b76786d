import type { Decoded, RejectCode } from '../../core/reading.ts';
import { LogBudgets } from '../../lib/log-budget.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';

/** The log of single messages: one line a minute for each reason, or route, with the number since the last line. */
export class MessageLog {
  private readonly logger: Logger;
  private readonly reasons: LogBudgets<RejectCode>;
  private readonly routes: LogBudgets<string>;

  constructor(clock: Clock, logger: Logger) {
    this.logger = logger;
    this.reasons = new LogBudgets(clock);
    this.routes = new LogBudgets(clock);
  }

  refused(topic: string, reason: RejectCode, detail: string | undefined): void {
    // A fault of the program has its own lines.
    if (reason === 'decoder_failed') return;
    const messages = this.reasons.take(reason);
    if (messages === undefined) return;
    this.logger.warn({ topic, reason, detail, messages }, 'messages rejected, stored as dead letters');
  }

  /**
   * Values dropped from a message that was kept: each one at debug; and at warn two values for one metric of one device
   * and time, since the route may read two quantities as one.
   */
  kept(topic: string, decoded: Decoded & { kind: 'readings' }): void {
    const { losses, dropped, ambiguous = 0, route = '' } = decoded;
    if (losses === undefined) return;
    const names = { dropped_names: losses.dropped, ambiguous_names: losses.ambiguous };
    this.logger.debug({ topic, route, dropped, ambiguous, ...names }, 'values of a message dropped');
    const values = ambiguous > 0 ? this.routes.take(route, ambiguous) : undefined;
    if (values !== undefined)
      this.logger.warn(
        { topic, route, metrics: losses.ambiguous, ambiguous: values },
        'several values for one metric, device and time in a message, storing the last one',
      );
  }
}
