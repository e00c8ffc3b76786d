import type { AlertNotification } from '../core/alert/model.ts';
import type { Delivery } from '../core/notify/delivery.ts';
import type { Kind, KindCount } from '../core/notify/grouping.ts';
import type { Millis } from '../core/reading.ts';

/** Sinks, and the queues before them. */

/** Where notifications go: one implementation per kind of sink. */
export interface NotificationSink {
  readonly kind: string;
  /**
   * How it takes many: `single` one by one, `batch` several in one call, `group` the first few that stand for all of
   * one kind.
   */
  readonly deliveryMode: 'single' | 'batch' | 'group';
  /** Resolves once the far side has taken it; rejects with a SinkError that says whether to try again. */
  send(delivery: Delivery, signal: AbortSignal): Promise<void>;
  /** For a far side that forgets what it is not told again. */
  readonly resend?: SinkResend;
  /** Whether it could be told now, without telling it anything: what answered, in words. Rejects like `send`. */
  probe(signal: AbortSignal): Promise<string>;
  close(): Promise<void>;
}

export interface SinkResend {
  readonly everyMs: number;
  /** The newest notification of each episode that the sink was told of, at the start and after another daemon's turn. */
  restore(notified: readonly NotifiedEpisode[]): void;
  /** The calls that tell it all again. One by one: however many there are, each has the time limit of a notification. */
  calls(): Iterable<(signal: AbortSignal) => Promise<void>>;
}

/** An episode that a sink was told of: it is open, or ended a short while ago. */
export interface NotifiedEpisode {
  readonly notification: AlertNotification;
  /** When the sink took the newest notification. */
  readonly notifiedAtMs: Millis;
}

export type DeliveryOutcome = 'sent' | 'collapsed' | 'refused' | 'dropped' | 'expired';

export interface QueuedNotification {
  readonly id: number;
  readonly notification: AlertNotification;
}

/** The first of a kind, and how far the queue was looked at: what comes later is not among them. */
export interface QueuedGroup {
  readonly first: readonly AlertNotification[];
  readonly total: number;
  readonly lastId: number;
}

/** What one sink is still to be told, oldest first. */
export interface SinkQueue {
  kinds(): Promise<readonly KindCount[]>;
  /** None of an episode of which an earlier one waits: an episode is told in order. */
  next(limit: number, except: readonly Kind[]): Promise<readonly QueuedNotification[]>;
  group(kind: Kind, names: number): Promise<QueuedGroup>;
  confirm(ids: readonly number[], outcome: DeliveryOutcome): Promise<void>;
  confirmGroup(kind: Kind, group: QueuedGroup, outcome: DeliveryOutcome): Promise<void>;
}

export interface QueueBounds {
  readonly max: number;
  readonly maxAgeMs: number;
  /** What has waited for so long is not told any more when something newer of its episode waits, too. */
  readonly collapseAfterMs: number;
}

export interface QueueLimitsReport {
  readonly queued: number;
  readonly collapsed: number;
  readonly dropped: number;
  readonly expired: number;
}

/** How sending to a sink goes, for those who ask the database. */
export interface SinkReport {
  readonly sent: number;
  readonly refused: number;
  readonly dropped: number;
  /** Why it takes nothing, and since when; null while it takes them. */
  readonly failure: { readonly message: string; readonly sinceMs: Millis } | null;
  /** Why it refused the last one that it refused. */
  readonly refusal: string | undefined;
}

/** The queues of the sinks, kept in the database: several daemons may share them, one at a time serves a sink. */
export interface NotificationStore {
  queueOf(sink: string): SinkQueue;
  /** Takes or keeps the sink for `owner`; false while another daemon has it. */
  lease(
    sink: { readonly name: string; readonly kind: string },
    owner: string,
    ttlMs: number,
  ): Promise<boolean>;
  release(sink: string, owner: string): Promise<void>;
  /** Enforces the bounds: collapses, expires, drops the oldest. */
  enforceLimits(sink: string, bounds: QueueBounds): Promise<QueueLimitsReport>;
  /** What was sent while the database was away: known from now on, whether or not it was queued already. */
  record(sink: string, sent: readonly AlertNotification[]): Promise<void>;
  notified(sink: string, resolvedWithinMs: number): Promise<readonly NotifiedEpisode[]>;
  report(sink: string, report: SinkReport): Promise<void>;
}
