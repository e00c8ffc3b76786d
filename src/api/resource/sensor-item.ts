import { metricUnit } from '../../core/metric-unit.ts';
import type { LatestValueRow } from '../../queries/latest-values.ts';
import type { IndexedSensor } from '../../queries/sensor-index.ts';
import type { LatestValue, SensorItem } from '../contract/sensors.ts';
import { finite, iso, isoOfMs } from './values.ts';

/** Fields that the list and the page of a sensor share. */
export function sensorItem(sensor: IndexedSensor, latest: readonly LatestValueRow[]): SensorItem {
  const { key, name, location, type, tags, gateway, state, retired, alerts, missing, lastSeenMs } = sensor;
  const newestMs = latest.reduce<number | undefined>(
    (most, { time }) => (most === undefined ? time.getTime() : Math.max(most, time.getTime())),
    lastSeenMs,
  );
  return {
    ...{ key, name, location, type, tags: [...tags], gateway, state, retired },
    lastSeen: isoOfMs(newestMs),
    openAlerts: alerts + missing,
    latest: latest.flatMap(latestValue),
  };
}

export function latestValue({ metric, value, time, unit }: LatestValueRow): LatestValue[] {
  if (finite(value) === null) return [];
  return [{ metric, value, unit: unit ?? metricUnit(metric, Math.abs(value)) ?? null, time: iso(time) }];
}
