import type { Micros, Millis } from '../reading.ts';
import type { HandoverReading } from './cluster/handover-record.ts';

import type { WaitingRow } from './engine/waiting.ts';

/** Ordered from the least to the most urgent. */
export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** `<metric>_high|_low|_rate_high|_rate_low|_anomaly|_no_data`, or `offline`. */
export type AlertType = string;

export type AlertStateName = 'ok' | 'pending' | 'firing' | 'recovering' | 'latched' | 'flapping';

/**
 * One row of `alert_state`: the state of an alert key that is not plainly OK. It is written only on transitions; the
 * last event time of a quiet sensor is derived from its stored readings.
 */
export interface AlertStateRow extends AlertKey {
  readonly alertType: AlertType;
  readonly state: AlertStateName;
  /** Derived from key and start; null until the episode has fired. */
  readonly alertId: string | null;
  readonly severity: Severity;
  /** Since when it is pending or recovering (event time); null while firing. */
  readonly sinceUs: Micros | null;
  /** Start of the episode: the first breaching reading. */
  readonly startedAtUs: Micros | null;
  /** Event time at which it fired: the key of its first `sensor_alerts` row. */
  readonly firedAtUs: Micros | null;
  readonly threshold: number | null;
  readonly peakValue: number | null;
  /** Number of the episode's last notification; the next one is `seq + 1`. */
  readonly seq: number;
  readonly lastEventUs: Micros;
  readonly lastValue: number;
  readonly ruleHash: string;
  /**
   * State that only some rule kinds and states need (level times, flap times, acknowledgement, window): JSON, written and
   * read only by the engine.
   */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** One row of `sensor_alerts`: an upward crossing. */
export interface AlertRow extends AlertKey {
  readonly timeUs: Micros;
  readonly alertType: AlertType;
  readonly message: string;
  readonly value: number;
  readonly threshold: number;
  readonly alertId: string;
  readonly severity: Severity;
  readonly startedAtUs: Micros;
  readonly ruleHash: string;
  /** Why it was not notified when it was raised. */
  readonly suppressed?: SuppressedBy | null;
  /** Its episode began with flapping. */
  readonly flapping?: boolean;
}

/** A row whose episode is flapping from now on. */
export interface AlertFlapping extends AlertKey {
  readonly firedAtUs: Micros;
}

/** The acknowledgement of an episode: one for each of its rows that is not acknowledged yet. */
export interface AlertAck extends AlertKey {
  readonly alertType: AlertType;
  readonly firedAtUs: Micros;
  readonly alertId: string;
  readonly ackedAtMs: Millis;
  readonly ackedBy: string;
  /** Its end; absent: none. */
  readonly ackedUntilMs?: Millis | undefined;
}

/** Operator commands that a batch carries out, and the outcome of each. */
export interface AppliedCommands {
  /** The daemon, by a name unique to the process. */
  readonly by: string;
  readonly outcomes: readonly { readonly id: string; readonly outcome: 'done' | 'already' | 'not_open' }[];
}

export type ResolveReason =
  'value' | 'data_resumed' | 'rule_changed' | 'rule_removed' | 'flapping_end' | 'manual' | 'retired';

/**
 * Closes one row: a point update (`… AND time = firedAtUs AND resolved_at IS NULL`), idempotent. An episode that
 * escalated has several rows and gives one resolution for each.
 */
export interface AlertResolution extends AlertKey {
  readonly alertType: AlertType;
  readonly firedAtUs: Micros;
  readonly alertId: string;
  readonly resolvedAtUs: Micros;
  readonly resolvedValue: number | null;
  readonly peakValue: number | null;
  readonly reason: ResolveReason;
  /** The episode went through a flapping phase. */
  readonly flapping: boolean;
  /** It had been over for longer than `backfill_after` when it was evaluated: logged, not notified. */
  readonly backfilled: boolean;
}

export type NotificationEvent =
  | 'firing'
  | 'escalated'
  | 'deescalated'
  | 'resolved'
  | 'reminder'
  | 'flapping_start'
  | 'flapping_end'
  | LogEvent;

/** Actions of operators: in the alert log, and nowhere else. */
export const LOG_EVENTS = ['acknowledged', 'silence_added', 'silence_ended'] as const;
export type LogEvent = (typeof LOG_EVENTS)[number];

/** A notification of what an alert does. */
export type AlertChange = AlertNotification & { readonly event: Exclude<NotificationEvent, LogEvent> };

export const isAlertChange = (notification: AlertNotification): notification is AlertChange =>
  !(LOG_EVENTS as readonly string[]).includes(notification.event);

/** One line of the alert log, one row of `alert_outbox` until it is sent. */
export interface AlertNotification {
  readonly alertId: string;
  /** Counts the notifications of an episode; negative of an acknowledgement. */
  readonly seq: number;
  readonly event: NotificationEvent;
  readonly sensorId: number;
  readonly sensorKey: string;
  readonly alertType: AlertType;
  /** Absent in rows of older versions; the type alone is ambiguous. */
  readonly metric?: string;
  readonly kind?: ConditionKind;
  readonly side?: Side;
  readonly severity: Severity;
  readonly message: string;
  readonly value: number | null;
  readonly threshold: number | null;
  /** The value at which it counts as clear; absent where that is no number of the metric. */
  readonly clear?: number;
  /** How far a mean or a spread looks back. */
  readonly windowS?: number;
  /** The metric that a difference subtracts: a metric of the same sensor, or of another one. */
  readonly minus?: { readonly sensor?: string | undefined; readonly metric: string };
  /** The value was reached before: the episode has ended since, or is still open without being beyond its limit. */
  readonly past?: 'over' | 'open';
  /** Name and end of an acknowledgement. */
  readonly ackedBy?: string;
  readonly ackUntilMs?: Millis;
  readonly eventTimeMs: Millis;
  readonly startedAtMs: Millis;
  /** Event time at which the episode fired; absent where it never did, and in rows of older versions. */
  readonly firedAtMs?: Millis | null;
  readonly durationS: number | null;
  readonly peakValue: number | null;
  readonly runbook: string | null;
  /** Labels of its rule; absent: none. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Why it resolved; null unless `event` is `resolved`. */
  readonly reason: ResolveReason | null;
  readonly resolvedValue: number | null;
  readonly backfilled: boolean;
  /** Why it is not notified now: it is logged and not sent. */
  readonly suppressed?: 'backfill' | SuppressedBy | null;
  /** Its line was logged before its row was stored, and is not logged again, whichever process finds the row. */
  readonly logged?: true;
}

/** Fields of a notification that is neither of an end nor of an import, and whose rule has no runbook. */
export const OF_NO_END = {
  durationS: null,
  peakValue: null,
  runbook: null,
  reason: null,
  resolvedValue: null,
  backfilled: false,
} as const;

/** The fencing tokens of an evaluation in a share group: its shards, each with the epoch under which it may write. */
export interface ShardFence {
  readonly group: string;
  /** The evaluations of a member between two moments at which it discards all that is evaluated and unwritten. */
  readonly era: string;
  readonly shards: readonly (readonly [shard: number, epoch: number])[];
}

/** The effect of a batch of readings on the alert tables, in the transaction of the readings. */
export interface AlertBatch {
  /**
   * Upserts; a row in state `ok` with an empty `detail` is a delete (flap times and windows outlive an episode).
   * At most one per alert key.
   */
  readonly states: readonly AlertStateRow[];
  readonly raised: readonly AlertRow[];
  readonly resolved: readonly AlertResolution[];
  readonly acked?: readonly AlertAck[];
  readonly flapping?: readonly AlertFlapping[];
  readonly commands?: AppliedCommands;
  readonly notifications: readonly AlertNotification[];
  /** Written only if each of its shards still has this epoch; absent without a share group, or if nothing was evaluated. */
  readonly fence?: ShardFence;
  /** Ids of the handover rows that this batch evaluates: deleted with it. */
  readonly dequeued?: readonly string[];
  /** The change of the waiting log; absent if nothing changed. */
  readonly waiting?: WaitingRow | undefined;
  /** Readings for the owners of their shards. */
  readonly forwarded?: { readonly group: string; readonly readings: readonly HandoverReading[] };
}

export const EMPTY_ALERT_BATCH: AlertBatch = { states: [], raised: [], resolved: [], notifications: [] };

/** A name of `kind/index.ts`; rows of a later version may carry others. */
export type ConditionKind = string;

export type Side = 'high' | 'low' | 'both';

/**
 * The identity of an alert, in memory and in every key of the database. Its type is only a label: `flow_rate_high`
 * may be the rate of `flow` or a threshold of `flow_rate`.
 */
export interface AlertKey {
  readonly sensorId: number;
  /** Empty for an alert about the sensor itself. */
  readonly metric: string;
  readonly kind: ConditionKind;
  readonly side: Side;
}

/** Why an alert is not notified now. */
export type SuppressedBy = 'silence' | 'maintenance' | 'inhibition';
