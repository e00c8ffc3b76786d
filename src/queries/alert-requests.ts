import type { Db } from './db.ts';
import type { OpenAlert } from './alerts.ts';

/** What was asked for under the name of a request. */
export interface EarlierRequest {
  readonly kind: 'ack' | 'silence';
  readonly id: string;
  readonly by: string;
  readonly at: Date;
  /** Of an acknowledgement: `done`, `already`, `not_open`; null while no daemon has taken it. */
  readonly outcome: string | null;
  /** Of a silence. */
  readonly endsAt: Date | null;
}

export interface NamedRequest {
  readonly requestId: string;
  readonly by: string;
  readonly comment: string;
}

export const earlierRequestSql = `
SELECT 'ack' AS kind, id::text, asked_by AS by, created_at AS at, outcome, NULL::timestamptz AS "endsAt"
FROM alert_commands WHERE request_id = $1
UNION ALL
SELECT 'silence', id::text, created_by, created_at, 'done', ends_at FROM silences WHERE request_id = $1`;

export async function earlierRequest(db: Db, requestId: string): Promise<EarlierRequest | undefined> {
  return (await db.query<EarlierRequest>(earlierRequestSql, [requestId])).rows[0];
}

// Whichever of two that arrive at once is first; the other one finds it.
const ASK = `
INSERT INTO alert_commands (kind, sensor_id, alert_type, alert_id, asked_by, comment, request_id)
VALUES ('ack', $1, $2, $3, $4, $5, $6) ON CONFLICT (request_id) WHERE request_id IS NOT NULL DO NOTHING`;

/** Queues an acknowledgement for the daemon, once for each request. */
export async function requestAck(db: Db, alert: OpenAlert, request: NamedRequest): Promise<void> {
  const { sensorId, alertType, alertId } = alert;
  await db.query(ASK, [sensorId, alertType, alertId, request.by, request.comment, request.requestId]);
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
