import { formatDuration } from '../../core/duration.ts';
import type { DeliveryRow } from '../../queries/alert-episodes.ts';

/** Words for the keys of stored alerts and deliveries. JSON and CSV have the keys. */

const own = (words: Readonly<Record<string, string>>, key: string): string =>
  Object.hasOwn(words, key) ? (words[key] ?? key) : key;

const ENDINGS: Readonly<Record<string, string>> = {
  value: 'the value is back to normal',
  data_resumed: 'it sends again',
  rule_changed: 'it is no breach under the changed rule',
  rule_removed: 'its rule was removed',
  flapping_end: 'the flapping has ended',
  manual: 'closed by an operator',
  retired: 'it is no longer expected',
};

/** Why an alert ended. */
export const endingWords = (reason: string): string => own(ENDINGS, reason);

const SUPPRESSIONS: Readonly<Record<string, string>> = {
  silence: 'silenced',
  maintenance: 'in maintenance',
  inhibition: 'inhibited',
  backfill: 'over before it was received',
};

/** Why an alert is not notified, in few cells: `inhibited`. */
export const suppressionWords = (suppressed: string): string => own(SUPPRESSIONS, suppressed);

const EXPLAINED: Readonly<Record<string, string>> = {
  silence: 'silenced by an operator',
  maintenance: 'in a maintenance window',
  inhibition: 'inhibited: another open alert explains it',
};

export const explainedSuppression = (suppressed: string): string => own(EXPLAINED, suppressed);

const EVENTS: Readonly<Record<string, string>> = {
  escalated: 'more severe',
  deescalated: 'less severe',
  resolved: 'end',
  flapping_start: 'flapping',
  flapping_end: 'flapping is over',
};

/** Subject of a notification, and why it was made later: `not acknowledged for 15m`. */
export function deliveryWords({ event, origin, step }: DeliveryRow): string {
  if (origin === 'escalation' || step > 0) return `not acknowledged for ${formatDuration(step * 1000)}`;
  const what = own(EVENTS, event);
  if (step < 0) return `${what} ${-step}`;
  return origin === 'mute' ? `${what}, after the mute time` : what;
}

const OUTCOMES: Readonly<Record<string, string>> = {
  sent: 'sent',
  collapsed: 'left out for a newer one',
  refused: 'refused by the sink',
  dropped: 'dropped, the queue was full',
  expired: 'given up',
  cancelled: 'no longer needed',
};

export const outcomeWords = ({ outcome, heldUntil }: Pick<DeliveryRow, 'outcome' | 'heldUntil'>): string =>
  heldUntil !== null ? 'held until' : outcome === null ? 'waits' : own(OUTCOMES, outcome);

const ROUTE = /^notify\.routes((?:\[\d+\](?:\.routes)?)+)$/;

/** `route 2.1` of `notify.routes[1].routes[0]`: routes are counted from the top. */
export function routeWords(place: string): string {
  const [, path] = ROUTE.exec(place) ?? [];
  if (path !== undefined)
    return `route ${[...path.matchAll(/\d+/g)].map(([index]) => Number(index) + 1).join('.')}`;
  return place.startsWith('sink ') ? 'filters of the sink' : place;
}
