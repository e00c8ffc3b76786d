import { type Db, type MetricQuery, selected } from './db.ts';
import { samples } from './samples.ts';

// $2 lies one window before the range, so that its first rows have their whole window; $7 is where the range starts.
export const text = `
SELECT w.time, s.key AS sensor, s.location, w.value, w.average, w.count
FROM (
  SELECT v.time, v.sensor_id, v.value, avg(v.value) OVER span AS average, (count(*) OVER span)::float8 AS count
  FROM (${samples()}) v
  WINDOW span AS (PARTITION BY v.sensor_id ORDER BY v.time RANGE BETWEEN $6::interval PRECEDING AND CURRENT ROW)
) w JOIN sensors s ON s.id = w.sensor_id
WHERE w.time >= $7::timestamptz
ORDER BY w.time DESC, s.key
LIMIT $8`;

export interface MovingAverageRow {
  readonly time: Date;
  readonly sensor: string;
  readonly location: string | null;
  readonly value: number;
  /** Over the window that ends with this value, both ends included. */
  readonly average: number;
  /** Values in that window. */
  readonly count: number;
}

/** Each value with the average of the window before it, per sensor, newest first. */
export async function movingAverage(
  db: Db,
  query: MetricQuery & { readonly windowMs: number },
): Promise<readonly MovingAverageRow[]> {
  const { metric, from, to, windowMs, limit } = query;
  const start = new Date(from.getTime() - windowMs);
  const window = `${windowMs} milliseconds`;
  const values = [metric, start, to, ...selected(query), window, from, limit];
  return (await db.query<MovingAverageRow>(text, values)).rows;
}
