import { exposuresOf } from './exposures.ts';
import type { Config } from './schema/index.ts';

/** What readings may overtake each other by between the daemons of a share group: a batch, and a look at the inbox. */
const SHARED_LATENESS_MS = 2000;

/** What is no fault and probably not what one wants. */
export function warningsOf(config: Config): readonly string[] {
  const { routes, mqtt, alerts } = config;
  const warnings = exposuresOf(config).map(({ detail, remedy }) => `${detail}; ${remedy}`);
  if (routes.length === 0) warnings.push('no routes, so nothing will be stored');
  if (mqtt.share_group !== undefined && alerts.allowed_lateness < SHARED_LATENESS_MS)
    warnings.push(
      'alerts.allowed_lateness is below 2s in a share group: readings that come by way of another daemon will count as late',
    );
  return warnings;
}
