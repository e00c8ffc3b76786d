import { type Db, type MetricQuery, selected } from './db.ts';
import { samples } from './samples.ts';

export const text = `
SELECT v.time, s.key AS sensor, s.location, v.value
FROM (${samples()}) v JOIN sensors s ON s.id = v.sensor_id
ORDER BY v.time DESC, s.key
LIMIT $6`;

export interface SampleRow {
  readonly time: Date;
  readonly sensor: string;
  readonly location: string | null;
  readonly value: number;
}

/** The newest values of one metric, whichever table holds it; newest first. */
export async function recentMetric(db: Db, query: MetricQuery): Promise<readonly SampleRow[]> {
  const values = [query.metric, query.from, query.to, ...selected(query), query.limit];
  return (await db.query<SampleRow>(text, values)).rows;
}
