import type { Db } from './db.ts';

export const text = `
SELECT coalesce(s.name, q.sink) AS name, s.kind, coalesce(q.queued, 0)::int AS queued, q.oldest AS "oldestQueuedAt",
       coalesce(s.sent, 0)::float8 AS sent, coalesce(s.refused, 0)::float8 AS refused,
       coalesce(s.dropped, 0)::float8 AS dropped, s.last_sent_at AS "lastSentAt", s.failing_since AS "failingSince",
       s.last_error AS "lastError", s.last_error_at AS "lastErrorAt",
       CASE WHEN s.leased_until > now() THEN s.owner END AS "servedBy"
  FROM notify_sinks s FULL JOIN (
    SELECT sink, count(*) AS queued, min(created_at) AS oldest FROM alert_deliveries WHERE done_at IS NULL GROUP BY sink) q
    ON q.sink = s.name
 ORDER BY 1`;

export interface SinkStatus {
  readonly name: string;
  readonly kind: string | null;
  readonly queued: number;
  readonly oldestQueuedAt: Date | null;
  readonly sent: number;
  readonly refused: number;
  /** At the bound of the queue, or too old. */
  readonly dropped: number;
  readonly lastSentAt: Date | null;
  /** Null while the sink accepts notifications. */
  readonly failingSince: Date | null;
  readonly lastError: string | null;
  readonly lastErrorAt: Date | null;
  /** The client id of the daemon that serves it now. */
  readonly servedBy: string | null;
}

/** Every sink that was ever served or has waiting notifications. */
export async function notifySinks(db: Db): Promise<readonly SinkStatus[]> {
  return (await db.query<SinkStatus>(text, [])).rows;
}
