import type { Db } from './db.ts';

const OPEN = `a.state NOT IN ('ok', 'pending') AND ($1::uuid IS NULL OR a.alert_id = $1)
  AND ($2::text IS NULL OR s.key = $2) AND ($3::text IS NULL OR a.alert_type = $3)`;

export const openText = `
SELECT a.sensor_id AS "sensorId", coalesce(s.key, '#' || a.sensor_id) AS sensor, a.alert_type AS "alertType",
  a.alert_id AS "alertId", a.state
FROM alert_state a LEFT JOIN sensors s ON s.id = a.sensor_id WHERE ${OPEN}
ORDER BY a.sensor_id, a.alert_type LIMIT 2`;

const ASK = `
INSERT INTO alert_commands (kind, sensor_id, alert_type, alert_id, asked_by, comment)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING id::text`;

export const outcomeText = 'SELECT outcome FROM alert_commands WHERE id = $1::bigint';

/** An alert that is open now. */
export interface OpenAlert {
  readonly sensorId: number;
  readonly sensor: string;
  readonly alertType: string;
  readonly alertId: string | null;
  readonly state: string;
}

/** Names one alert: by its episode, or by sensor and type. */
export type AlertName =
  { readonly alertId: string } | { readonly sensor: string; readonly alertType: string };

export interface AlertRequest {
  readonly kind: 'ack' | 'resolve';
  readonly by: string;
  readonly comment: string;
}

export async function findOpenAlert(db: Db, name: AlertName): Promise<OpenAlert | undefined> {
  const values = 'alertId' in name ? [name.alertId, null, null] : [null, name.sensor, name.alertType];
  return (await db.query<OpenAlert>(openText, values)).rows[0];
}

/** Queues a command for the daemon; returns its number. */
export async function askFor(db: Db, alert: OpenAlert, { kind, by, comment }: AlertRequest): Promise<string> {
  const { sensorId, alertType, alertId } = alert;
  const { rows } = await db.query<{ id: string }>(ASK, [kind, sensorId, alertType, alertId, by, comment]);
  return rows[0]?.id ?? '';
}

/** `done`, `already`, `not_open`; null while no daemon has taken it. */
export async function outcomeOf(db: Db, id: string): Promise<string | null> {
  return (await db.query<{ outcome: string | null }>(outcomeText, [id])).rows[0]?.outcome ?? null;
}
