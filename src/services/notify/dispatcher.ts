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
  readonly kind: string;
  /** What is wrong; undefined: it accepts notifications. */
  readonly detail: string | undefined;
}

export interface SinkTrouble extends SinkHealth {
  readonly detail: string;
}

/** Dropped notifications count as trouble for this time. */
const DROPPED_TROUBLE_MS = 600_000;

interface Served {
  readonly worker: SinkWorker;
  readonly kind: string;
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

  /** Every sink that is configured. */
  health(): readonly SinkHealth[] {
    return [...this.#sinks].map(([sink, { worker, kind }]) => ({
      sink,
      kind,
      detail: this.#trouble(worker),
    }));
  }

  /** The sinks that are in trouble; empty when all work. */
  troubles(): readonly SinkTrouble[] {
    return this.health().filter((sink): sink is SinkTrouble => sink.detail !== undefined);
  }

  #trouble({ sender, droppedAtMs }: SinkWorker): string | undefined {
    if (sender.failing !== undefined) return sender.failing.message;
    const nowMs = this.#deps.clock.monotonicMs();
    const isRecent = droppedAtMs !== undefined && nowMs - droppedAtMs < DROPPED_TROUBLE_MS;
    return isRecent ? 'notifications dropped recently' : undefined;
  }

  stop(): Promise<void> {
    this.#stopped ??= Promise.all([...this.#sinks.values()].map(({ worker }) => worker.stop())).then(
      () => undefined,
    );
    return this.#stopped;
  }

  #add({ settings, make, fingerprint }: SinkSetup): void {
    const logger = this.#deps.logger.child({ component: 'notify' });
    const sink = make();
    const worker = new SinkWorker(settings, { ...this.#deps, logger, sink });
    this.#sinks.set(settings.name, { worker, kind: sink.kind, fingerprint });
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
