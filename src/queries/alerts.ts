import { type Db, type Limited, type Selection, type TimeRange, selected } from './db.ts';
import { sensorsWhere } from './samples.ts';

export const COLUMNS = `
  a.time, a.sensor_id AS "sensorId", coalesce(s.key, '#' || a.sensor_id) AS sensor, s.location,
  a.alert_type AS "alertType", a.severity, a.message, a.value, a.threshold, a.alert_id AS "alertId",
  a.started_at AS "startedAt", a.resolved_at AS "resolvedAt", a.resolved_value AS "resolvedValue",
  a.resolve_reason AS "resolveReason", a.peak_value AS "peakValue", a.acked_at AS "ackedAt", a.acked_by AS "ackedBy",
  a.suppressed`;

/** With its current state, which the rows do not show: an unresolved alert may be latched, or silenced. */
export const LISTED = `
SELECT ${COLUMNS}, CASE WHEN a.resolved_at IS NULL THEN coalesce(st.state, 'firing') ELSE 'resolved' END AS state,
  st.detail ->> 'deferred' AS "deferredBy"
FROM sensor_alerts a LEFT JOIN sensors s ON s.id = a.sensor_id
LEFT JOIN alert_state st ON a.resolved_at IS NULL AND st.sensor_id = a.sensor_id AND st.metric = a.metric
  AND st.alert_id = a.alert_id`;

/** The same columns of alerts of the system: the subject takes the place of the sensor, without a location. */
export const SYSTEM_COLUMNS = `
  a.started_at AS time, 0 AS "sensorId", a.subject AS sensor, NULL AS location, a.alert_type AS "alertType", a.severity,
  a.message, NULL::float8 AS value, NULL::float8 AS threshold, a.alert_id AS "alertId", a.started_at AS "startedAt",
  a.resolved_at AS "resolvedAt", NULL::float8 AS "resolvedValue",
  CASE WHEN a.resolved_at IS NOT NULL THEN 'value' END AS "resolveReason", NULL::float8 AS "peakValue",
  NULL::timestamptz AS "ackedAt", NULL::text AS "ackedBy", NULL::text AS suppressed`;

/** With their state: they are never silenced or latched. */
export const SYSTEM_LISTED = `
SELECT ${SYSTEM_COLUMNS}, CASE WHEN a.resolved_at IS NULL THEN 'firing' ELSE 'resolved' END AS state,
  NULL::text AS "deferredBy"
FROM system_alerts a`;

export const systemWhere = (sensor: string, location: string): string =>
  `(${sensor}::text IS NULL OR a.subject = ${sensor}) AND ${location}::text IS NULL`;

// A row of an operator's own INSERT may name a sensor that is not registered: it is shown anyway.
export const text = `(${LISTED}
WHERE a.time >= $1::timestamptz AND a.time < $2::timestamptz AND ${sensorsWhere('$3', '$4')}
ORDER BY a.time DESC, a.sensor_id, a.alert_type LIMIT $5)
UNION ALL
(${SYSTEM_LISTED}
WHERE a.started_at >= $1::timestamptz AND a.started_at < $2::timestamptz AND ${systemWhere('$3', '$4')}
ORDER BY a.started_at DESC LIMIT $5)
ORDER BY time DESC, "sensorId", "alertType" LIMIT $5`;

export interface AlertListRow {
  /** Event time at which it fired, or rose to a higher severity. */
  readonly time: Date;
  /** 0 of an alert of the system; `sensor` is then its subject. */
  readonly sensorId: number;
  readonly sensor: string;
  readonly location: string | null;
  readonly alertType: string;
  readonly severity: string;
  readonly message: string | null;
  readonly value: number | null;
  readonly threshold: number | null;
  /** The episode: the same on its rows of every severity. */
  readonly alertId: string | null;
  readonly startedAt: Date | null;
  /** Null while it fires. */
  readonly resolvedAt: Date | null;
  readonly resolvedValue: number | null;
  readonly resolveReason: string | null;
  readonly peakValue: number | null;
  readonly ackedAt: Date | null;
  readonly ackedBy: string | null;
  /** Why no notification was sent when it was raised. */
  readonly suppressed: string | null;
}

export interface ListedAlert extends AlertListRow {
  readonly state: string;
  /** The current reason for suppressed notifications. */
  readonly deferredBy: string | null;
}

/** Alerts that fired in the range, newest first. */
export async function listAlerts(
  db: Db,
  query: TimeRange & Selection & Limited,
): Promise<readonly ListedAlert[]> {
  const values = [query.from, query.to, ...selected(query), query.limit];
  return (await db.query<ListedAlert>(text, values)).rows;
}
