import type { Db, Limited, TimeRange } from './db.ts';

/** Of each payload only the head is read: a list must not fetch megabytes. */
export const HEAD_BYTES = 200;

export const text = `
SELECT d.id, d.received_at AS "receivedAt", d.topic, d.reason, d.detail, coalesce(d.payload_bytes, octet_length(d.payload)) AS bytes,
  octet_length(d.payload) AS "keptBytes", encode(d.payload_sha256, 'hex') AS sha256,
  substring(d.payload FROM 1 FOR ${HEAD_BYTES}) AS head, d.requeued_at AS "requeuedAt"
FROM dead_letters d
WHERE d.received_at >= $1::timestamptz AND d.received_at < $2::timestamptz
  AND ($3::text IS NULL OR d.reason = $3) AND ($4::text IS NULL OR d.topic = $4)
ORDER BY d.received_at DESC, d.id
LIMIT $5`;

export interface DeadLetterRow {
  readonly id: string;
  readonly receivedAt: Date;
  readonly topic: string;
  readonly reason: string;
  readonly detail: string | null;
  /** Size of the whole payload, and of what is kept of it. */
  readonly bytes: number;
  readonly keptBytes: number;
  /** Of the whole payload, where a part of it is kept. */
  readonly sha256: string | null;
  /** Its first bytes. */
  readonly head: Uint8Array;
  readonly requeuedAt: Date | null;
}

export interface DeadLettersQuery extends TimeRange, Limited {
  readonly reason?: string | undefined;
  readonly topic?: string | undefined;
}

/** Dead letters of a time range, newest first. */
export async function listDeadLetters(db: Db, query: DeadLettersQuery): Promise<readonly DeadLetterRow[]> {
  const values = [query.from, query.to, query.reason ?? null, query.topic ?? null, query.limit];
  return (await db.query<DeadLetterRow>(text, values)).rows;
}
