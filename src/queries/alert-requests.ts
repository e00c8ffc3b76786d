import type { Db } from './db.ts';
import { type OpenAlert, findOpenAlert } from './alerts.ts';

/** The earlier command under the name of a request. */
export interface EarlierRequest {
  readonly kind: 'ack' | 'silence' | 'unsilence';
  readonly id: string;
  readonly by: string;
  readonly at: Date;
  /** Outcome of an acknowledgement: `done`, `already`, `not_open`; null while no daemon has taken it. */
  readonly outcome: string | null;
  /** End of a silence, or of an acknowledgement that ends. */
  readonly endsAt: Date | null;
}

export interface NamedRequest {
  readonly requestId: string;
  readonly by: string;
  readonly comment: string;
}

export const earlierRequestSql = `
SELECT 'ack' AS kind, id::text, asked_by AS by, created_at AS at, outcome, ends_at AS "endsAt"
FROM alert_commands WHERE request_id = $1
UNION ALL
SELECT 'silence', id::text, created_by, created_at, 'done', ends_at FROM silences WHERE request_id = $1
UNION ALL
(SELECT 'unsilence', id::text, expired_by, ends_at, 'done', NULL FROM silences WHERE expire_request_id = $1 LIMIT 1)`;

export async function earlierRequest(db: Db, requestId: string): Promise<EarlierRequest | undefined> {
  return (await db.query<EarlierRequest>(earlierRequestSql, [requestId])).rows[0];
}

export const standingAckSql = `
SELECT a.acked_by AS by, a.acked_at AS at, a.acked_until AS "endsAt"
FROM alert_commands c JOIN sensor_alerts a ON a.sensor_id = c.sensor_id AND a.alert_id = c.alert_id
WHERE c.id = $1::bigint AND a.acked_at IS NOT NULL ORDER BY a.time DESC LIMIT 1`;

/** The acknowledgement that stands of the alert that a command was about. */
export async function standingAck(
  db: Db,
  commandId: string,
): Promise<Pick<EarlierRequest, 'by' | 'at' | 'endsAt'> | undefined> {
  return (await db.query<Pick<EarlierRequest, 'by' | 'at' | 'endsAt'>>(standingAckSql, [commandId])).rows[0];
}

// Whichever of two that arrive at once is first; the other one finds it.
const ASK = `
INSERT INTO alert_commands (kind, sensor_id, alert_type, alert_id, asked_by, comment, request_id, ends_at)
VALUES ('ack', $1, $2, $3, $4, $5, $6, now() + $7::float8 * INTERVAL '1 millisecond') ON CONFLICT (request_id) WHERE request_id IS NOT NULL DO NOTHING`;

/** Queues an acknowledgement for the daemon, once for each request. `forMs` absent: it lasts while the alert is open. */
export async function requestAck(
  db: Db,
  { sensorId, alertType, alertId }: OpenAlert,
  { by, comment, requestId, forMs }: NamedRequest & { readonly forMs?: number | undefined },
): Promise<void> {
  await db.query(ASK, [sensorId, alertType, alertId, by, comment, requestId, forMs ?? null]);
}

const SILENCE = `
INSERT INTO silences (matchers, starts_at, ends_at, created_by, comment, request_id)
VALUES ($1::jsonb, now(), now() + $2::float8 * INTERVAL '1 millisecond', $3, $4, $5)
ON CONFLICT (request_id) WHERE request_id IS NOT NULL DO NOTHING`;

/** Silences the alerts of that type of its sensor, once for each request. */
export async function requestSilence(
  db: Db,
  { sensor, alertType }: OpenAlert,
  forMs: number,
  { requestId, by, comment }: NamedRequest,
): Promise<void> {
  const matchers = JSON.stringify({ sensor, alert_type: alertType });
  await db.query(SILENCE, [matchers, forMs, by, comment, requestId]);
}

// Only the announcement of an ended alert has its subject.
export const alertSubjectSql = `
SELECT s.key AS sensor, o.payload ->> 'alertType' AS "alertType"
FROM alert_outbox o JOIN sensors s ON s.id = (o.payload ->> 'sensorId')::int
WHERE o.alert_id = $1::uuid ORDER BY o.seq LIMIT 1`;

const END_SILENCES = `
UPDATE silences SET starts_at = least(starts_at, now()), ends_at = now(), expired_by = $3, expire_request_id = $4
WHERE ends_at > now() AND matchers = jsonb_build_object('sensor', $1::text, 'alert_type', $2::text)`;

/** Sensor and type of an alert, also of one that is over; undefined: it is unknown. */
export async function alertSubject(
  db: Db,
  alertId: string,
): Promise<Pick<OpenAlert, 'sensor' | 'alertType'> | undefined> {
  const open = await findOpenAlert(db, { alertId });
  if (open !== undefined) return open;
  return (await db.query<Pick<OpenAlert, 'sensor' | 'alertType'>>(alertSubjectSql, [alertId])).rows[0];
}

/** Ends the silences of that type of its sensor, as `requestSilence` makes them, once for each request. */
export async function requestSilenceEnd(
  db: Db,
  { sensor, alertType }: Pick<OpenAlert, 'sensor' | 'alertType'>,
  { requestId, by }: Pick<NamedRequest, 'requestId' | 'by'>,
): Promise<void> {
  await db.query(END_SILENCES, [sensor, alertType, by, requestId]);
}
