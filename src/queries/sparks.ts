import { isCoreMetric } from '../core/ingest/copy-binary.ts';
import type { CoreMetric, Millis } from '../core/reading.ts';
import type { Db } from './db.ts';
import { HOUR_MS, aggregateColumn } from './statistics.ts';

/** One metric of a sensor over a day, hour by hour. */
export interface Spark {
  readonly fromMs: Millis;
  readonly stepMs: Millis;
  /** Oldest first; null: nothing was measured in that hour. */
  readonly values: readonly (number | null)[];
}

export interface SparkWish {
  readonly id: number;
  readonly metric: string;
}

export const SPARK_STEPS = 24;
/** What the figures do not reach is read from the readings, but no more than this: they may be many. */
const TAIL_MS = 3 * HOUR_MS;

const hourMs = (time: string) => `extract(epoch FROM ${time})::float8 * 1000`;

/** Means of hours of sensors $1 in [$2, $3). */
export const sparkHoursSql = (metric: CoreMetric): string => `
SELECT sensor_id AS id, ${hourMs('hour')} AS ms, avg_${aggregateColumn(metric)}::float8 AS value FROM sensor_hourly_agg
WHERE sensor_id = ANY ($1::int[]) AND hour >= $2::timestamptz AND hour < $3::timestamptz`;

/** The same of the readings. */
export const sparkTailSql = (metric: CoreMetric): string => `
SELECT sensor_id AS id, ${hourMs(`time_bucket(INTERVAL '1 hour', time)`)} AS ms, avg(${metric})::float8 AS value
FROM sensor_readings WHERE sensor_id = ANY ($1::int[]) AND time >= $2::timestamptz AND time < $3::timestamptz
GROUP BY 1, 2`;

/** The last value of each hour, of sensors $1 with a metric $4 each: there are no figures of it, and its readings may be many. */
export const sparkFurtherSql = `
SELECT k.id, ${hourMs('h.hour')} AS ms, v.value
FROM (SELECT k.id, m.id AS metric_id FROM unnest($1::int[], $4::text[]) AS k(id, metric) JOIN metrics m ON m.name = k.metric) k
CROSS JOIN generate_series($2::timestamptz, $3::timestamptz - INTERVAL '1 hour', INTERVAL '1 hour') AS h(hour)
CROSS JOIN LATERAL (
  SELECT value FROM sensor_metrics
  WHERE sensor_id = k.id AND metric_id = k.metric_id AND time >= h.hour AND time < h.hour + INTERVAL '1 hour'
    AND time >= $2::timestamptz AND time < $3::timestamptz
  ORDER BY time DESC LIMIT 1
) v`;

interface HourRow {
  readonly id: number;
  readonly ms: number;
  readonly value: number | null;
}

/** A day of one metric of each sensor, by its id. */
export async function sparks(
  db: Db,
  wishes: readonly SparkWish[],
  nowMs: Millis,
): Promise<ReadonlyMap<number, Spark>> {
  const toMs = (Math.floor(nowMs / HOUR_MS) + 1) * HOUR_MS;
  const fromMs = toMs - SPARK_STEPS * HOUR_MS;
  const values = new Map(wishes.map(({ id }) => [id, new Array<number | null>(SPARK_STEPS).fill(null)]));
  const take = (rows: readonly HourRow[]) => {
    for (const { id, ms, value } of rows) {
      const at = Math.round((ms - fromMs) / HOUR_MS);
      if (value !== null && Number.isFinite(value)) values.get(id)![at] = value;
    }
  };
  for (const [metric, ids] of idsByMetric(wishes)) {
    const bounds = [ids, new Date(fromMs), new Date(toMs)];
    const { rows } = await db.query<HourRow>(sparkHoursSql(metric), bounds);
    take(rows);
    const reachMs = rows.reduce((most, { ms }) => Math.max(most, ms + HOUR_MS), 0);
    const tail = [ids, new Date(Math.max(reachMs, toMs - TAIL_MS)), new Date(toMs)];
    take((await db.query<HourRow>(sparkTailSql(metric), tail)).rows);
  }
  const further = wishes.filter(({ metric }) => !isCoreMetric(metric));
  if (further.length > 0) {
    const ids = further.map(({ id }) => id);
    const names = further.map(({ metric }) => metric);
    take((await db.query<HourRow>(sparkFurtherSql, [ids, new Date(fromMs), new Date(toMs), names])).rows);
  }
  return new Map([...values].map(([id, each]) => [id, { fromMs, stepMs: HOUR_MS, values: each }]));
}

function idsByMetric(wishes: readonly SparkWish[]): ReadonlyMap<CoreMetric, number[]> {
  const found = new Map<CoreMetric, number[]>();
  for (const { id, metric } of wishes) {
    if (!isCoreMetric(metric)) continue;
    const ids = found.get(metric);
    if (ids === undefined) found.set(metric, [id]);
    else ids.push(id);
  }
  return found;
}
