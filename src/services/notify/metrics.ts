import type { Counter, Gauge, Histogram, Metrics } from '../../ports/metrics.ts';

export type Lost = 'refused' | 'dropped' | 'expired';

/** The metrics of all sinks, by the sink's name. */
export class NotificationMetrics {
  readonly #sent: Counter;
  readonly #failures: Counter;
  readonly #lost: Counter;
  readonly #collapsed: Counter;
  readonly #queued: Gauge;
  readonly #failing: Gauge;
  readonly #seconds: Histogram;

  constructor(metrics: Metrics) {
    this.#sent = metrics.counter('fieldwatch_notify_sent_total', 'Notifications accepted by a sink', [
      'sink',
    ]);
    this.#failures = metrics.counter('fieldwatch_notify_failures_total', 'Failed send attempts', [
      'sink',
      'code',
    ]);
    this.#lost = metrics.counter(
      'fieldwatch_notify_lost_total',
      'Notifications lost: refused by the sink, dropped at the queue limit, or expired',
      ['sink', 'reason'],
    );
    this.#collapsed = metrics.counter(
      'fieldwatch_notify_collapsed_total',
      'Notifications replaced by a newer one of the same episode',
      ['sink'],
    );
    this.#queued = metrics.gauge('fieldwatch_notify_queued', 'Waiting notifications', ['sink']);
    this.#failing = metrics.gauge(
      'fieldwatch_notify_failing',
      '1 while a sink does not accept notifications',
      ['sink'],
    );
    this.#seconds = metrics.histogram(
      'fieldwatch_notify_send_seconds',
      'Notification send duration',
      [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      ['sink'],
    );
  }

  sent(sink: string, count: number, seconds: number): void {
    this.#sent.inc(count, { sink });
    this.#seconds.observe(seconds, { sink });
  }

  failed(sink: string, code: string): void {
    this.#failures.inc(1, { sink, code });
  }

  lost(sink: string, reason: Lost, count: number): void {
    if (count > 0) this.#lost.inc(count, { sink, reason });
  }

  collapsed(sink: string, count: number): void {
    if (count > 0) this.#collapsed.inc(count, { sink });
  }

  queued(sink: string, count: number): void {
    this.#queued.set(count, { sink });
  }

  failing(sink: string, failing: boolean): void {
    this.#failing.set(failing ? 1 : 0, { sink });
  }
}
