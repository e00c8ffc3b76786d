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

/** What the announcer asks of the sinks; `NotificationDispatcher` is it. */
export interface DeliveryRouter {
  /** Who is to be told of what. */
  route(notifications: readonly AlertNotification[]): readonly NewDelivery[];
  /** Their deliveries are queued in the database. */
  queued(notifications: readonly AlertNotification[]): void;
  /** The database is away: tell now, from memory. */
  sendNow(notifications: readonly AlertNotification[]): void;
}

export interface SinkHealth {
  readonly sink: string;
  readonly detail: string;
}

/** Notifications that were given up count as trouble for so long. */
const DROPPED_TROUBLE_MS = 600_000;

interface Served {
  readonly worker: SinkWorker;
  readonly fingerprint: string;
}

/** All sinks: which wants what, and a worker for each. */
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

  /** Sinks that did not change go on; the others are stopped, and what was queued for a removed one expires. */
  async reconfigure(setups: readonly SinkSetup[]): Promise<void> {
    const next = new Map(setups.map((setup) => [setup.settings.name, setup]));
    const gone = [...this.#sinks].filter(
      ([name, { fingerprint }]) => next.get(name)?.fingerprint !== fingerprint,
    );
    // What is announced meanwhile is queued for it as for one that runs: so it is not taken out before.
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
   * Nobody can look up now whether a sink was told of an episode: its end is sent if its beginning would be. What is left
   * out here is decided when the rows are stored.
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

  /** The sinks that are in trouble; empty when all is well. */
  health(): readonly SinkHealth[] {
    const nowMs = this.#deps.clock.monotonicMs();
    return [...this.#sinks].flatMap(([sink, { worker }]) => {
      const { failing } = worker.sender;
      if (failing !== undefined) return { sink, detail: failing.message };
      const { droppedAtMs } = worker;
      if (droppedAtMs !== undefined && nowMs - droppedAtMs < DROPPED_TROUBLE_MS)
        return { sink, detail: 'notifications were given up lately' };
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
        : { alertId, seq, sink, event, alertType, ifNotified: answer === 'if_told' };
    });
  }
}
