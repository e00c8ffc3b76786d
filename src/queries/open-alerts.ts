import { LISTED, type ListedAlert, SYSTEM_LISTED, systemWhere } from './alerts.ts';
import { type Db, type Limited, type Selection, selected } from './db.ts';
import { sensorsWhere } from './samples.ts';

// No time bound: an alert may be open for months. The partial index of open rows and the limit bound it instead.
export const text = `(${LISTED}
WHERE a.resolved_at IS NULL AND ${sensorsWhere('$1', '$2')}
ORDER BY a.time DESC, a.sensor_id, a.alert_type LIMIT $3)
UNION ALL
(${SYSTEM_LISTED} WHERE a.resolved_at IS NULL AND ${systemWhere('$1', '$2')}
ORDER BY a.started_at DESC LIMIT $3)
ORDER BY time DESC, "sensorId", "alertType" LIMIT $3`;

/** Alerts that are firing now, newest first. */
export async function openAlerts(db: Db, query: Selection & Limited): Promise<readonly ListedAlert[]> {
  return (await db.query<ListedAlert>(text, [...selected(query), query.limit])).rows;
}
