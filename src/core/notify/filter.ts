import type { AlertNotification, Severity } from '../alert/model.ts';
import { RANK } from '../alert/rules/condition.ts';
import { globMatches } from '../glob.ts';
import { statusOf } from './delivery.ts';

/** Which notifications a sink wants. Empty lists want all. */
export interface SinkFilter {
  readonly minSeverity: Severity;
  /** Patterns of `globMatches`: `*_no_data`. */
  readonly alertTypes: readonly string[];
  readonly locations: readonly string[];
  readonly sendResolved: boolean;
}

/** `if_told`: only if it was told of the episode before. The end of what nobody heard of is no news. */
export type Wanted = 'yes' | 'if_told' | 'no';

export function wanted(filter: SinkFilter, notification: AlertNotification, location: string | null): Wanted {
  const { event, suppressed, backfilled, alertType, severity } = notification;
  const ends = statusOf(notification) === 'resolved';
  const over = ends || event === 'flapping_end';
  if (over && !filter.sendResolved) return 'no';
  // Whatever is in the way: an incident that was opened has to be closed.
  if (ends) return 'if_told';
  if ((suppressed ?? null) !== null || backfilled) return 'no';
  // What matters is whether its beginning was told, not the severity that it fell back to.
  if (over || event === 'deescalated') return 'if_told';
  if (RANK[severity] < RANK[filter.minSeverity]) return 'no';
  if (filter.alertTypes.length > 0 && !filter.alertTypes.some((pattern) => globMatches(pattern, alertType)))
    return 'no';
  if (filter.locations.length > 0 && (location === null || !filter.locations.includes(location))) return 'no';
  return 'yes';
}
