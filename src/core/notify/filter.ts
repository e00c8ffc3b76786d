import type { AlertNotification, Severity } from '../alert/model.ts';
import { RANK } from '../alert/rule.ts';
import { globFits } from '../glob.ts';

/** Which notifications a sink wants. Empty lists want all. */
export interface SinkFilter {
  readonly minSeverity: Severity;
  /** Patterns of `globFits`: `*_no_data`. */
  readonly alertTypes: readonly string[];
  readonly locations: readonly string[];
  readonly sendResolved: boolean;
  /** It shows the present state of each alert: then it must hear of what changes unseen, too. */
  readonly mirrors: boolean;
}

/** `if_told`: only if it was told of the episode before. The end of what nobody heard of is no news. */
export type Wanted = 'yes' | 'if_told' | 'no';

export function wanted(filter: SinkFilter, notification: AlertNotification, location: string | null): Wanted {
  const { event, suppressed, backfilled, alertType, severity } = notification;
  const over = event === 'resolved' || event === 'flapping_end';
  if (over && !filter.sendResolved) return 'no';
  const hidden = (suppressed ?? null) !== null || backfilled;
  if (hidden) return over && filter.mirrors ? 'if_told' : 'no';
  // An episode ends at the severity that it fell back to: what matters is whether its beginning was told.
  if (over) return 'if_told';
  if (RANK[severity] < RANK[filter.minSeverity]) return 'no';
  if (filter.alertTypes.length > 0 && !filter.alertTypes.some((pattern) => globFits(pattern, alertType)))
    return 'no';
  if (filter.locations.length > 0 && (location === null || !filter.locations.includes(location))) return 'no';
  return 'yes';
}
