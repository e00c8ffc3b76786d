import { type AlertChange, isAlertChange } from '../core/alert/model.ts';
import type { Db } from './db.ts';
import { foundUnder } from './found.ts';

/** Facts of an alert from the table of sensors and from its state, which its notification lacks. */
const FACTS = `s.name, s.location, s.type, st.state, st.detail ->> 'deferred' AS "deferredBy", st.detail -> 'ack' AS ack`;

export interface AlertFacts {
  readonly name: string | null;
  readonly location: string | null;
  readonly type: string | null;
  /** Null once it is resolved. */
  readonly state: string | null;
  readonly deferredBy: string | null;
  readonly ack: { readonly atMs: number; readonly by: string; readonly untilMs?: number } | null;
}

/** A notification, by whichever daemon of the database. */
export interface PublishedAlert extends AlertFacts {
  readonly notification: AlertChange;
}

/**
 * $1 to the microsecond. Two ranges of two indexes; a notification is in the first until its line is marked as published, and in
 * the second from then on.
 */
export const publishedSql = `
SELECT o.payload AS notification, ${FACTS}
FROM (
  (SELECT alert_id, seq, payload, created_at FROM alert_outbox
    WHERE sent_at IS NULL AND created_at > $1::timestamptz ORDER BY created_at DESC LIMIT $2)
  UNION ALL
  (SELECT alert_id, seq, payload, created_at FROM alert_outbox
    WHERE sent_at IS NOT NULL AND sent_at > $1::timestamptz ORDER BY sent_at DESC LIMIT $2)
) o
LEFT JOIN sensors s ON s.id = (o.payload ->> 'sensorId')::int
LEFT JOIN alert_state st ON st.sensor_id = (o.payload ->> 'sensorId')::int AND st.alert_id = o.alert_id
ORDER BY o.created_at, o.alert_id, o.seq`;

/** Notifications published since then: the newest `most` of those that are marked, and of those that are not. */
export async function publishedSince(
  db: Db,
  since: string,
  most: number,
): Promise<readonly PublishedAlert[]> {
  const { rows } = await db.query<PublishedAlert>(publishedSql, [since, most]);
  return rows.filter(({ notification }) => isAlertChange(notification));
}

export const databaseNowSql = 'SELECT extract(epoch FROM now())::float8 * 1000 AS ms';

/** The clock of the database, in milliseconds since the epoch. */
export async function databaseNow(db: Db): Promise<number> {
  return (await db.query<{ ms: number }>(databaseNowSql, [])).rows[0]?.ms ?? Number.NaN;
}

/** The states of alerts in a word: while it is the same nothing has changed. With the clock of the database. */
export const alertMarkSql = `
SELECT count(*) || ' ' || coalesce(max(updated_at)::text, '') AS mark, now()::text AS now FROM alert_state`;

export interface AlertMark {
  readonly mark: string;
  readonly now: string;
}

export async function alertMark(db: Db): Promise<AlertMark> {
  return (await db.query<AlertMark>(alertMarkSql, [])).rows[0] ?? { mark: '', now: '-infinity' };
}

/** An alert that is pending or open. */
export interface CurrentAlert extends AlertFacts {
  readonly sensorId: number;
  readonly sensor: string;
  readonly alertType: string;
  readonly metric: string;
  readonly kind: string;
  readonly severity: string;
  readonly state: string;
  /** Null while it is pending. */
  readonly alertId: string | null;
  readonly value: number;
  readonly threshold: number | null;
  readonly peakValue: number | null;
  readonly startedAt: Date | null;
  readonly firedAt: Date | null;
  readonly beganAt: Date;
}

export const currentAlertsSql = `
SELECT st.sensor_id AS "sensorId", coalesce(s.key, '#' || st.sensor_id) AS sensor, st.alert_type AS "alertType", st.metric, st.kind,
  st.severity, st.alert_id AS "alertId", st.last_value AS value, st.threshold, st.peak_value AS "peakValue",
  st.started_at AS "startedAt", st.fired_at AS "firedAt", coalesce(st.since, st.last_event_at) AS "beganAt", ${FACTS}
FROM alert_state st LEFT JOIN sensors s ON s.id = st.sensor_id
WHERE st.state <> 'ok' LIMIT $1`;

export async function currentAlerts(db: Db, most: number): Promise<readonly CurrentAlert[]> {
  return (await db.query<CurrentAlert>(currentAlertsSql, [most])).rows;
}

export const sensorIdsSql = 'SELECT id, key FROM sensors WHERE key = ANY ($1::text[])';

export async function sensorIds(
  db: Db,
  keys: readonly string[],
): Promise<readonly { readonly id: number; readonly key: string }[]> {
  return foundUnder(
    keys,
    async (names) => (await db.query<{ id: number; key: string }>(sensorIdsSql, [names])).rows,
  );
}
