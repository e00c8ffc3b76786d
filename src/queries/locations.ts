import { type Db, type MetricQuery, selected } from './db.ts';
import { samples, sensorsWhere } from './samples.ts';

export const text = `
SELECT s.location, count(*)::int AS sensors, count(v.sensor_id)::int AS reporting, sum(v.sum) / sum(v.count) AS avg,
  min(v.min) AS min, max(v.max) AS max, coalesce(sum(v.count), 0)::float8 AS count, coalesce(sum(o.open), 0)::int AS firing
FROM sensors s
LEFT JOIN (
  SELECT sensor_id, sum(value) AS sum, count(*) AS count, min(value) AS min, max(value) AS max
  FROM (${samples()}) every_value GROUP BY sensor_id
) v ON v.sensor_id = s.id
LEFT JOIN (
  SELECT sensor_id, count(*) AS open FROM alert_state WHERE state NOT IN ('ok', 'pending') GROUP BY sensor_id
) o ON o.sensor_id = s.id
WHERE ${sensorsWhere('$4', '$5')}
GROUP BY s.location
ORDER BY s.location NULLS LAST
LIMIT $6`;

export interface LocationRow {
  /** Null: sensors without a location. */
  readonly location: string | null;
  readonly sensors: number;
  /** Sensors with a value of the metric in the range. */
  readonly reporting: number;
  /** Over all values of the location, so busy sensors weigh more; null without a value. */
  readonly avg: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly count: number;
  /** Alerts that are open now. */
  readonly firing: number;
}

/** Figures of one metric per location. */
export async function locationFigures(db: Db, query: MetricQuery): Promise<readonly LocationRow[]> {
  const values = [query.metric, query.from, query.to, ...selected(query), query.limit];
  return (await db.query<LocationRow>(text, values)).rows;
}
