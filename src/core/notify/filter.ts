import { type AlertNotification, type Severity, isAlertChange } from '../alert/model.ts';
import { RANK } from '../alert/rules/condition.ts';
import { globMatches } from '../glob.ts';
import { statusOf } from './delivery.ts';

/** The notifications that a sink receives. Empty lists match all. */
export interface SinkFilter {
  readonly minSeverity: Severity;
  /** Patterns of `globMatches`: `*_no_data`. */
  readonly alertTypes: readonly string[];
  readonly locations: readonly string[];
  readonly sendResolved: boolean;
}

/**
 * `if_notified`: only if the sink was notified of the episode before. The end of an episode that was not notified is
 * dropped.
 */
export type Wanted = 'yes' | 'if_notified' | 'no';

export function wanted(filter: SinkFilter, notification: AlertNotification, location: string | null): Wanted {
  const { event, suppressed, backfilled, alertType, severity } = notification;
  if (!isAlertChange(notification)) return 'no';
  const ends = statusOf(notification) === 'resolved';
  const over = ends || event === 'flapping_end';
  if (over && !filter.sendResolved) return 'no';
  // Whatever the filter: an incident that was opened has to be closed.
  if (ends) return 'if_notified';
  if ((suppressed ?? null) !== null || backfilled) return 'no';
  // It depends on whether the firing was notified, not on the severity that it fell back to.
  if (over || event === 'deescalated') return 'if_notified';
  return filteredBy(filter, { alertType, severity }, location) === undefined ? 'yes' : 'no';
}

/** The key of the sink that excludes an alert; undefined: none does. */
export function filteredBy(
  { minSeverity, alertTypes, locations }: SinkFilter,
  { alertType, severity }: Pick<AlertNotification, 'alertType' | 'severity'>,
  location: string | null,
): 'min_severity' | 'alert_types' | 'locations' | undefined {
  if (RANK[severity] < RANK[minSeverity]) return 'min_severity';
  if (alertTypes.length > 0 && !alertTypes.some((pattern) => globMatches(pattern, alertType)))
    return 'alert_types';
  if (locations.length > 0 && (location === null || !locations.includes(location))) return 'locations';
  return undefined;
}
