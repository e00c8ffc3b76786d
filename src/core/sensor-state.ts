import type { Millis } from './reading.ts';

/**
 * `alert`: an alert is open other than for missing data · `silent`: one for missing data is open, or the last reading is older than
 * `SILENT_AFTER_MS` · `never`: no reading is stored · `ok`: none of these. The first that applies; but `retired`: nothing is
 * expected of it.
 */
export const SENSOR_STATES = ['alert', 'silent', 'never', 'ok', 'retired'] as const;
export type SensorState = (typeof SENSOR_STATES)[number];

/** For sensors without a rule for missing data: longer than the rhythm of nearly all. */
export const SILENT_AFTER_MS = 24 * 3_600_000;

export interface SensorCondition {
  /** Open alerts other than for missing data. */
  readonly alerts: number;
  /** Open alerts for missing data. */
  readonly missing: number;
  /** Time of the newest reading; undefined: none is stored. */
  readonly lastSeenMs: Millis | undefined;
  /** Null or absent: it is in use. */
  readonly retired?: 'for_good' | 'until_seen' | null;
}

export function sensorState(
  { alerts, missing, lastSeenMs, retired = null }: SensorCondition,
  nowMs: Millis,
): SensorState {
  if (retired !== null) return 'retired';
  if (alerts > 0) return 'alert';
  if (missing > 0) return 'silent';
  if (lastSeenMs === undefined) return 'never';
  return nowMs - lastSeenMs > SILENT_AFTER_MS ? 'silent' : 'ok';
}
