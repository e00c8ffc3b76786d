import { type Db, type Limited, type Selection, selected } from './db.ts';
import type { ReadingRow } from './recent.ts';
import { sensorsWhere } from './samples.ts';

// One index probe a sensor; DISTINCT ON would read every row of the range.
export const text = `
SELECT r.time, s.key AS sensor, s.location, r.temperature, r.humidity, r.pressure, r.battery, r.rssi
FROM sensors s
LEFT JOIN LATERAL (
  SELECT * FROM sensor_readings r WHERE r.sensor_id = s.id AND r.time >= $1::timestamptz ORDER BY r.time DESC LIMIT 1
) r ON true
WHERE ${sensorsWhere('$2', '$3')}
ORDER BY s.key
LIMIT $4`;

/** `time` is null for a sensor that has no reading since `since`. */
export type LatestRow = Omit<ReadingRow, 'time'> & { readonly time: Date | null };

/** The newest reading of each sensor, silent sensors included. */
export async function latestReadings(
  db: Db,
  query: Selection & Limited & { readonly since: Date },
): Promise<readonly LatestRow[]> {
  return (await db.query<LatestRow>(text, [query.since, ...selected(query), query.limit])).rows;
}
