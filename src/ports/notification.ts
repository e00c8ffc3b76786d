import type { AlertNotification } from '../core/alert/model.ts';
import type { Delivery, DeliveryOrigin } from '../core/notify/delivery.ts';
import type { Millis } from '../core/reading.ts';
import type { NamedLeases } from './lease.ts';

/** Sinks, and the queues before them. */

/** Where notifications go: one implementation per kind of sink. */
export interface NotificationSink {
  readonly kind: string;
  /**
   * How it takes many: `single` one by one, `batch` several in one call, `group` the first few that stand for all of
   * one kind.
   */
  readonly deliveryMode: 'single' | 'batch' | 'group';
  /** Resolves once the far side has accepted it; rejects with a SinkError that states whether to retry. */
  send(delivery: Delivery, signal: AbortSignal): Promise<void>;
  /** The far side shows an alert until it is resolved: a test alert has to be resolved, too. */
  readonly keepsState?: boolean;
  /** For a far side that forgets alerts unless they are resent. */
  readonly resend?: SinkResend;
  /**
   * Whether the sink could be notified now, without notifying it: returns a description of what answered. Rejects
   * like `send`.
   */
  probe(signal: AbortSignal): Promise<string>;
  close(): Promise<void>;
}

export interface SinkResend {
  readonly everyMs: number;
  /** The newest notification of each episode that the sink was notified of, at the start and after another daemon served it. */
  restore(notified: readonly NotifiedEpisode[]): void;
  /** The calls that resend everything. One by one: however many there are, each has the time limit of a notification. */
  calls(): Iterable<(signal: AbortSignal) => Promise<void>>;
}

/** An episode that a sink was notified of: it is open, or ended a short while ago. */
export interface NotifiedEpisode {
  readonly notification: AlertNotification;
  /** When the sink took the newest notification. */
  readonly notifiedAtMs: Millis;
}

/** `cancelled`: when it was due its alert was not firing any more, or was acknowledged or suppressed. */
export type DeliveryOutcome = 'sent' | 'collapsed' | 'refused' | 'dropped' | 'expired' | 'cancelled';

export interface QueuedNotification {
  readonly id: number;
  readonly notification: AlertNotification;
  readonly origin?: DeliveryOrigin | null;
  /** For an escalation: seconds after the firing. */
  readonly step?: number;
  /** For an escalation: the sinks that took an earlier notification of its episode. */
  readonly notified?: readonly string[] | null;
}

/** Names a group of waiting notifications. */
export interface GroupName {
  readonly event: AlertNotification['event'];
  readonly groupKey: string;
}

export interface WaitingGroup extends GroupName {
  /** Until it may be sent; 0 or less: now. */
  readonly dueInMs: Millis;
}

/** Sent while the database was away. */
export interface SentNotification {
  readonly notification: AlertNotification;
  /** The place of the route that decided; undefined: it follows the firing. */
  readonly route: string | undefined;
}

/** The first of a group, and how far the queue was read: later ones are not included. */
export interface QueuedGroup {
  readonly first: readonly QueuedNotification[];
  readonly total: number;
  readonly lastId: number;
}

/** The pending notifications of one sink, oldest first. */
export interface SinkQueue {
  /** How many wait, those that are held not included. */
  waiting(): Promise<number>;
  /** The groups that wait, first those that are due first. */
  groups(limit: number): Promise<readonly WaitingGroup[]>;
  /** Skips episodes with an earlier waiting notification: the notifications of an episode are sent in order. */
  next(limit: number): Promise<readonly QueuedNotification[]>;
  group(name: GroupName, names: number): Promise<QueuedGroup>;
  confirm(ids: readonly number[], outcome: DeliveryOutcome): Promise<void>;
  confirmGroup(name: GroupName, group: QueuedGroup, outcome: DeliveryOutcome): Promise<void>;
}

/** Outcome of the held deliveries that were due. */
export interface HeldReport {
  /** Now in the queue. */
  readonly released: number;
  readonly cancelled: number;
  /** Acknowledged until later: decided then. */
  readonly postponed: number;
  /** Until the next one is due; Infinity: none is held. */
  readonly nextInMs: Millis;
}

export interface QueueBounds {
  readonly max: number;
  readonly maxAgeMs: number;
  /** After this long a waiting notification is dropped if a newer one of its episode is waiting, too. */
  readonly collapseAfterMs: number;
}

export interface QueueLimitsReport {
  readonly queued: number;
  readonly collapsed: number;
  readonly dropped: number;
  readonly expired: number;
}

/** The delivery status of a sink, for readers of the database. */
export interface SinkReport {
  readonly sent: number;
  readonly refused: number;
  readonly dropped: number;
  /** Why it takes nothing, and since when; null while it takes them. */
  readonly failure: { readonly message: string; readonly sinceMs: Millis } | null;
  /** Why it refused the last one that it refused. */
  readonly refusal: string | undefined;
}

/** The queues of the sinks, stored in the database: several daemons may share them, one at a time serves a sink. */
export interface NotificationStore extends NamedLeases {
  queueOf(sink: string): SinkQueue;
  /** Queues the held deliveries that are due, or cancels them: a bounded number. */
  queueDue(sink: string): Promise<HeldReport>;
  /** Enforces the bounds: collapses, expires, drops the oldest. */
  enforceLimits(sink: string, bounds: QueueBounds): Promise<QueueLimitsReport>;
  /** Records notifications sent while the database was away: known from now on, whether or not it was queued already. */
  record(sink: string, sent: readonly SentNotification[]): Promise<void>;
  notified(sink: string, resolvedWithinMs: number): Promise<readonly NotifiedEpisode[]>;
  report(sink: string, report: SinkReport): Promise<void>;
}

/** Buttons below notifications, wherever they are pressed. */
export interface ButtonSource {
  /** Name of its lease: one daemon at a time polls it. */
  readonly name: string;
  /** Waits for presses, for less than a minute; those that were not settled come again. Rejects with a SinkError. */
  poll(signal: AbortSignal): Promise<readonly ButtonPress[]>;
}

export interface ButtonAnswer {
  readonly said: string;
  /** Something was done: the message says it to the others, and loses its buttons. */
  readonly isDone: boolean;
}

export interface ButtonPress {
  /** Undefined: the user may not, or it is no button of ours. */
  readonly asked:
    | {
        readonly action: 'ack' | 'silence';
        readonly alertId: string;
        readonly by: string;
        /** Equal whenever this press comes again. */
        readonly requestId: string;
      }
    | undefined;
  /** Refusal of a user, with its reason. */
  readonly refuse:
    | {
        readonly by: string;
        readonly userId: number;
        readonly chat: number | undefined;
        readonly reason: 'user' | 'chat';
      }
    | undefined;
  /** The sink with the button, or another one of its bot; undefined: it is no button of ours. */
  readonly sink?: string | undefined;
  /** May be called again for the same press. Rejects only where it may be answered later. */
  answer(answer: ButtonAnswer, signal: AbortSignal): Promise<void>;
  /** It does not come again. */
  settled(): void;
}
