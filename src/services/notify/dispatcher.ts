import type { AlertNotification } from '../../core/alert/model.ts';
import { wanted } from '../../core/notify/filter.ts';
import type { NewDelivery } from '../../ports/alerts.ts';
import type { NotificationSink } from '../../ports/notification.ts';
import { keyOf } from './memory-queue.ts';
import { type SinkSettings, SinkWorker, type SinkWorkerDeps } from './sink-worker.ts';

/** A sink as it is configured. */
export interface SinkSetup {
  readonly settings: SinkSettings;
  readonly make: () => NotificationSink;
  /** Changes with every setting: an unchanged sink outlives a reload. */
  readonly fingerprint: string;
}

export type NotificationDispatcherDeps = Omit<SinkWorkerDeps, 'sink'>;

/** What the publisher needs of the sinks; `NotificationDispatcher` implements it. */
export interface DeliveryRouter {
  /** Which sinks get which notification. */
  route(notifications: readonly AlertNotification[]): readonly NewDelivery[];
  /** Their deliveries are queued in the database. */
  queued(notifications: readonly AlertNotification[]): void;
  /** The database is away: send now, from memory. */
  sendNow(notifications: readonly AlertNotification[]): void;
}

export interface SinkHealth {
  readonly sink: string;
  readonly detail: string;
}

/** Dropped notifications count as trouble for this time. */
const DROPPED_TROUBLE_MS = 600_000;

interface Served {
  readonly worker: SinkWorker;
  readonly fingerprint: string;
}

/** All sinks: which notifications each gets, and a worker for each. */
export class NotificationDispatcher implements DeliveryRouter {
  readonly #deps: NotificationDispatcherDeps;
  readonly #sinks = new Map<string, Served>();
  #started = false;
  #stopped: Promise<void> | undefined;

  constructor(setups: readonly SinkSetup[], deps: NotificationDispatcherDeps) {
    this.#deps = deps;
    for (const setup of setups) this.#add(setup);
  }

  start(): void {
    this.#started = true;
    for (const { worker } of this.#sinks.values()) worker.start();
  }

  /** Unchanged sinks continue; the others are stopped, and the queue of a removed one expires. */
  async reconfigure(setups: readonly SinkSetup[]): Promise<void> {
    const next = new Map(setups.map((setup) => [setup.settings.name, setup]));
    const gone = [...this.#sinks].filter(
      ([name, { fingerprint }]) => next.get(name)?.fingerprint !== fingerprint,
    );
    // Notifications published meanwhile are queued for it as for one that runs: so it is not removed before.
    await Promise.all(gone.map(([, { worker }]) => worker.stop()));
    for (const [name] of gone) this.#sinks.delete(name);
    for (const setup of setups) if (!this.#sinks.has(setup.settings.name)) this.#add(setup);
    if (this.#started) this.start();
  }

  route(notifications: readonly AlertNotification[]): readonly NewDelivery[] {
    return notifications.flatMap((notification) => this.#routeOne(notification));
  }

  queued(notifications: readonly AlertNotification[]): void {
    const keys = new Set(notifications.map(keyOf));
    for (const { worker } of this.#sinks.values()) worker.stored(keys);
  }

  /**
   * Whether a sink was notified of an episode cannot be looked up now: its end is sent if its beginning would be. What is
   * left out here is decided when the rows are stored.
   */
  sendNow(notifications: readonly AlertNotification[]): void {
    for (const { worker } of this.#sinks.values()) {
      const { filter } = worker.settings;
      const own = notifications.filter((each) => {
        const { location } = this.#deps.factsOf(each.sensorId);
        if (wanted(filter, each, location) === 'no') return false;
        return wanted(filter, { ...each, event: 'firing' }, location) === 'yes';
      });
      if (own.length > 0) worker.sendNow(own);
    }
  }

  /** The sinks that are in trouble; empty when all work. */
  health(): readonly SinkHealth[] {
    const nowMs = this.#deps.clock.monotonicMs();
    return [...this.#sinks].flatMap(([sink, { worker }]) => {
      const { failing } = worker.sender;
      if (failing !== undefined) return { sink, detail: failing.message };
      const { droppedAtMs } = worker;
      if (droppedAtMs !== undefined && nowMs - droppedAtMs < DROPPED_TROUBLE_MS)
        return { sink, detail: 'notifications dropped recently' };
      return [];
    });
  }

  stop(): Promise<void> {
    this.#stopped ??= Promise.all([...this.#sinks.values()].map(({ worker }) => worker.stop())).then(
      () => undefined,
    );
    return this.#stopped;
  }

  #add({ settings, make, fingerprint }: SinkSetup): void {
    const logger = this.#deps.logger.child({ component: 'notify' });
    const worker = new SinkWorker(settings, { ...this.#deps, logger, sink: make() });
    this.#sinks.set(settings.name, { worker, fingerprint });
  }

  #routeOne(notification: AlertNotification): NewDelivery[] {
    const { alertId, seq, event, alertType, sensorId } = notification;
    const { location } = this.#deps.factsOf(sensorId);
    return [...this.#sinks].flatMap(([sink, { worker }]) => {
      const answer = wanted(worker.settings.filter, notification, location);
      return answer === 'no'
        ? []
        : { alertId, seq, sink, event, alertType, ifNotified: answer === 'if_notified' };
    });
  }
}
