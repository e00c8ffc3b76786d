import { type CoreMetric, type Millis, isCoreMetric } from '../core/reading.ts';
import type { Db } from './db.ts';
import { HOUR_MS, aggregateColumn } from './statistics.ts';

/** One metric of a sensor over a day, hour by hour. */
export interface Spark {
  readonly fromMs: Millis;
  readonly stepMs: Millis;
  /** Oldest first; null: nothing was measured in that hour. */
  readonly values: readonly (number | null)[];
}

export interface SparkRequest {
  readonly id: number;
  readonly metric: string;
}

export const SPARK_STEPS = 24;
/** The range after the stored figures is read from the readings, but no more than this: they may be many. */
const TAIL_MS = 3 * HOUR_MS;

const hourMs = (time: string) => `extract(epoch FROM ${time})::float8 * 1000`;

/** Means of hours of sensors $1 in [$2, $3). */
export const sparkHoursSql = (metric: CoreMetric): string => `
SELECT sensor_id AS id, ${hourMs('hour')} AS ms, avg_${aggregateColumn(metric)}::float8 AS value FROM sensor_hourly_agg
WHERE sensor_id = ANY ($1::int[]) AND hour >= $2::timestamptz AND hour < $3::timestamptz`;

/** Means of hours from the readings themselves. */
export const sparkTailSql = (metric: CoreMetric): string => `
SELECT sensor_id AS id, ${hourMs(`time_bucket(INTERVAL '1 hour', time)`)} AS ms, avg(${metric})::float8 AS value
FROM sensor_readings WHERE sensor_id = ANY ($1::int[]) AND time >= $2::timestamptz AND time < $3::timestamptz
GROUP BY 1, 2`;

/** The metric $4 of each sensor $1. */
const FURTHER = `(SELECT k.id, m.id AS metric_id FROM unnest($1::int[], $4::text[]) AS k(id, metric) JOIN metrics m ON m.name = k.metric) k`;

/** Means of hours of metrics without a column of their own. */
export const furtherHoursSql = `
SELECT k.id, ${hourMs('a.hour')} AS ms, a.avg_value AS value
FROM ${FURTHER} CROSS JOIN LATERAL (
  SELECT hour, avg_value FROM sensor_metrics_hourly_agg
  WHERE sensor_id = k.id AND metric_id = k.metric_id AND hour >= $2::timestamptz AND hour < $3::timestamptz
) a`;

export const furtherTailSql = `
SELECT k.id, ${hourMs('v.hour')} AS ms, v.value
FROM ${FURTHER} CROSS JOIN LATERAL (
  SELECT time_bucket(INTERVAL '1 hour', time) AS hour, avg(value) AS value FROM sensor_metrics
  WHERE sensor_id = k.id AND metric_id = k.metric_id AND time >= $2::timestamptz AND time < $3::timestamptz GROUP BY 1
) v`;

interface HourRow {
  readonly id: number;
  readonly ms: number;
  readonly value: number | null;
}

/** A day of one metric of each sensor, by its id. */
export async function sparks(
  db: Db,
  requests: readonly SparkRequest[],
  nowMs: Millis,
): Promise<ReadonlyMap<number, Spark>> {
  const toMs = (Math.floor(nowMs / HOUR_MS) + 1) * HOUR_MS;
  const fromMs = toMs - SPARK_STEPS * HOUR_MS;
  const values = new Map(requests.map(({ id }) => [id, new Array<number | null>(SPARK_STEPS).fill(null)]));
  const take = (rows: readonly HourRow[]) => {
    for (const { id, ms, value } of rows) {
      const at = Math.round((ms - fromMs) / HOUR_MS);
      if (value !== null && Number.isFinite(value)) values.get(id)![at] = value;
    }
  };
  const read = async (hours: string, tail: string, bound: readonly unknown[], ids: readonly number[]) => {
    const { rows } = await db.query<HourRow>(hours, [ids, new Date(fromMs), new Date(toMs), ...bound]);
    take(rows);
    const reachMs = rows.reduce((most, { ms }) => Math.max(most, ms + HOUR_MS), 0);
    const tailFrom = new Date(Math.max(reachMs, toMs - TAIL_MS));
    take((await db.query<HourRow>(tail, [ids, tailFrom, new Date(toMs), ...bound])).rows);
  };
  for (const [metric, ids] of idsByMetric(requests))
    await read(sparkHoursSql(metric), sparkTailSql(metric), [], ids);
  const further = requests.filter(({ metric }) => !isCoreMetric(metric));
  if (further.length > 0) {
    const names = further.map(({ metric }) => metric);
    const ids = further.map(({ id }) => id);
    await read(furtherHoursSql, furtherTailSql, [names], ids);
  }
  return new Map([...values].map(([id, each]) => [id, { fromMs, stepMs: HOUR_MS, values: each }]));
}

function idsByMetric(requests: readonly SparkRequest[]): ReadonlyMap<CoreMetric, number[]> {
  const found = new Map<CoreMetric, number[]>();
  for (const { id, metric } of requests) {
    if (!isCoreMetric(metric)) continue;
    const ids = found.get(metric);
    if (ids === undefined) found.set(metric, [id]);
    else ids.push(id);
  }
  return found;
}
