import { type Db, type Limited, type Selection, selected } from './db.ts';
import { isCore, pick, sensorsWhere } from './samples.ts';

export const text = `
SELECT s.key AS sensor, s.location, v.time, v.value
FROM sensors s
LEFT JOIN LATERAL (
  (SELECT r.time, ${pick('$1', (metric) => `r.${metric}::float8`)} AS value
   FROM sensor_readings r
   WHERE ${isCore('$1')} AND r.sensor_id = s.id AND r.time >= $2::timestamptz
     AND ${pick('$1', (metric) => `r.${metric} IS NOT NULL`)}
   ORDER BY r.time DESC LIMIT 1)
  UNION ALL
  (SELECT m.time, m.value
   FROM sensor_metrics m
   WHERE NOT ${isCore('$1')} AND m.sensor_id = s.id AND m.time >= $2::timestamptz
     AND m.metric_id = (SELECT id FROM metrics WHERE name = $1)
   ORDER BY m.time DESC LIMIT 1)
) v ON true
WHERE ${sensorsWhere('$3', '$4')}
ORDER BY s.key
LIMIT $5`;

export interface LatestMetricRow {
  readonly sensor: string;
  readonly location: string | null;
  /** Null, as `value`, for a sensor without the metric since `since`. */
  readonly time: Date | null;
  readonly value: number | null;
}

/** The newest value of one metric per sensor, whichever table holds it. */
export async function latestMetric(
  db: Db,
  query: Selection & Limited & { readonly metric: string; readonly since: Date },
): Promise<readonly LatestMetricRow[]> {
  const values = [query.metric, query.since, ...selected(query), query.limit];
  return (await db.query<LatestMetricRow>(text, values)).rows;
}
