import { identityOf } from '../../core/alert/engine/alert-key.ts';
import { alertUnit } from '../../core/alert/kind/alert-unit.ts';
import { setImmediate as nextTick } from 'node:timers/promises';
import { type AlertChange, type AlertNotification, isAlertChange } from '../../core/alert/model.ts';
import { messageOf } from '../../core/errors.ts';
import type { SensorFactsOf } from '../../core/notify/delivery.ts';
import { LANGUAGES } from '../../core/notify/text/languages.ts';
import { isOfSystem, sentenceOf } from '../../core/notify/text/sentence.ts';
import { printableJson } from '../../core/printable.ts';
import { PollLoop } from '../../lib/poll-loop.ts';
import { SerialQueue } from '../../lib/serial-queue.ts';
import type { AlertLineKey, AlertLog, AlertStore } from '../../ports/alerts.ts';
import type { LogFields, Logger } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import type { DeliveryRouter } from '../notify/dispatcher.ts';
import { keyOf } from '../notify/memory-queue.ts';
import { logLevelOf, NoDataDigest } from './no-data-digest.ts';

export interface PublisherDeps {
  readonly store: AlertStore;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly alertLog?: AlertLog | undefined;
  /** Called for each line after its commit. */
  readonly onAlert?: ((change: AlertChange) => void) | undefined;
  /** Absent: lines say the keys of sensors, and units by the names of metrics. */
  readonly describer?: AlertDescriber | undefined;
  /** The sinks; absent where none is configured. */
  readonly router?: DeliveryRouter | undefined;
}

const MARK_AGAIN_MS = 5000;
/** Notifications that are routed and marked at a time. */
const MARKED_AT_ONCE = 1000;
/** Notifications that wait for their lines and marks before `room` is waited for. */
const MAX_BACKLOG = 5000;
/** Lines per event loop iteration: one message may raise tens of thousands of alerts. */
const LINES_PER_TURN = 200;
/** Lines that were published before their rows existed, remembered so that they are not published again with them. */
const MAX_AHEAD = 100_000;

/** With its event: a wrong preview (its reading was refused) must not suppress the actual event. */
const lineOf = (line: AlertLineKey): string => `${keyOf(line)} ${line.event}`;

/** One line per notification; then it is marked in the outbox, and queued for the sinks. */
export class AlertPublisher {
  private readonly deps: PublisherDeps;
  private readonly groups: NoDataDigest;
  private unmarked: AlertNotification[] = [];
  /** Published, and their lines still to be written: they are not in `unmarked` yet. */
  private unwritten = 0;
  private cannotMark = false;
  private readonly ahead = new Set<string>();
  /** Lines that are still being written. */
  private readonly lines = new SerialQueue();
  private readonly marker: PollLoop;

  constructor(deps: PublisherDeps) {
    this.deps = deps;
    this.marker = new PollLoop({ clock: deps.clock, everyMs: Infinity, run: () => this.markSent() });
    this.groups = new NoDataDigest(deps);
  }

  /** Never throws, never waits: the rows are safe, and the next batch must not wait for a disk. */
  publish(notifications: readonly AlertNotification[]): void {
    if (notifications.length === 0) return;
    const fresh = this.unlogged(notifications);
    this.unwritten += notifications.length;
    void this.log(fresh, true, () => {
      this.unwritten -= notifications.length;
      this.mark(notifications);
    });
    const { onAlert } = this.deps;
    if (onAlert !== undefined) for (const each of notifications) if (isAlertChange(each)) onAlert(each);
  }

  /**
   * The database is away and the rows come later: the line is written now, and the sinks are notified now. `publish`
   * follows with the commit, in this process or, from the outbox, in the next one. Nothing is published twice.
   * Resolves once the lines are written; undefined: they are.
   */
  publishUnpersisted(notifications: readonly AlertNotification[]): Promise<void> | undefined {
    const fresh = notifications.filter((each) => !this.ahead.has(lineOf(each)));
    const logged = this.log(fresh, false);
    this.wereNotified(fresh);
    this.deps.router?.sendNow(fresh);
    return logged;
  }

  private unlogged(notifications: readonly AlertNotification[]): readonly AlertNotification[] {
    return notifications.filter((each) => !this.ahead.delete(lineOf(each)) && each.logged !== true);
  }

  /** Their lines are published, by this process or the last one; their rows are still to come. */
  wereNotified(lines: readonly AlertLineKey[]): void {
    for (const line of lines) this.ahead.add(lineOf(line));
    for (const key of this.ahead) {
      if (this.ahead.size <= MAX_AHEAD) break;
      this.ahead.delete(key);
    }
  }

  /**
   * Publishes what the last process committed and did not mark. A line that is in the alert log was published: with that file each
   * is published exactly once, whenever the process was killed.
   */
  async resume(shards?: readonly number[]): Promise<void> {
    const { store, alertLog, logger } = this.deps;
    // The broker redelivers what the last process published and did not commit.
    this.wereNotified(alertLog?.unpersisted?.() ?? []);
    // Where shards come and go, this daemon may just be marking its own lines.
    await this.marker.idle();
    const seen = new Set<string>();
    // The store returns a bounded number at a time; what cannot be marked now is not queried again.
    while (this.unmarked.length === 0) {
      const pending = (await store.pendingNotifications(shards)).filter((each) => !seen.has(keyOf(each)));
      if (pending.length === 0) return;
      for (const each of pending) seen.add(keyOf(each));
      const logged = alertLog?.holds?.(pending) ?? new Set<string>();
      await this.log(
        this.unlogged(pending).filter((each) => !logged.has(keyOf(each))),
        true,
      );
      logger.info({ pending: pending.length, logged: logged.size }, 'resuming undelivered notifications');
      this.mark(pending);
      await this.marker.idle();
    }
  }

  /**
   * Resolves once few notifications wait, or they cannot be marked now. A caller that publishes many in sequence awaits it
   * in between: so their number in memory is bounded, however many there are. Undefined: few wait.
   */
  room(): Promise<void> | undefined {
    return this.isFull ? this.untilRoom() : undefined;
  }

  private get isFull(): boolean {
    return this.unwritten + this.unmarked.length > MAX_BACKLOG && !this.cannotMark;
  }

  private async untilRoom(): Promise<void> {
    while (this.isFull) {
      await this.lines.idle();
      await this.marker.idle();
    }
  }

  /** Resolves once everything published is marked, or cannot be. True: all of it is. */
  async settled(): Promise<boolean> {
    await this.lines.idle();
    await this.marker.idle();
    return this.unmarked.length === 0;
  }

  /** Resolves once the outbox records everything published, or cannot. */
  async stop(): Promise<void> {
    await this.lines.idle();
    this.groups.flush();
    await this.marker.idle();
    await this.marker.stop();
  }

  /** In the order of the calls: at once if few, else some per event loop iteration. Undefined once all are written. */
  private log(
    notifications: readonly AlertNotification[],
    persisted: boolean,
    then: () => void = () => {},
  ): Promise<void> | undefined {
    const grouped = this.groups.take(notifications);
    if (this.lines.isIdle && notifications.length <= LINES_PER_TURN) {
      this.write(notifications, persisted, grouped);
      then();
      return undefined;
    }
    return this.lines.run(async () => {
      for (let at = 0; at < notifications.length; at += LINES_PER_TURN) {
        this.write(notifications.slice(at, at + LINES_PER_TURN), persisted, grouped);
        await nextTick();
      }
      then();
    });
  }

  private write(
    notifications: readonly AlertNotification[],
    persisted: boolean,
    grouped: ReadonlySet<AlertNotification>,
  ): void {
    const { logger, alertLog, clock, describer = UNDESCRIBED } = this.deps;
    for (const notification of notifications) {
      const nowMs = clock.nowMs();
      const fields = alertFields(notification, persisted, describer);
      const message = messageOfLine(notification, describer, nowMs);
      logAlert(logger, notification, fields, message, grouped.has(notification));
      alertLog?.write(alertLine(notification, fields, message, nowMs));
    }
  }

  private mark(notifications: readonly AlertNotification[]): void {
    for (const notification of notifications) this.unmarked.push(notification);
    void this.marker.now();
  }

  /** Marks that fail are retried shortly; after a crash they are found in the outbox. */
  private async markSent(): Promise<number | void> {
    const { store, router, logger } = this.deps;
    while (this.unmarked.length > 0) {
      const sent = this.unmarked.slice(0, MARKED_AT_ONCE);
      try {
        await store.markSent(sent, router?.route(sent) ?? []);
        this.unmarked.splice(0, sent.length);
        this.cannotMark = false;
        router?.queued(sent);
      } catch (error) {
        this.cannotMark = true;
        logger.warn(
          { error: messageOf(error), notifications: this.unmarked.length },
          'cannot mark notifications as sent, retrying',
        );
        return MARK_AGAIN_MS;
      }
    }
  }
}

/** Name and location of the sensor, and the units of metrics. */
export interface AlertDescriber {
  readonly factsOf: (sensorId: number) => SensorFactsOf;
  /** Undefined: by the name of the metric. */
  readonly unitOf: (metric: string) => string | undefined;
}

export const UNDESCRIBED: AlertDescriber = {
  factsOf: () => ({ name: null, location: null }),
  unitOf: () => undefined,
};

/** The fields of an alert line, in the main log and in the alert log alike (ALERTS.md section 13). */
export function alertFields(
  notification: AlertNotification,
  persisted: boolean,
  { factsOf, unitOf: stated }: AlertDescriber = UNDESCRIBED,
): LogFields {
  const over = notification.event === 'resolved';
  const { name, location } = factsOf(notification.sensorId);
  const { kind, metric } = identityOf(notification);
  const unit = isOfSystem(notification) ? undefined : alertUnit(kind, metric, stated);
  return {
    event: notification.event,
    alert_id: notification.alertId,
    seq: notification.seq,
    sensor_id: notification.sensorId,
    sensor: notification.sensorKey,
    ...(name === null ? {} : { name }),
    ...(location === null ? {} : { location }),
    alert_type: notification.alertType,
    ...(notification.metric === undefined ? {} : { metric: notification.metric, kind: notification.kind }),
    severity: notification.severity,
    value: notification.value,
    threshold: notification.threshold,
    ...(unit === undefined ? {} : { unit }),
    event_time: new Date(notification.eventTimeMs).toISOString(),
    started_at: new Date(notification.startedAtMs).toISOString(),
    ...(over
      ? {
          duration_s: notification.durationS,
          resolved_value: notification.resolvedValue,
          peak_value: notification.peakValue,
          reason: notification.reason,
        }
      : {}),
    ...(notification.ackedBy === undefined ? {} : { by: notification.ackedBy }),
    suppressed: notification.suppressed ?? null,
    backfilled: notification.backfilled,
    persisted,
    ...(notification.runbook === null ? {} : { runbook: notification.runbook }),
    ...(notification.labels === undefined ? {} : { labels: notification.labels }),
    text: notification.message,
  };
}

/** The event as an English sentence, as of now. */
function messageOfLine(
  notification: AlertNotification,
  { factsOf, unitOf }: AlertDescriber,
  nowMs: number,
): string {
  const described = { ...notification, facts: factsOf(notification.sensorId) };
  return sentenceOf(described, { language: LANGUAGES.en, timezone: 'UTC', nowMs, unitOf });
}

/** `grouped`: covered by the line of its group. */
export function logAlert(
  logger: Logger,
  notification: AlertNotification,
  fields: LogFields,
  message: string,
  grouped = false,
): void {
  logger[grouped ? 'debug' : logLevelOf(notification)](fields, message);
}

/** The log line as one line of JSON, with level and time as text for `tail`, `jq` and log shippers. */
export function alertLine(
  notification: AlertNotification,
  fields: LogFields,
  message: string,
  nowMs: number,
): string {
  const line = JSON.stringify({
    level: logLevelOf(notification),
    time: new Date(nowMs).toISOString(),
    msg: message,
    ...fields,
  });
  return printableJson(line);
}
