import type { WaitingColumns } from '../core/alert/engine/waiting.ts';
import type { AlertNotification, AlertStateRow } from '../core/alert/model.ts';
import type { Silence } from '../core/alert/suppress/silence.ts';
import type { Micros, Millis } from '../core/reading.ts';

/** The stored state of the alert engine, the operator commands, and the alert log. */

/** A stored value of a (sensor, metric). */
export interface LastReading {
  readonly sensorId: number;
  readonly metric: string;
  readonly timeUs: Micros;
  readonly value: number;
}

/** A range of stored readings: `fromUs <= time <= toUs`. */
export interface ReadingSpan {
  readonly sensorId: number;
  readonly fromUs: Micros;
  readonly toUs: Micros;
}

/**
 * The newest non-null value per (sensor, metric) within each span, core and narrow metrics alike. `metrics`: those that are
 * needed; others may be among the result. Absent: all.
 */
export type LastReadings = (
  spans: readonly ReadingSpan[],
  metrics?: ReadonlySet<string>,
) => Promise<readonly LastReading[]>;

/** State that the alert engine reads back. It writes only through `ReadingStore.commit`, in the batch's transaction. */
export interface AlertStore {
  /** The rows of `alert_state`: of the sensors of these shards, or of all. */
  loadStates(shards?: readonly number[]): Promise<readonly AlertStateRow[]>;
  /** The waiting log, oldest row first, and the id of the newest; '0' if it is empty. */
  loadWaiting(
    group: string,
    shards?: readonly number[],
  ): Promise<{ readonly rows: readonly WaitingColumns[]; readonly upTo: string }>;
  /** All non-null values within each span, core and narrow metrics alike. */
  loadReadings(spans: readonly ReadingSpan[]): Promise<readonly LastReading[]>;
  /** Outbox rows that were never marked sent, oldest first: those that a crash left unpublished. */
  pendingNotifications(shards?: readonly number[]): Promise<readonly AlertNotification[]>;
  /** Marks them as logged and queues their deliveries, in one transaction. Deliveries already queued stay as they are. */
  markSent(sent: readonly NotificationKey[], deliveries?: readonly NewDelivery[]): Promise<void>;
}

/** A command that no daemon has carried out yet. */
export interface WaitingCommand {
  readonly id: string;
  readonly kind: 'ack' | 'resolve';
  readonly sensorId: number;
  readonly alertType: string;
  /** The episode that was meant; null: whichever is open. */
  readonly alertId: string | null;
  readonly by: string;
  readonly comment: string;
  /** End of an acknowledgement; null: it has none. */
  readonly endsMs?: Millis | null;
  /** How long it has waited, by the database's clock. */
  readonly ageMs: number;
}

/** Operator commands from other processes. `ReadingStore.commit` marks them as done. */
export interface OperatorStore {
  /** Silences that end after `sinceMs`, and commands that wait, oldest first. */
  poll(sinceMs: Millis): Promise<{
    readonly silences: readonly Silence[];
    readonly commands: readonly WaitingCommand[];
    /** The newest change of sensors. */
    readonly sensorSeq?: number | undefined;
  }>;
  /** Writes lines of the alert log into the outbox; returns those that were not there yet. */
  announce(lines: readonly AlertNotification[]): Promise<readonly AlertNotification[]>;
}

/** The alert log's own file: one JSON line per notification. Never throws; a failure is counted by the adapter. */
export interface AlertLog {
  write(line: string): void;
  /** Which of these are in it already, as far back as it can be read: those that a crash left unmarked. */
  holds?(keys: readonly NotificationKey[]): ReadonlySet<string>;
  /** Lines that were published before their rows existed, as far back as they can be read. */
  unpersisted?(): readonly AlertLineKey[];
}

/** A notification's name: the episode, and its number in it. */
export type NotificationKey = Pick<AlertNotification, 'alertId' | 'seq'>;

/** Names a line: a previewed one may be of another event than the one that is committed under its number. */
export type AlertLineKey = Pick<AlertNotification, 'alertId' | 'seq' | 'event'>;

/** A notification to be sent to one sink. */
export interface NewDelivery extends NotificationKey {
  readonly sink: string;
  readonly event: AlertNotification['event'];
  readonly alertType: string;
  /** Only if an earlier one of the episode was queued for the sink. */
  readonly ifNotified: boolean;
  /** JSON of the labels of its group. */
  readonly groupKey: string;
  readonly groupIntervalMs: number;
  /** From now until it is due: the wait of its group, or the end of what holds it. */
  readonly dueInMs: number;
  /** The reason for holding it: at its due time it is queued if its alert is firing, not acknowledged and not suppressed. */
  readonly heldBy?: 'mute' | 'escalation' | undefined;
  /** For an escalation: seconds after the firing. */
  readonly step?: number | undefined;
  /** A rise of the severity: it renews no escalation that was cancelled. */
  readonly isRise?: boolean | undefined;
  /** Time to its reminder. */
  readonly repeatMs?: number | undefined;
  /** The place of the route that decided; absent: it follows the firing. */
  readonly route?: string | undefined;
}
