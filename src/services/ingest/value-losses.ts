import type { Decoded } from '../../core/reading.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';

const LOG_EVERY_MS = 60_000;
const MAX_ROUTES = 1000;

/**
 * Logs values dropped from messages that were kept: each one at debug; and at warn, once per route and minute, two values
 * for one metric of one device and time, since the route may read two quantities as one.
 */
export class ValueLosses {
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly loggedMs = new Map<string, number>();
  private unlogged = 0;

  constructor(clock: Clock, logger: Logger) {
    this.clock = clock;
    this.logger = logger;
  }

  note(topic: string, decoded: Decoded & { kind: 'readings' }): void {
    const { losses, dropped, ambiguous = 0, route = '' } = decoded;
    if (losses === undefined) return;
    const names = { dropped_names: losses.dropped, ambiguous_names: losses.ambiguous };
    this.logger.debug({ topic, route, dropped, ambiguous, ...names }, 'values of a message dropped');
    if (ambiguous > 0) this.warn(topic, route, ambiguous, losses.ambiguous);
  }

  private warn(topic: string, route: string, ambiguous: number, metrics: readonly string[]): void {
    this.unlogged += ambiguous;
    const nowMs = this.clock.monotonicMs();
    if (nowMs - (this.loggedMs.get(route) ?? -Infinity) < LOG_EVERY_MS) return;
    if (this.loggedMs.size >= MAX_ROUTES) this.loggedMs.clear();
    this.loggedMs.set(route, nowMs);
    this.logger.warn(
      { topic, route, metrics, ambiguous: this.unlogged },
      'several values for one metric, device and time in a message, storing the last one',
    );
    this.unlogged = 0;
  }
}
