import { CORE_METRICS, type CoreMetric, type Millis } from '../core/reading.ts';
import type { Db } from './db.ts';

/** A sensor and its newest reading. */
export interface SeenSensor {
  readonly id: number;
  readonly lastSeenMs: Millis | undefined;
}

export interface LatestValueRow {
  readonly metric: string;
  readonly value: number;
  readonly time: Date;
  /** As the device stated it; absent: of a metric with a column of its own. */
  readonly unit?: string | null;
}

/** Devices that send their metrics in turns have each of them within these. */
const READINGS = 20;
/** A value older than the newest reading by more than this is not current. */
const KEPT_MS = 24 * 3_600_000;

// One range of an index a sensor, of the newest chunk that has any: `LIMIT` ends it.
export const latestCoreSql = `
SELECT k.id, ${CORE_METRICS.map((metric) => `l.${metric}, l.${metric}_at`).join(', ')}
FROM unnest($1::int[]) AS k(id)
CROSS JOIN LATERAL (
  SELECT ${CORE_METRICS.map(
    (metric) => `last(r.${metric}::float8, r.time) FILTER (WHERE r.${metric} IS NOT NULL) AS ${metric},
    max(r.time) FILTER (WHERE r.${metric} IS NOT NULL) AS ${metric}_at`,
  ).join(',\n    ')}
  FROM (
    SELECT * FROM sensor_readings WHERE sensor_id = k.id AND time > $2::timestamptz AND time < $3::timestamptz
    ORDER BY time DESC LIMIT ${READINGS}
  ) r
) l`;

export const latestFurtherSql = `
SELECT k.id, m.name AS metric, v.value, v.time, m.unit
FROM unnest($1::int[]) AS k(id)
CROSS JOIN LATERAL (
  SELECT DISTINCT ON (metric_id) metric_id, time, value FROM sensor_metrics
  WHERE sensor_id = k.id AND time > $2::timestamptz AND time < $3::timestamptz ORDER BY metric_id, time DESC LIMIT $4
) v
JOIN metrics m ON m.id = v.metric_id
ORDER BY k.id, m.name`;

type CoreRow = { readonly id: number } & Readonly<Record<CoreMetric, number | null>> &
  Readonly<Record<`${CoreMetric}_at`, Date | null>>;

/** The newest value of each metric of these sensors, by id: those with a column of their own first. `most` further ones; null: all. */
export async function latestValues(
  db: Db,
  sensors: readonly SeenSensor[],
  { nowMs, most = 50 }: { readonly nowMs: Millis; readonly most?: number | null },
): Promise<ReadonlyMap<number, readonly LatestValueRow[]>> {
  const found = new Map<number, LatestValueRow[]>(sensors.map(({ id }) => [id, []]));
  for (const group of byAge(sensors, nowMs)) {
    for (const row of (await db.query<CoreRow>(latestCoreSql, [...group])).rows)
      for (const metric of CORE_METRICS) {
        const [value, time] = [row[metric], row[`${metric}_at`]];
        if (value !== null && time !== null) found.get(row.id)?.push({ metric, value, time });
      }
    const { rows } = await db.query<LatestValueRow & { id: number }>(latestFurtherSql, [...group, most]);
    for (const { id, ...row } of rows) found.get(id)?.push(row);
  }
  return found;
}

type Group = readonly [ids: readonly number[], after: Date, before: Date];

/**
 * One question for the sensors that sent lately and one for the others, each with bounds of time by which the planner leaves out the
 * chunks of all other times.
 */
function byAge(sensors: readonly SeenSensor[], nowMs: Millis): Group[] {
  const seen = sensors.flatMap(({ id, lastSeenMs }) =>
    lastSeenMs === undefined ? [] : [{ id, lastSeenMs }],
  );
  const isRecent = ({ lastSeenMs }: { readonly lastSeenMs: Millis }) => lastSeenMs > nowMs - KEPT_MS;
  return [seen.filter(isRecent), seen.filter((sensor) => !isRecent(sensor))].flatMap((group): Group[] => {
    if (group.length === 0) return [];
    const times = group.map(({ lastSeenMs }) => lastSeenMs);
    const oldest = times.reduce((least, time) => Math.min(least, time));
    const newest = times.reduce((most, time) => Math.max(most, time));
    // Lists know the newest reading of some seconds ago: what came since is shown too.
    const until = isRecent({ lastSeenMs: newest }) ? Math.max(newest, nowMs + KEPT_MS) : newest;
    return [[group.map(({ id }) => id), new Date(oldest - KEPT_MS), new Date(until + 1)]];
  });
}
