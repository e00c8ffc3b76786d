import type { AlertNotification } from '../../src/core/alert/model.ts';
import type { Placement } from '../../src/core/notify/grouping.ts';
import type { Delivery } from '../../src/core/notify/delivery.ts';
import type {
  HeldReport,
  NotificationSink,
  NotificationStore,
  SentNotification,
  SinkReport,
} from '../../src/ports/notification.ts';
import type { Clock } from '../../src/ports/time.ts';
import { MemoryQueue, type PlacedNotification } from '../../src/services/notify/memory-queue.ts';
import { FakeClock } from './fake-clock.ts';

/** Notifications as routes place them: by their type, at once, unless said otherwise. */
export const placed = (
  all: readonly AlertNotification[],
  placement: Partial<Placement> = {},
): readonly PlacedNotification[] =>
  all.map((notification) => ({
    notification,
    route: undefined,
    groupKey: JSON.stringify({ alert_type: notification.alertType }),
    waitMs: 0,
    intervalMs: 0,
    ...placement,
  }));

/** The queues of the sinks in memory; `away` is a database that does not answer. */
export class FakeDeliveries implements NotificationStore {
  readonly queue: MemoryQueue;
  /** What the next looks at the held deliveries find. */
  readonly held: HeldReport[] = [];
  readonly recordedAs: AlertNotification[] = [];
  readonly reports: SinkReport[] = [];
  away = false;
  leasedBy: string | undefined;
  dropOver: number | undefined;

  constructor(clock: Pick<Clock, 'monotonicMs'> = new FakeClock()) {
    this.queue = new MemoryQueue(1_000_000, clock);
  }

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

  async queueDue(): Promise<HeldReport> {
    return this.held.shift() ?? { released: 0, cancelled: 0, postponed: 0, nextInMs: Infinity };
  }

  async enforceLimits(_sink: string, { max }: { max: number }) {
    const dropped = this.queue.bound(Math.min(max, this.dropOver ?? Infinity));
    return { queued: this.queue.size, collapsed: 0, dropped, expired: 0 };
  }

  async record(_sink: string, sent: readonly SentNotification[]) {
    this.recordedAs.push(...sent.map(({ notification }) => notification));
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
