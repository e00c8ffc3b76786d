import { isAbsence } from '../alert/kind/index.ts';
import type { AlertNotification } from '../alert/model.ts';
import type { Millis } from '../reading.ts';
import {
  type Delivery,
  type DeliveryOrigin,
  type OutgoingNotification,
  SAYS_OPEN,
  SUPPRESSIBLE,
  type SensorFactsOf,
} from './delivery.ts';
import { COLLAPSE_AFTER_MS, GROUP_NAMES, groupLabelsOf } from './grouping.ts';
import type { NotificationRoutes, Routing } from './recipients.ts';

/** State that decides whether a held delivery is sent: an episode as it is now. */
export interface EpisodeState {
  readonly sensorId: number;
  readonly metric: string;
  readonly kind: string;
  readonly state: string;
  /** Infinity: while it is open; undefined: it is not acknowledged. */
  readonly ackedUntilMs: Millis | undefined;
  readonly isSuppressed: boolean;
}

/** The open alerts at a moment. */
export interface EpisodeView {
  find(alertId: string): EpisodeState | undefined;
  /** Whether the sensor, or this metric of it, is missed. */
  isSilent(sensorId: number, metric: string): boolean;
}

/** A notification as a sink gets it. */
export interface SentDelivery extends Delivery {
  readonly sink: string;
  readonly atMs: Millis;
}

interface Row {
  readonly id: number;
  readonly notification: AlertNotification;
  readonly sink: string;
  readonly event: AlertNotification['event'];
  readonly groupKey: string;
  readonly intervalMs: Millis;
  readonly step: number;
  readonly origin: DeliveryOrigin | null;
  readonly repeatMs: Millis | null;
  readonly createdMs: Millis;
  readonly dueMs: Millis;
  readonly held: boolean;
  /** Once it is released. */
  readonly ackEnded?: boolean;
  readonly outcome: 'sent' | 'collapsed' | 'cancelled' | undefined;
}

const OPEN: readonly string[] = ['firing', 'recovering', 'flapping', 'latched'];
const RANK: Readonly<Record<string, number>> = { critical: 0, warning: 1, info: 2 };

/**
 * The queues of sinks that always accept, on the clock of a scenario: what the statements of the notification store decide, without a
 * database. What is due at a moment is sent once the clock goes on.
 */
export class DeliverySimulation {
  readonly #routes: NotificationRoutes;
  /** Sinks that take several as one; the others get each by itself, at once. */
  readonly #grouped: ReadonlySet<string>;
  readonly #factsOf: (sensorId: number) => SensorFactsOf;
  readonly #sent: SentDelivery[] = [];
  readonly #announced: AlertNotification[] = [];
  readonly #flushedMs = new Map<string, Millis>();
  #rows: Row[] = [];
  #nextId = 1;

  constructor(
    routes: NotificationRoutes,
    grouped: ReadonlySet<string>,
    factsOf: (sensorId: number) => SensorFactsOf,
  ) {
    this.#routes = routes;
    this.#grouped = grouped;
    this.#factsOf = factsOf;
  }

  get sent(): readonly SentDelivery[] {
    return this.#sent;
  }

  /** Notifications of one commit. */
  publish(notifications: readonly AlertNotification[], nowMs: Millis): void {
    this.#announced.push(...notifications);
    for (const notification of notifications) {
      if (notification.event === 'resolved')
        this.#change(
          (row) =>
            row.notification.alertId === notification.alertId &&
            (row.held ||
              (row.outcome === undefined && (row.origin !== null || SAYS_OPEN.includes(row.event)))),
          () => ({ held: false, outcome: 'cancelled' }),
        );
      this.#queue(
        notification,
        this.#routes.of(notification, this.#factsOf(notification.sensorId), nowMs),
        nowMs,
      );
    }
  }

  /** Sends what is due before `toMs`, or at it with `inclusive`. */
  advance(toMs: Millis, view: EpisodeView, { inclusive = false } = {}): void {
    for (;;) {
      const nowMs = this.#nextMs();
      if (nowMs > toMs || (nowMs === toMs && !inclusive)) return;
      this.#release(nowMs, view);
      this.#collapse(nowMs);
      this.#sendDue(nowMs, view);
    }
  }

  #queue(notification: AlertNotification, { recipients, escalations }: Routing, nowMs: Millis): void {
    const { alertId, seq, event } = notification;
    const ofEpisode = (sink: string) =>
      this.#rows.filter((row) => row.sink === sink && row.notification.alertId === alertId);
    const common = { notification, createdMs: nowMs, outcome: undefined, repeatMs: null, step: 0 } as const;
    for (const {
      sink,
      ifNotified,
      heldUntilMs,
      repeatMs = null,
      groupKey,
      waitMs,
      intervalMs,
    } of recipients) {
      const hadFiring = ofEpisode(sink).some(
        (row) => row.notification.seq < seq && !row.held && row.outcome !== 'cancelled',
      );
      if (ifNotified && !hadFiring) continue;
      const held = heldUntilMs !== undefined;
      const dueMs = heldUntilMs ?? (this.#grouped.has(sink) ? nowMs + waitMs : nowMs);
      const origin = held ? 'mute' : null;
      this.#add({ ...common, sink, event, groupKey, intervalMs, repeatMs, held, dueMs, origin });
    }
    for (const { sink, afterMs, dueMs, groupKey, intervalMs } of escalations) {
      const step = Math.round(afterMs / 1000);
      const isRise = event === 'escalated';
      if (ofEpisode(sink).some((row) => row.step === step && (isRise || row.outcome !== 'cancelled')))
        continue;
      const kept = { sink, groupKey, intervalMs, step, dueMs };
      this.#add({ ...common, ...kept, event: 'firing', held: true, origin: 'escalation' });
    }
  }

  #add(row: Omit<Row, 'id'>): void {
    this.#rows.push({ ...row, id: this.#nextId++ });
  }

  #change(which: (row: Row) => boolean, change: (row: Row) => Partial<Row>): void {
    this.#rows = this.#rows.map((row) => (which(row) ? { ...row, ...change(row) } : row));
  }

  /** When there is something to do next. */
  #nextMs(): Millis {
    const held = this.#rows.filter((row) => row.held).map(({ dueMs }) => dueMs);
    const waiting = this.#waiting();
    const outdated = waiting
      .filter((row) => isOutdated(row, waiting))
      .map(({ createdMs }) => createdMs + COLLAPSE_AFTER_MS);
    return Math.min(Infinity, ...held, ...outdated, ...this.#due().map(({ dueMs }) => dueMs));
  }

  #waiting(): readonly Row[] {
    return this.#rows.filter(({ held, outcome }) => !held && outcome === undefined);
  }

  /** Rows that can be sent, by sink, event and group; an episode is sent in order. */
  #due(): readonly { readonly key: string; readonly rows: readonly Row[]; readonly dueMs: Millis }[] {
    const waiting = this.#waiting();
    const isFirst = (row: Row) =>
      !waiting.some(
        (other) =>
          other.sink === row.sink &&
          other.notification.alertId === row.notification.alertId &&
          isBefore(other, row),
      );
    const groups = new Map<string, Row[]>();
    for (const row of waiting) {
      const key = JSON.stringify([
        row.sink,
        row.event,
        row.groupKey,
        this.#grouped.has(row.sink) ? 0 : row.id,
      ]);
      const found = groups.get(key);
      if (found === undefined) groups.set(key, [row]);
      else found.push(row);
    }
    return [...groups].flatMap(([key, rows]) => {
      const first = rows.filter(isFirst);
      if (first.length === 0) return [];
      const firstDueMs = Math.min(...rows.map(({ dueMs }) => dueMs));
      const intervalMs = Math.min(...rows.map((row) => row.intervalMs));
      const flushedMs = this.#flushedMs.get(key) ?? -Infinity;
      return { key, rows: first, dueMs: Math.max(firstDueMs, flushedMs + intervalMs) };
    });
  }

  #sendDue(nowMs: Millis, view: EpisodeView): void {
    const isSuppressed = ({ event, notification }: Row) =>
      SUPPRESSIBLE.includes(event) && view.find(notification.alertId)?.isSuppressed === true;
    for (;;) {
      const next = this.#due().find(({ dueMs }) => dueMs <= nowMs);
      if (next === undefined) return;
      const rest = next.rows.filter((row) => !isSuppressed(row));
      if (rest.length > 0) this.#send(next.key, rest, nowMs);
      this.#change(
        (row) => row.outcome === undefined && next.rows.some(({ id }) => id === row.id),
        () => ({ outcome: 'cancelled' }),
      );
    }
  }

  #send(key: string, rows: readonly Row[], nowMs: Millis): void {
    const [{ sink, groupKey } = { sink: '', groupKey: '' }] = rows;
    const isGrouped = this.#grouped.has(sink);
    const worst = rows.toSorted((a, b) => rankOf(a) - rankOf(b) || a.id - b.id);
    this.#sent.push({
      ...{ sink, atMs: nowMs, total: rows.length },
      notifications: worst.slice(0, GROUP_NAMES).map((row) => this.#outgoing(row)),
      ...(isGrouped ? { group: groupLabelsOf(groupKey) } : {}),
    });
    const ids = new Set(rows.map(({ id }) => id));
    this.#change(
      ({ id }) => ids.has(id),
      () => ({ outcome: 'sent' }),
    );
    if (isGrouped) this.#flushedMs.set(key, nowMs);
    for (const row of rows) this.#remind(row, nowMs);
  }

  /** The next reminder of an episode, from now on. */
  #remind(row: Row, nowMs: Millis): void {
    const { repeatMs, sink, notification } = row;
    const { alertId } = notification;
    if (repeatMs === null) return;
    if (this.#announced.some((each) => each.alertId === alertId && each.event === 'resolved')) return;
    const ofEpisode = this.#rows.filter(
      (each) => each.sink === sink && each.notification.alertId === alertId,
    );
    const waiting = ofEpisode.find(({ held, origin }) => held && origin === 'reminder');
    if (waiting !== undefined) {
      this.#change(
        ({ id }) => id === waiting.id,
        () => ({ dueMs: nowMs + repeatMs, notification }),
      );
      return;
    }
    const step = Math.min(0, ...ofEpisode.map((each) => each.step)) - 1;
    this.#add({
      ...row,
      ...{ event: 'reminder', origin: 'reminder', held: true, outcome: undefined },
      ...{ step, createdMs: nowMs, dueMs: nowMs + repeatMs },
    });
  }

  #release(nowMs: Millis, view: EpisodeView): void {
    const due = this.#rows.filter(({ held, dueMs }) => held && dueMs <= nowMs);
    for (const row of due) {
      const newer = due.some(
        (other) =>
          other.sink === row.sink &&
          other.origin === row.origin &&
          other.notification.alertId === row.notification.alertId &&
          isBefore(row, other),
      );
      const change = verdictOf(row, newer, view, nowMs);
      // A new id: at the end of the queue.
      const id = change.held === false && change.outcome === undefined ? this.#nextId++ : row.id;
      this.#change(
        (each) => each.id === row.id,
        () => ({ ...change, id }),
      );
    }
  }

  #collapse(nowMs: Millis): void {
    const waiting = this.#waiting();
    this.#change(
      (row) =>
        waiting.includes(row) && row.createdMs + COLLAPSE_AFTER_MS <= nowMs && isOutdated(row, waiting),
      () => ({ outcome: 'collapsed' }),
    );
  }

  /** The sinks that had an escalated alert before. */
  #notifiedBefore(sink: string, alertId: string): readonly string[] {
    const sent = this.#rows.filter(
      (row) => row.outcome === 'sent' && row.sink !== sink && row.notification.alertId === alertId,
    );
    return [...new Set(sent.map((row) => row.sink))];
  }

  /** A row that was made later than its notification is sent as the newest of its episode, under the event that it is for. */
  #outgoing({ sink, notification, origin, event, step, ackEnded }: Row): OutgoingNotification {
    const { alertId, seq } = notification;
    const newest =
      origin === null
        ? undefined
        : this.#announced.findLast(
            (each) => each.alertId === alertId && each.seq > seq && CURRENT.includes(each.event),
          );
    return {
      ...(newest ?? notification),
      ...{ seq, event, facts: this.#factsOf(notification.sensorId) },
      ...(origin === null ? {} : { origin }),
      ...(step > 0
        ? { escalatedAfterS: step, notified: this.#notifiedBefore(sink, notification.alertId) }
        : {}),
      ...(step < 0 ? { repetition: -step } : {}),
      ...(ackEnded === true ? { recent: { ackEnded } } : {}),
    };
  }
}

const CURRENT: readonly string[] = ['firing', 'escalated', 'deescalated', 'reminder'];

const rankOf = ({ notification }: Row): number => RANK[notification.severity] ?? 0;

const isBefore = (one: Row, other: Row): boolean =>
  one.notification.seq < other.notification.seq ||
  (one.notification.seq === other.notification.seq && one.step < other.step);

/** A newer one of its episode waits, too. */
const isOutdated = (row: Row, waiting: readonly Row[]): boolean =>
  waiting.some(
    ({ sink, notification: { alertId, seq } }) =>
      sink === row.sink && alertId === row.notification.alertId && seq > row.notification.seq,
  );

/** Decides on a held delivery that is due; `newer`: one of its episode is due, too. */
function verdictOf(row: Row, newer: boolean, view: EpisodeView, nowMs: Millis): Partial<Row> {
  const cancelled = { held: false, outcome: 'cancelled' } as const;
  const { origin, notification, repeatMs } = row;
  const episode = view.find(notification.alertId);
  if (episode === undefined || !OPEN.includes(episode.state)) return cancelled;
  const { state, ackedUntilMs, isSuppressed, sensorId, metric, kind } = episode;
  if ((state === 'latched' && origin !== 'mute') || isSuppressed) return cancelled;
  if (ackedUntilMs === Infinity) return cancelled;
  if (ackedUntilMs !== undefined && ackedUntilMs > nowMs) return { dueMs: ackedUntilMs };
  if (origin !== 'reminder' && newer) return { held: false, outcome: 'collapsed' };
  if (origin === 'reminder' && !isAbsence(kind) && view.isSilent(sensorId, metric))
    return { dueMs: nowMs + (repeatMs ?? 0) };
  const ackEnded = ackedUntilMs !== undefined && ackedUntilMs > nowMs - row.step * 1000;
  return { held: false, createdMs: nowMs, dueMs: nowMs, ackEnded };
}
