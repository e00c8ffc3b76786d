import { type StatedUnit, metricUnit } from '../../metric-unit.ts';
import { kindOf } from './index.ts';

/** The unit of the value and the limit of an alert: a rate is per minute, missing data is in seconds. */
export function alertUnit(kind: string, metric: string, stated?: StatedUnit): string | undefined {
  const ofMetric = metricUnit(metric, 0, stated);
  const known = kindOf(kind);
  return known.unit === undefined ? ofMetric : known.unit(ofMetric);
}

/** Unit of the limit in a rule: an anomaly's is a number of standard deviations and has none. */
export function limitUnit(kind: string, metric: string, stated?: StatedUnit): string | undefined {
  const known = kindOf(kind);
  return known.limitUnit === undefined
    ? alertUnit(kind, metric, stated)
    : known.limitUnit(metricUnit(metric, 0, stated));
}
