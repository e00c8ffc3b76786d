import { type Db, type Selection, type TimeRange, selected } from '../db.ts';
import { sensorsWhere } from '../readings.ts';

export const sizeSql = `
SELECT count(*)::int AS readings FROM (
  SELECT 1 FROM sensor_readings r WHERE r.time >= $1::timestamptz AND r.time < $2::timestamptz
    AND r.sensor_id IN (SELECT s.id FROM sensors s WHERE ${sensorsWhere('$3', '$4')}) LIMIT $5
) r`;

/** How many readings of the chosen sensors are in the range, as far as `most`. */
export async function readingsUpTo(db: Db, query: TimeRange & Selection, most: number): Promise<number> {
  const values = [query.from, query.to, ...selected(query), most];
  return (await db.query<{ readings: number }>(sizeSql, values)).rows[0]?.readings ?? 0;
}
