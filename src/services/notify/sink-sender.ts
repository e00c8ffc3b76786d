import type { Delivery } from '../../core/notify/delivery.ts';
import { TokenBucket, perMinute } from '../../core/token-bucket.ts';
import { SinkError, sinkError } from '../../core/notify/sink-error.ts';
import { type BackoffLimits, type RandomSource, backoffMs, slowBackoffMs } from '../../lib/backoff.ts';
import { Outage, type Trouble } from '../../lib/outage.ts';
import { InterruptibleSleep } from '../../lib/sleep.ts';
import { unlessAborted, withDeadline } from '../../lib/timeout.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { NotificationSink, SinkReport } from '../../ports/notification.ts';
import type { Clock } from '../../ports/time.ts';
import type { NotificationMetrics } from './metrics.ts';

export interface SenderSettings {
  readonly name: string;
  readonly maxPerMinute: number;
  readonly timeoutMs: number;
  readonly retry: BackoffLimits;
}

export interface SenderDeps {
  readonly sink: NotificationSink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: NotificationMetrics;
  readonly random: RandomSource;
}

/** `later`: the sink cannot be reached now; the notifications stay queued. */
export type SendOutcome = 'sent' | 'refused' | 'later';

const GRACE_MS = 2000;
const MAX_RETRY_AFTER_MS = 3_600_000;

/** Sends to one sink: rate limit, time-out, backoff after failures, and the accounting. */
export class SinkSender {
  readonly #settings: SenderSettings;
  readonly #deps: SenderDeps;
  readonly #bucket: TokenBucket;
  readonly #pause: InterruptibleSleep;
  readonly #abort = new AbortController();
  #stopping = false;
  #attempt = 0;
  #retryAtMs = 0;
  readonly #outage: Outage;
  #tally = { sent: 0, refused: 0, dropped: 0 };
  #notified: SinkReport['failure'] | undefined;
  #lastRefusal: string | undefined;

  constructor(settings: SenderSettings, deps: SenderDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#bucket = new TokenBucket(perMinute(settings.maxPerMinute), deps.clock.monotonicMs());
    this.#outage = new Outage(deps.clock);
    this.#pause = new InterruptibleSleep(deps.clock);
  }

  /** Since when, and why, the sink accepts nothing. */
  get failing(): Trouble | undefined {
    return this.#outage.trouble;
  }

  /** Remaining backoff after a failure; 0 without one. */
  get restMs(): number {
    return Math.max(0, this.#retryAtMs - this.#deps.clock.monotonicMs());
  }

  /** `isDivisible`: a refused one is sent in parts next, so it is not given up yet. */
  async send(delivery: Delivery, { isDivisible = false } = {}): Promise<SendOutcome> {
    if (!(await this.#waitForRate())) return 'later';
    const { clock, metrics, sink } = this.#deps;
    const startedMs = clock.monotonicMs();
    const attempt = (signal: AbortSignal) => sink.send(delivery, signal);
    const outcome = await this.#attempted(attempt, delivery, isDivisible);
    if (outcome === 'sent') {
      metrics.sent(this.#settings.name, delivery.total, (clock.monotonicMs() - startedMs) / 1000);
      this.#tally.sent += delivery.total;
    }
    if (outcome === 'refused' && !isDivisible) {
      metrics.lost(this.#settings.name, 'refused', delivery.total);
      this.#tally.refused += delivery.total;
    }
    return outcome;
  }

  /** Sends the sink again what would expire there. False when it does not answer. */
  async resend(): Promise<boolean> {
    const { resend } = this.#deps.sink;
    if (resend === undefined || this.restMs > 0) return true;
    for (const call of resend.calls()) if ((await this.#attempted(call)) !== 'sent') return false;
    return true;
  }

  dropped(count: number): void {
    this.#tally.dropped += count;
  }

  /** Changes since the last report; undefined if there were none. */
  report(): SinkReport | undefined {
    const { trouble } = this.#outage;
    const failure = trouble === undefined ? null : { message: trouble.message, sinceMs: trouble.sinceMs };
    const { sent, refused, dropped } = this.#tally;
    if (sent + refused + dropped === 0 && failure?.message === this.#notified?.message) {
      if ((failure === null) === (this.#notified === null || this.#notified === undefined)) return undefined;
    }
    this.#tally = { sent: 0, refused: 0, dropped: 0 };
    this.#notified = failure;
    return { sent, refused, dropped, failure, refusal: this.#lastRefusal };
  }

  /** A request under way gets a moment to finish. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#pause.stop();
    this.#deps.clock.after(GRACE_MS, () => this.#abort.abort());
  }

  /** Waits for the rate limit of the sink. */
  async #waitForRate(): Promise<boolean> {
    for (;;) {
      if (this.#stopping || this.restMs > 0) return false;
      const waitMs = this.#bucket.take(this.#deps.clock.monotonicMs());
      if (waitMs === 0) return true;
      await this.#pause.sleep(waitMs);
    }
  }

  async #attempted(
    run: (signal: AbortSignal) => Promise<void>,
    delivery?: Delivery,
    isDivisible = false,
  ): Promise<SendOutcome> {
    try {
      await this.#bounded(run);
    } catch (error) {
      if (this.#abort.signal.aborted) return 'later';
      const failure = sinkError(error);
      this.#deps.metrics.failed(this.#settings.name, failure.code);
      if (failure.fault === 'refused') {
        if (!isDivisible) this.#reportRefusal(failure, delivery);
        // It answered, so it is reachable.
        this.#recovered();
        return 'refused';
      }
      return this.#failed(failure);
    }
    this.#recovered();
    return 'sent';
  }

  /** A sink that does not answer is abandoned, whether or not it heeds the signal. */
  async #bounded(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { timeoutMs } = this.#settings;
    const late = () => new SinkError('away', `no answer within ${timeoutMs} ms`);
    const bounded = (signal: AbortSignal) =>
      unlessAborted(run(signal), signal, late).catch((error: unknown) => {
        throw signal.aborted ? late() : error;
      });
    await withDeadline(this.#deps.clock, { ms: timeoutMs }, bounded, this.#abort.signal);
  }

  #failed(failure: SinkError): 'later' {
    const { clock, random, logger, metrics } = this.#deps;
    const { retry, name } = this.#settings;
    const slow = failure.fault === 'auth' || failure.fault === 'setup' || failure.fault === 'certificate';
    const waitMs = slow ? slowBackoffMs(retry, random) : backoffMs(this.#attempt++, retry, random);
    const asked = Math.min(failure.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
    // Not at once, even with random jitter: a sink that refuses quickly would be called in a tight loop.
    this.#retryAtMs = clock.monotonicMs() + Math.max(waitMs, asked, retry.baseMs / 2);
    const { message, code, remedy } = failure;
    if (this.#outage.failed(failure))
      logger.warn({ sink: name, code, error: message, remedy }, 'sink refuses notifications, retrying');
    metrics.failing(name, true);
    return 'later';
  }

  #reportRefusal(failure: SinkError, delivery: Delivery | undefined): void {
    const first = delivery?.notifications[0];
    this.#lastRefusal = failure.message;
    this.#deps.logger.error(
      {
        sink: this.#settings.name,
        code: failure.code,
        error: failure.message,
        alert_id: first?.alertId,
        seq: first?.seq,
        notifications: delivery?.total,
      },
      'notification refused by the sink, dropped',
    );
  }

  #recovered(): void {
    this.#attempt = 0;
    this.#retryAtMs = 0;
    const awayMs = this.#outage.recovered();
    if (awayMs === undefined) return;
    const { logger, metrics } = this.#deps;
    metrics.failing(this.#settings.name, false);
    logger.info({ sink: this.#settings.name, away_ms: awayMs }, 'sink accepts notifications again');
  }
}
