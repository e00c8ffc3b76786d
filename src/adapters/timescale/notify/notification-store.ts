import { ABSENCE_KINDS } from '../../../core/alert/kind/index.ts';
import type pg from 'pg';
import type { AlertNotification } from '../../../core/alert/model.ts';
import type {
  NotificationStore,
  QueueBounds,
  QueueLimitsReport,
  SinkQueue,
  SinkReport,
  HeldReport,
  NotifiedEpisode,
  SentNotification,
} from '../../../ports/notification.ts';
import { databaseError } from '../errors.ts';
import { StoredQueue } from './notification-queue.ts';
import type { Query } from './notification-writes.ts';
import { columns, isoMicros, storableText } from '../values.ts';

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
  SELECT id, seq, created_at, coalesce(due_at, created_at) AS due_at, row_number() OVER (ORDER BY id DESC) AS age,
         max(seq) OVER (PARTITION BY alert_id) AS newest FROM alert_deliveries
   WHERE sink = $1 AND done_at IS NULL AND NOT held),
verdicts AS (
  SELECT id, CASE
    WHEN newest > seq AND created_at < now() - $4 * interval '1 ms' THEN 'collapsed'
    WHEN due_at < now() - $3 * interval '1 ms' THEN 'expired'
    WHEN age > $2 THEN 'dropped' END AS outcome
  FROM waiting),
settled AS (
  UPDATE alert_deliveries d SET done_at = now(), outcome = v.outcome FROM verdicts v
   WHERE d.sink = $1 AND d.id = v.id AND d.done_at IS NULL AND v.outcome IS NOT NULL)
SELECT count(*) FILTER (WHERE outcome IS NULL)::int AS queued, count(*) FILTER (WHERE outcome = 'collapsed')::int AS collapsed,
       count(*) FILTER (WHERE outcome = 'dropped')::int AS dropped, count(*) FILTER (WHERE outcome = 'expired')::int AS expired
  FROM verdicts`;

/**
 * Releases deliveries held for a moment at which their alert must still be firing. `ack` is the state of the engine: without an end it
 * lasts as long as the episode. While a sensor is silent its other alerts are not repeated. A new id: at the end of the queue.
 * Deliveries held by one mute time are due within milliseconds of each other: which one is the newest is decided over the next second.
 */
const RELEASE = `
WITH due AS (
  SELECT d.id, d.alert_id, d.origin, d.due_at, d.repeat_ms, y.alert_id IS NOT NULL AS system, s.state, s.detail,
         s.sensor_id, s.metric, s.kind, 'epoch'::timestamptz + (s.detail->'ack'->>'untilMs')::float8 * interval '1 ms' AS acked_until,
         row_number() OVER (PARTITION BY d.alert_id, d.origin ORDER BY d.seq DESC, d.step DESC) AS newest
    FROM (SELECT * FROM alert_deliveries WHERE sink = $1 AND held AND due_at <= now() + interval '1 s' ORDER BY due_at LIMIT $2) d
    LEFT JOIN alert_state s ON s.alert_id = d.alert_id
    LEFT JOIN system_alerts y ON y.alert_id = d.alert_id AND y.resolved_at IS NULL),
decided AS (
  SELECT id, CASE
    WHEN due_at > now() THEN 'wait'
    WHEN system THEN 'release'
    WHEN state IS NULL OR state NOT IN ('firing', 'recovering', 'flapping', 'latched') THEN 'cancelled'
    WHEN state = 'latched' AND origin <> 'mute' THEN 'cancelled'
    WHEN detail ? 'deferred' OR detail ? 'owed' THEN 'cancelled'
    WHEN acked_until > now() THEN 'postpone'
    WHEN detail ? 'ack' AND acked_until IS NULL THEN 'cancelled'
    WHEN origin <> 'reminder' AND newest > 1 THEN 'collapsed'
    WHEN origin = 'reminder' AND kind <> ALL ($3::text[]) AND EXISTS (
      SELECT FROM alert_state q WHERE q.sensor_id = due.sensor_id AND q.state = 'firing'
         AND q.kind = ANY ($3) AND q.metric IN ('', due.metric)) THEN 'repeat'
    ELSE 'release' END AS verdict, CASE WHEN acked_until > now() THEN acked_until ELSE now() + repeat_ms * interval '1 ms' END AS later
  FROM due),
queued AS (
  UPDATE alert_deliveries d SET id = DEFAULT, held = false, created_at = now(), due_at = now()
    FROM decided v WHERE v.id = d.id AND d.sink = $1 AND d.held AND v.verdict = 'release' RETURNING d.id),
cancelled AS (
  UPDATE alert_deliveries d SET held = false, done_at = now(), outcome = v.verdict
    FROM decided v WHERE v.id = d.id AND d.sink = $1 AND d.held AND v.verdict IN ('cancelled', 'collapsed') RETURNING d.id),
postponed AS (
  UPDATE alert_deliveries d SET due_at = v.later
    FROM decided v WHERE v.id = d.id AND d.sink = $1 AND d.held AND v.verdict IN ('postpone', 'repeat') RETURNING d.id)
SELECT (SELECT count(*) FROM queued)::int AS released, (SELECT count(*) FROM cancelled)::int AS cancelled,
       (SELECT count(*) FROM postponed)::int AS postponed,
       (SELECT (extract(epoch FROM min(due_at) - now()) * 1000)::float8 FROM alert_deliveries WHERE sink = $1 AND held
          AND due_at > now()) AS "nextInMs"`;
/** Rows of one statement. */
const RELEASED = 2000;

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

  async queueDue(sink: string): Promise<HeldReport> {
    const { rows } = await this.#query(RELEASE, [sink, RELEASED, ABSENCE_KINDS]);
    const [row] = rows as (Omit<HeldReport, 'nextInMs'> & { readonly nextInMs: number | null })[];
    const { released = 0, cancelled = 0, postponed = 0, nextInMs = null } = row ?? {};
    return { released, cancelled, postponed, nextInMs: nextInMs ?? Infinity };
  }

  async enforceLimits(
    sink: string,
    { max, maxAgeMs, collapseAfterMs }: QueueBounds,
  ): Promise<QueueLimitsReport> {
    const { rows } = await this.#query(CARE, [sink, max, maxAgeMs, collapseAfterMs]);
    return (rows as QueueLimitsReport[])[0] ?? { queued: 0, collapsed: 0, dropped: 0, expired: 0 };
  }

  async record(sink: string, sent: readonly SentNotification[]): Promise<void> {
    await this.#query(
      `INSERT INTO alert_deliveries (alert_id, seq, sink, event, alert_type, done_at, outcome, route)
       SELECT n.alert_id, n.seq, $1, n.event, n.alert_type, now(), 'sent', n.route
         FROM unnest($2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[]) AS n (alert_id, seq, event, alert_type, route)
       ON CONFLICT (alert_id, seq, sink, step) DO UPDATE SET done_at = now(), outcome = 'sent', held = false
        WHERE alert_deliveries.done_at IS NULL`,
      [
        sink,
        ...columns(
          sent,
          ({ notification }) => notification.alertId,
          ({ notification }) => notification.seq,
          ({ notification }) => notification.event,
          ({ notification }) => notification.alertType,
          ({ route }) => route ?? null,
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
