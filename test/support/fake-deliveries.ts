import type { AlertNotification } from '../../src/core/alert/model.ts';
import type { Delivery } from '../../src/core/notify/delivery.ts';
import type { NotificationStore, NotificationSink, SinkReport } from '../../src/ports/notification.ts';
import { MemoryQueue } from '../../src/services/notify/memory-queue.ts';

/** The queues of the sinks in memory; `away` is a database that does not answer. */
export class FakeDeliveries implements NotificationStore {
  readonly queue = new MemoryQueue(1_000_000);
  readonly recordedAs: AlertNotification[] = [];
  readonly reports: SinkReport[] = [];
  away = false;
  leasedBy: string | undefined;
  dropOver: number | undefined;

  queueOf() {
    return this.queue;
  }

  async lease(_sink: unknown, owner: string) {
    if (this.away) throw new Error('database away');
    this.leasedBy ??= owner;
    return this.leasedBy === owner;
  }

  async release() {
    this.leasedBy = undefined;
  }

  async enforceLimits(_sink: string, { max }: { max: number }) {
    const dropped = this.queue.bound(Math.min(max, this.dropOver ?? Infinity));
    return { queued: this.queue.size, collapsed: 0, dropped, expired: 0 };
  }

  async record(_sink: string, sent: readonly AlertNotification[]) {
    this.recordedAs.push(...sent);
  }

  async notified() {
    return [];
  }

  async report(_sink: string, report: SinkReport) {
    this.reports.push(report);
  }
}

/** A sink that records its deliveries, and fails as configured. */
export class FakeSink implements NotificationSink {
  readonly kind = 'fake';
  deliveryMode: NotificationSink['deliveryMode'] = 'group';
  readonly got: Delivery[] = [];
  attempts = 0;
  fail: ((delivery: Delivery) => Error | 'hang' | undefined) | undefined;
  closed = false;

  async send(delivery: Delivery): Promise<void> {
    this.attempts++;
    const failure = this.fail?.(delivery);
    if (failure === 'hang') await new Promise(() => {});
    else if (failure !== undefined) throw failure;
    this.got.push(delivery);
  }

  async probe() {
    return 'fine';
  }

  async close() {
    this.closed = true;
  }
}
