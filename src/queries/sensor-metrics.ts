import type { Db, Limited } from './db.ts';

export const text = `
SELECT m.name AS metric, m.unit, v.time, v.value
FROM sensors s
CROSS JOIN metrics m
JOIN LATERAL (
  SELECT x.time, x.value FROM sensor_metrics x
  WHERE x.sensor_id = s.id AND x.metric_id = m.id AND x.time >= $2::timestamptz
  ORDER BY x.time DESC LIMIT 1
) v ON true
WHERE s.key = $1::text
ORDER BY m.name
LIMIT $3`;

export interface ExtraMetricRow {
  readonly metric: string;
  readonly unit: string | null;
  readonly time: Date;
  readonly value: number;
}

/** The newest value of every metric of one sensor that has no column of its own. */
export async function extraMetrics(
  db: Db,
  query: Limited & { readonly sensor: string; readonly since: Date },
): Promise<readonly ExtraMetricRow[]> {
  return (await db.query<ExtraMetricRow>(text, [query.sensor, query.since, query.limit])).rows;
}
