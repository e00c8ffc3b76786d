import type { AlertChange } from '../core/alert/model.ts';
import { messageOf } from '../core/errors.ts';
import { Outage } from '../lib/outage.ts';
import { PollLoop } from '../lib/poll-loop.ts';
import { sleep } from '../lib/sleep.ts';
import type { Logger } from '../ports/metrics.ts';
import type { Clock } from '../ports/time.ts';
import { type PublishedAlert, databaseNow, publishedSince } from '../queries/alert-changes.ts';
import type { Db } from '../queries/db.ts';
import type { AlertEvent, AlertSubscription } from './monitor-types.ts';

const POLL_EVERY_MS = 1000;
/** A transaction that began earlier may be committed later: what was seen already is not reported again. */
const OVERLAP_MS = 10_000;
const MOST = 2000;

export const eventOf = (n: AlertChange): AlertEvent => ({
  ...{
    event: n.event,
    alertId: n.alertId,
    sensor: n.sensorKey,
    alertType: n.alertType,
    severity: n.severity,
  },
  ...{ message: n.message, value: n.value, threshold: n.threshold },
  time: new Date(n.eventTimeMs),
  startedAt: new Date(n.startedAtMs),
});

type Listener = (alert: AlertEvent) => void;

/** Alert events of all processes: read from the outbox, as the API does. It polls only while there is a listener. */
export class AlertFeed {
  private readonly db: Db;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly listeners = new Set<Listener>();
  private readonly loop: PollLoop;
  private readonly outage: Outage;
  /** By alert id and number, when it was seen. */
  private readonly seen = new Map<string, number>();
  private sinceMs: number | undefined;

  constructor(deps: { readonly db: Db; readonly clock: Clock; readonly logger: Logger }) {
    this.db = deps.db;
    this.clock = deps.clock;
    this.logger = deps.logger;
    this.outage = new Outage(deps.clock);
    this.loop = new PollLoop({ clock: deps.clock, everyMs: POLL_EVERY_MS, run: () => this.poll() });
  }

  subscribe(listener: Listener): AlertSubscription {
    // One function may be subscribed twice.
    const own: Listener = (alert) => listener(alert);
    if (this.listeners.size === 0) this.sinceMs = undefined;
    this.listeners.add(own);
    const end = () => void this.listeners.delete(own);
    return Object.assign(end, { ready: this.begun() });
  }

  /** Resolves after a poll that has succeeded. */
  private async begun(): Promise<void> {
    while (this.sinceMs === undefined && !this.loop.isStopped) {
      await this.loop.now();
      if (this.sinceMs === undefined) await sleep(this.clock, POLL_EVERY_MS);
    }
  }

  async stop(): Promise<void> {
    this.listeners.clear();
    await this.loop.stop();
  }

  private async poll(): Promise<number> {
    try {
      await this.readNew();
      this.outage.recovered();
    } catch (error) {
      if (this.outage.failed(error))
        this.logger.warn({ error: messageOf(error) }, 'cannot read alert events, retrying');
    }
    return this.listeners.size === 0 ? Infinity : POLL_EVERY_MS;
  }

  private async readNew(): Promise<void> {
    const nowMs = await databaseNow(this.db);
    const isFirst = this.sinceMs === undefined;
    const since = new Date((this.sinceMs ?? nowMs) - OVERLAP_MS).toISOString();
    const published = await publishedSince(this.db, since, MOST);
    this.sinceMs = nowMs;
    const fresh = this.unseen(published);
    // Rows of the first poll happened before.
    if (isFirst) return;
    if (fresh.length >= MOST)
      this.logger.warn({ read: fresh.length }, 'alert events over the read limit, oldest dropped');
    for (const { notification } of fresh)
      for (const listener of [...this.listeners]) this.call(listener, notification);
  }

  private unseen(published: readonly PublishedAlert[]): readonly PublishedAlert[] {
    const nowMs = this.clock.monotonicMs();
    const keyOf = ({ notification: { alertId, seq } }: PublishedAlert) => `${alertId} ${seq}`;
    const fresh = published.filter((each) => !this.seen.has(keyOf(each)));
    for (const each of published) this.seen.set(keyOf(each), nowMs);
    for (const [key, atMs] of this.seen) if (nowMs - atMs > 2 * OVERLAP_MS) this.seen.delete(key);
    return fresh;
  }

  private call(listener: Listener, notification: AlertChange): void {
    try {
      listener(eventOf(notification));
    } catch (error) {
      this.logger.error({ err: error }, 'alert listener failed');
    }
  }
}
