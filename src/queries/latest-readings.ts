import { metricUnit } from '../core/metric-unit.ts';
import type { Millis } from '../core/reading.ts';
import type { Db, Limited, Selection } from './db.ts';
import { latestValues } from './latest-values.ts';
import { listSensors } from './sensors.ts';

export interface LatestMetric {
  readonly metric: string;
  readonly value: number;
  readonly unit: string | null;
  readonly time: Date;
}

/** A sensor with the newest value of each metric that it sends. */
export interface LatestRow {
  readonly sensor: string;
  readonly location: string | null;
  /** Time of its newest reading; null: it has none since `since`. */
  readonly time: Date | null;
  /** Metrics with a column of their own first, then by name. */
  readonly metrics: readonly LatestMetric[];
}

/** The newest values of each sensor, silent sensors included; by key. */
export async function latestReadings(
  db: Db,
  query: Selection & Limited & { readonly since: Date; readonly nowMs: Millis },
): Promise<readonly LatestRow[]> {
  const { nowMs } = query;
  const sensors = await listSensors(db, query);
  const seen = sensors.map(({ id, lastReading }) => ({ id, lastSeenMs: lastReading?.getTime() }));
  const values = await latestValues(db, seen, { nowMs, most: null });
  return sensors.map(({ id, sensor, location, lastReading }) => ({
    ...{ sensor, location, time: lastReading },
    metrics: (values.get(id) ?? []).map(({ metric, value, unit, time }) => ({
      ...{ metric, value, time },
      unit: unit ?? metricUnit(metric, Math.abs(value)) ?? null,
    })),
  }));
}
