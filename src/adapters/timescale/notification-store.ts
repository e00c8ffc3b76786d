import type pg from 'pg';
import type { AlertNotification } from '../../core/alert/model.ts';
import type {
  NotificationStore,
  QueueBounds,
  QueueLimitsReport,
  SinkQueue,
  SinkReport,
  NotifiedEpisode,
} from '../../ports/notification.ts';
import { databaseError } from './errors.ts';
import { StoredQueue } from './notification-queue.ts';
import type { Query } from './notification-writes.ts';
import { columns, isoMicros, storableText } from './values.ts';

/**
 * One row of `notify_sinks` says which daemon serves a sink. A lease instead of a claim per notification: so an episode is sent in
 * order, a rate limit holds for all daemons together, and many of one kind are one group, whichever daemon raised them.
 */
const LEASE = `
INSERT INTO notify_sinks AS s (name, kind, owner, leased_until) VALUES ($1, $2, $3, now() + $4 * interval '1 ms')
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, owner = excluded.owner, leased_until = excluded.leased_until
 WHERE s.owner IS NULL OR s.owner = excluded.owner OR s.leased_until IS NULL OR s.leased_until < now()
RETURNING name`;

/** Each part takes what the one before it left; a row is settled once. */
const CARE = `
WITH waiting AS (
  SELECT id, seq, created_at, row_number() OVER (ORDER BY id DESC) AS age,
         max(seq) OVER (PARTITION BY alert_id) AS newest FROM alert_deliveries
   WHERE sink = $1 AND done_at IS NULL),
verdicts AS (
  SELECT id, CASE
    WHEN newest > seq AND created_at < now() - $4 * interval '1 ms' THEN 'collapsed'
    WHEN created_at < now() - $3 * interval '1 ms' THEN 'expired'
    WHEN age > $2 THEN 'dropped' END AS outcome
  FROM waiting),
settled AS (
  UPDATE alert_deliveries d SET done_at = now(), outcome = v.outcome FROM verdicts v
   WHERE d.sink = $1 AND d.id = v.id AND d.done_at IS NULL AND v.outcome IS NOT NULL)
SELECT count(*) FILTER (WHERE outcome IS NULL)::int AS queued, count(*) FILTER (WHERE outcome = 'collapsed')::int AS collapsed,
       count(*) FILTER (WHERE outcome = 'dropped')::int AS dropped, count(*) FILTER (WHERE outcome = 'expired')::int AS expired
  FROM verdicts`;

/** Episodes of which the sink was notified and that are open, or ended recently. */
const NOTIFIED = `
SELECT DISTINCT ON (d.alert_id) o.payload, (extract(epoch FROM d.done_at) * 1000)::float8 AS "notifiedAtMs"
  FROM alert_deliveries d JOIN alert_outbox o USING (alert_id, seq)
 WHERE d.sink = $1 AND d.outcome = 'sent'
   AND (EXISTS (SELECT FROM alert_state s WHERE s.alert_id = d.alert_id) OR d.done_at > now() - $2 * interval '1 ms')
 ORDER BY d.alert_id, d.seq DESC`;

const MAX_ERROR = 500;
const errorText = (text: string | undefined) =>
  text === undefined ? null : storableText(text.slice(0, MAX_ERROR));

export class TimescaleNotificationStore implements NotificationStore {
  readonly #query: Query;

  constructor(db: Pick<pg.Pool, 'query'>) {
    this.#query = async (text, values) => {
      try {
        return await db.query(text, values);
      } catch (error) {
        throw databaseError(error, 'the queues of the sinks');
      }
    };
  }

  queueOf(sink: string): SinkQueue {
    return new StoredQueue(this.#query, sink);
  }

  async lease(sink: { name: string; kind: string }, owner: string, ttlMs: number): Promise<boolean> {
    const { rowCount } = await this.#query(LEASE, [sink.name, sink.kind, owner, ttlMs]);
    return (rowCount ?? 0) > 0;
  }

  async release(sink: string, owner: string): Promise<void> {
    await this.#query('UPDATE notify_sinks SET leased_until = NULL WHERE name = $1 AND owner = $2', [
      sink,
      owner,
    ]);
  }

  async enforceLimits(
    sink: string,
    { max, maxAgeMs, collapseAfterMs }: QueueBounds,
  ): Promise<QueueLimitsReport> {
    const { rows } = await this.#query(CARE, [sink, max, maxAgeMs, collapseAfterMs]);
    return (rows as QueueLimitsReport[])[0] ?? { queued: 0, collapsed: 0, dropped: 0, expired: 0 };
  }

  async record(sink: string, sent: readonly AlertNotification[]): Promise<void> {
    await this.#query(
      `INSERT INTO alert_deliveries (alert_id, seq, sink, event, alert_type, done_at, outcome)
       SELECT n.alert_id, n.seq, $1, n.event, n.alert_type, now(), 'sent'
         FROM unnest($2::uuid[], $3::int[], $4::text[], $5::text[]) AS n (alert_id, seq, event, alert_type)
       ON CONFLICT (alert_id, seq, sink) DO UPDATE SET done_at = now(), outcome = 'sent'
        WHERE alert_deliveries.done_at IS NULL`,
      [
        sink,
        ...columns(
          sent,
          ({ alertId }) => alertId,
          ({ seq }) => seq,
          ({ event }) => event,
          ({ alertType }) => alertType,
        ),
      ],
    );
  }

  async notified(sink: string, resolvedWithinMs: number): Promise<readonly NotifiedEpisode[]> {
    const { rows } = await this.#query(NOTIFIED, [sink, resolvedWithinMs]);
    return (rows as { payload: AlertNotification; notifiedAtMs: number }[]).map(
      ({ payload, notifiedAtMs }) => ({
        notification: payload,
        notifiedAtMs,
      }),
    );
  }

  async report(sink: string, { sent, refused, dropped, failure, refusal }: SinkReport): Promise<void> {
    await this.#query(
      `UPDATE notify_sinks SET sent = sent + $2, refused = refused + $3, dropped = dropped + $4,
         last_sent_at = CASE WHEN $2::bigint > 0 THEN now() ELSE last_sent_at END, failing_since = $5::timestamptz,
         last_error = coalesce($6, last_error), last_error_at = CASE WHEN $6::text IS NULL THEN last_error_at ELSE now() END
       WHERE name = $1`,
      [
        sink,
        sent,
        refused,
        dropped,
        failure === null ? null : isoMicros(Math.floor(failure.sinceMs) * 1000),
        errorText(failure?.message ?? (refused > 0 ? refusal : undefined)),
      ],
    );
  }
}
