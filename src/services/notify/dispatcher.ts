import type { AlertNotification } from '../../core/alert/model.ts';
import { NotificationRoutes, type Recipient, type RoutesConfig } from '../../core/notify/recipients.ts';
import type { Millis } from '../../core/reading.ts';
import type { NewDelivery } from '../../ports/alerts.ts';
import type { NotificationSink } from '../../ports/notification.ts';
import { keyOf, type PlacedNotification } from './memory-queue.ts';
import { type SinkSettings, SinkWorker, type SinkWorkerDeps } from './sink-worker.ts';

/** A sink as it is configured. */
export interface SinkSetup {
  readonly settings: SinkSettings;
  readonly make: () => NotificationSink;
  /** Changes with every setting: an unchanged sink outlives a reload. */
  readonly fingerprint: string;
}

/** The sinks of a configuration, and what leads to them. */
export interface NotifySetup extends RoutesConfig {
  readonly sinks: readonly SinkSetup[];
}

export type NotificationDispatcherDeps = Omit<SinkWorkerDeps, 'sink'>;

/** The sinks, as the publisher uses them; `NotificationDispatcher` implements it. */
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
  /** Its fault; undefined: it accepts notifications. */
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
  #routes: NotificationRoutes;
  #started = false;
  #stopped: Promise<void> | undefined;

  constructor(setup: NotifySetup, deps: NotificationDispatcherDeps) {
    this.#deps = deps;
    for (const sink of setup.sinks) this.#add(sink);
    this.#routes = routesOf(setup);
  }

  start(): void {
    this.#started = true;
    for (const { worker } of this.#sinks.values()) worker.start();
  }

  /** Unchanged sinks continue; the others are stopped, and the queue of a removed one expires. */
  async reconfigure(setup: NotifySetup): Promise<void> {
    const next = new Map(setup.sinks.map((sink) => [sink.settings.name, sink]));
    const gone = [...this.#sinks].filter(
      ([name, { fingerprint }]) => next.get(name)?.fingerprint !== fingerprint,
    );
    // Notifications published meanwhile are queued for it as for one that runs: so it is not removed before.
    await Promise.all(gone.map(([, { worker }]) => worker.stop()));
    for (const [name] of gone) this.#sinks.delete(name);
    for (const sink of setup.sinks) if (!this.#sinks.has(sink.settings.name)) this.#add(sink);
    this.#routes = routesOf(setup);
    if (this.#started) this.start();
  }

  route(notifications: readonly AlertNotification[]): readonly NewDelivery[] {
    const nowMs = this.#deps.clock.nowMs();
    return notifications.flatMap((notification) => this.#deliveriesOf(notification, nowMs));
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
    const nowMs = this.#deps.clock.nowMs();
    const bySink = new Map<string, PlacedNotification[]>();
    for (const notification of notifications)
      for (const { sink, groupKey, waitMs, intervalMs, route } of this.#reachedNow(notification, nowMs)) {
        const placed = { notification, groupKey, waitMs, intervalMs, route: route?.place };
        const found = bySink.get(sink);
        if (found === undefined) bySink.set(sink, [placed]);
        else found.push(placed);
      }
    for (const [sink, placed] of bySink) this.#sinks.get(sink)?.worker.sendNow(placed);
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

  #deliveriesOf(notification: AlertNotification, nowMs: Millis): readonly NewDelivery[] {
    const { alertId, seq, event, alertType, sensorId } = notification;
    const { recipients, escalations } = this.#routes.of(notification, this.#deps.factsOf(sensorId), nowMs);
    const common = { alertId, seq, alertType };
    return [
      ...recipients.map(
        ({ sink, ifNotified, heldUntilMs, repeatMs, groupKey, waitMs, intervalMs, route }) => ({
          ...common,
          route: route?.place,
          ...{ sink, event, ifNotified, groupKey, repeatMs, groupIntervalMs: intervalMs },
          ...(heldUntilMs === undefined
            ? { dueInMs: waitMs }
            : { dueInMs: heldUntilMs - nowMs, heldBy: 'mute' as const }),
        }),
      ),
      ...escalations.map(({ sink, afterMs, dueMs, groupKey, intervalMs, route }) => ({
        ...common,
        route: route.place,
        ...{ sink, ifNotified: false, groupKey, groupIntervalMs: intervalMs },
        event: 'firing' as const,
        heldBy: 'escalation' as const,
        step: Math.round(afterMs / 1000),
        dueInMs: dueMs - nowMs,
        isRise: event === 'escalated',
      })),
    ];
  }

  /** Nothing is held in memory. An end is sent where the firing would be sent now. */
  #reachedNow(notification: AlertNotification, nowMs: Millis): readonly Recipient[] {
    const facts = this.#deps.factsOf(notification.sensorId);
    const sentNow = (of: AlertNotification) =>
      this.#routes.of(of, facts, nowMs).recipients.filter(({ heldUntilMs }) => heldUntilMs === undefined);
    const recipients = sentNow(notification);
    if (!recipients.some(({ ifNotified }) => ifNotified)) return recipients;
    const hadFiring = new Set(sentNow({ ...notification, event: 'firing' }).map(({ sink }) => sink));
    return recipients.filter(({ sink }) => hadFiring.has(sink));
  }
}

const routesOf = ({ sinks, ...config }: NotifySetup): NotificationRoutes =>
  new NotificationRoutes(
    config,
    sinks.map(({ settings }) => settings),
  );
