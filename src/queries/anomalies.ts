import { type Db, type MetricQuery, selected } from './db.ts';
import { samples } from './samples.ts';

export const text = `
SELECT z.time, s.key AS sensor, s.location, z.value, z.mean, z.sigma, (z.value - z.mean) / z.sigma AS z
FROM (
  SELECT v.time, v.sensor_id, v.value, avg(v.value) OVER each AS mean, stddev_pop(v.value) OVER each AS sigma,
    count(*) OVER each AS count
  FROM (${samples()}) v
  WINDOW each AS (PARTITION BY v.sensor_id)
) z JOIN sensors s ON s.id = z.sensor_id
WHERE z.sigma > 0 AND z.count >= $7::int AND abs(z.value - z.mean) >= $6::float8 * z.sigma
ORDER BY abs(z.value - z.mean) / z.sigma DESC, z.time DESC, s.key
LIMIT $8`;

export interface AnomalyRow {
  readonly time: Date;
  readonly sensor: string;
  readonly location: string | null;
  readonly value: number;
  /** Of the sensor over the whole range, the outliers included. */
  readonly mean: number;
  readonly sigma: number;
  /** How many sigmas from the mean, with sign. */
  readonly z: number;
}

/**
 * Values at least `z` standard deviations from their sensor's own mean over the range, furthest first. A sensor with
 * fewer than `minValues` gets no verdict: with n values no z-score exceeds the root of n - 1.
 */
export async function anomalies(
  db: Db,
  query: MetricQuery & { readonly z: number; readonly minValues: number },
): Promise<readonly AnomalyRow[]> {
  const { metric, from, to, z, minValues, limit } = query;
  const values = [metric, from, to, ...selected(query), z, minValues, limit];
  return (await db.query<AnomalyRow>(text, values)).rows;
}
