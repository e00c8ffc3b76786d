import type { AlertNotification } from '../alert/model.ts';
import type { Trend } from './text/language.ts';
import type { TimedValue } from './text/trend.ts';

/** Facts about a sensor besides its key: from the registry, at the time of sending. */
export interface SensorFactsOf {
  readonly name: string | null;
  readonly location: string | null;
  readonly type?: string | null;
  readonly tags?: readonly string[];
  readonly gateway?: string | null;
}

/** Course of the values of its metric when a notification is sent, and the state of an acknowledgement. */
export interface RecentValues {
  /** Undefined: too few values. */
  readonly trend?: Trend | undefined;
  readonly newest?: TimedValue | undefined;
  /** For an escalation: an acknowledgement ended within the time for which it waited. */
  readonly ackEnded?: true | undefined;
}

/** How long an alert is silenced from a notification. */
export const SILENCE_MS = 2 * 3_600_000;

/** Links by which the alert of a notification is acknowledged, or silenced for two hours. */
export interface ActionLinks {
  readonly acknowledge: string;
  readonly silence: string;
}

/**
 * Why a delivery was made later than its notification: its route was muted, it was not acknowledged in time, or it is a
 * reminder of the route.
 */
export type DeliveryOrigin = 'mute' | 'escalation' | 'reminder';

/** They say that an alert is open: untrue once it has ended, and not sent then. The text of a firing says that it is over. */
export const SAYS_OPEN: readonly AlertNotification['event'][] = ['reminder', 'deescalated'];

/** Not sent while their alert is suppressed, also where it became so while they waited. What is still open after that is notified then. */
export const SUPPRESSIBLE: readonly AlertNotification['event'][] = [
  ...SAYS_OPEN,
  'firing',
  'escalated',
  'flapping_start',
];

/** An outgoing notification with the facts about its sensor. */
export type OutgoingNotification = AlertNotification & {
  readonly facts: SensorFactsOf;
  /** Absent: they are not known, or not worth a query. */
  readonly recent?: RecentValues | undefined;
  /** Absent where it cannot have any. */
  readonly links?: ActionLinks | undefined;
  readonly origin?: DeliveryOrigin | undefined;
  /** For an escalation: seconds for which the alert was not acknowledged. */
  readonly escalatedAfterS?: number | undefined;
  /** For an escalation: the sinks that took an earlier notification of the episode; absent: not known. */
  readonly notified?: readonly string[] | undefined;
  /** For a reminder of the route: its number, from 1. */
  readonly repetition?: number | undefined;
};

/** Equal for every attempt at a delivery, and unique among the deliveries of an episode to a sink. */
export function deliveryKeyOf(
  { alertId, seq, escalatedAfterS, repetition }: OutgoingNotification,
  separator = '-',
): string {
  const of = [alertId, String(seq)];
  if (escalatedAfterS !== undefined) of.push(`e${escalatedAfterS}`);
  if (repetition !== undefined) of.push(`r${repetition}`);
  return of.join(separator);
}

/**
 * One send: a single notification, several (for a sink that takes batches), or the first of a group, which stand for
 * all `total` of it.
 */
export interface Delivery {
  /** Never empty. In the order of the queue; the first of a group are its most severe ones. */
  readonly notifications: readonly OutgoingNotification[];
  /** How many it stands for: more than `notifications` only for a group. */
  readonly total: number;
  /** For a group: the labels of `group_by`, which all of it have in common. They may have several alert types. */
  readonly group?: Readonly<Record<string, string>> | undefined;
}

/** All of one event. */
export const isGroup = ({ total }: Delivery): boolean => total > 1;

/**
 * Alertmanager's two words for a state. The last event of flapping carries no state, the next one does; but an
 * episode that began with flapping and never fired is over then.
 */
export const statusOf = ({
  event,
  firedAtMs,
}: Pick<AlertNotification, 'event' | 'firedAtMs'>): 'firing' | 'resolved' =>
  event === 'resolved' || (event === 'flapping_end' && firedAtMs === null) ? 'resolved' : 'firing';
