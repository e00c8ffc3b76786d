import { type AlertListRow, COLUMNS, SYSTEM_COLUMNS, systemWhere } from './alerts.ts';
import { type Db, type Limited, type Selection, selected } from './db.ts';
import { sensorsWhere } from './samples.ts';

const WATCHED = `
SELECT ${COLUMNS}
FROM sensor_alerts a LEFT JOIN sensors s ON s.id = a.sensor_id
WHERE ${sensorsWhere('$2', '$3')}`;

/**
 * The alerts that a follower polls: recent alerts, open ones, and those that were open at the last poll. The time of an
 * alert is its event time, so "newer than the last one" would miss what a late message raised.
 */
export const text = `
(${WATCHED} AND a.time >= $1::timestamptz ORDER BY a.time DESC LIMIT $4)
UNION
(${WATCHED} AND a.resolved_at IS NULL ORDER BY a.time DESC LIMIT $4)
UNION
(${WATCHED} AND a.time >= $8::timestamptz AND (a.sensor_id, a.alert_type, a.time) IN
  (SELECT * FROM unnest($5::int[], $6::text[], $7::timestamptz[])))
UNION
(SELECT ${SYSTEM_COLUMNS} FROM system_alerts a WHERE ${systemWhere('$2', '$3')} AND (a.started_at >= $1::timestamptz
  OR a.resolved_at IS NULL OR a.resolved_at >= $1::timestamptz AND a.started_at >= $8::timestamptz)
  ORDER BY a.started_at DESC LIMIT $4)`;

export interface WatchQuery extends Selection, Limited {
  /** Alerts since then are included, open or not. */
  readonly since: Date;
  readonly open: readonly Pick<AlertListRow, 'sensorId' | 'alertType' | 'time'>[];
}

/** In no order. */
export async function alertChanges(db: Db, query: WatchQuery): Promise<readonly AlertListRow[]> {
  const { since, open, limit } = query;
  const oldest = open.reduce((least, { time }) => (time < least ? time : least), since);
  const keys = [
    open.map((row) => row.sensorId),
    open.map((row) => row.alertType),
    open.map((row) => row.time),
  ];
  const values = [since, ...selected(query), limit, ...keys, oldest];
  return (await db.query<AlertListRow>(text, values)).rows;
}
