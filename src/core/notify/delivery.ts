import type { AlertNotification } from '../alert/model.ts';

/** What a sink is told of a sensor beside its key: from the registry, at the time of sending. */
export interface SensorFactsOf {
  readonly name: string | null;
  readonly location: string | null;
}

/** A notification on its way out, with what is known of its sensor. */
export type OutgoingNotification = AlertNotification & { readonly facts: SensorFactsOf };

/**
 * What is sent at once: one notification, several (a sink that takes batches), or the first of many of one kind, which
 * stand for all `total` of them.
 */
export interface Delivery {
  /** Never empty. In the order of the queue. */
  readonly notifications: readonly OutgoingNotification[];
  /** How many it stands for: more than there are `notifications` only where many of one kind are told as one. */
  readonly total: number;
}

export const isGroup = ({ notifications, total }: Delivery): boolean => total > notifications.length;

/**
 * Alertmanager's two words for a state. The last event of flapping says nothing new, the next one does; but what began
 * with flapping and never fired is over then.
 */
export const statusOf = ({
  event,
  firedAtMs,
}: Pick<AlertNotification, 'event' | 'firedAtMs'>): 'firing' | 'resolved' =>
  event === 'resolved' || (event === 'flapping_end' && firedAtMs === null) ? 'resolved' : 'firing';
