import { type Db, type Limited, type Selection, type TimeRange, selected } from './db.ts';
import { sensorsWhere } from './samples.ts';

export const text = `
SELECT r.time, s.key AS sensor, s.location, r.temperature, r.humidity, r.pressure, r.battery, r.rssi
FROM sensor_readings r JOIN sensors s ON s.id = r.sensor_id
WHERE r.time >= $1::timestamptz AND r.time < $2::timestamptz AND ${sensorsWhere('$3', '$4')}
ORDER BY r.time DESC, s.key
LIMIT $5`;

export interface ReadingRow {
  readonly time: Date;
  readonly sensor: string;
  readonly location: string | null;
  readonly temperature: number | null;
  readonly humidity: number | null;
  readonly pressure: number | null;
  readonly battery: number | null;
  readonly rssi: number | null;
}

/** The newest readings of a time range, newest first. */
export async function recentReadings(
  db: Db,
  query: TimeRange & Selection & Limited,
): Promise<readonly ReadingRow[]> {
  const values = [query.from, query.to, ...selected(query), query.limit];
  return (await db.query<ReadingRow>(text, values)).rows;
}
