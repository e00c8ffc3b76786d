import type { Db, Limited, TimeRange } from './db.ts';

/** What `sensors merge` keeps of readings: no message, and its topic is the key of a sensor. */
const NO_MESSAGE = 'merge_conflict';

export const text = `
SELECT d.id, d.received_at::text AS "receivedAt", d.topic, d.reason, d.payload_bytes IS NOT NULL AS truncated, d.requeued_at IS NOT NULL AS requeued
FROM dead_letters d
WHERE d.received_at >= $1::timestamptz AND d.received_at < $2::timestamptz AND d.reason <> '${NO_MESSAGE}'
  AND ($3::uuid[] IS NULL OR d.id = ANY ($3)) AND ($4::text IS NULL OR d.reason = $4) AND ($5::text IS NULL OR d.topic = $5)
ORDER BY d.received_at, d.id
LIMIT $6`;

export interface LetterToRetry {
  /** Messages that are the same have the same id: with the time it names one row. */
  readonly id: string;
  /** As the database writes it, with its microseconds. */
  readonly receivedAt: string;
  readonly topic: string;
  readonly reason: string;
  /** Only the beginning of its payload is kept. */
  readonly truncated: boolean;
  /** It was published again before. */
  readonly requeued: boolean;
}

export interface RetryQuery extends TimeRange, Limited {
  readonly ids?: readonly string[] | undefined;
  readonly reason?: string | undefined;
  readonly topic?: string | undefined;
}

/** Dead letters of a time range that are messages, oldest first. */
export async function lettersToRetry(db: Db, query: RetryQuery): Promise<readonly LetterToRetry[]> {
  const { from, to, ids, reason, topic, limit } = query;
  const values = [from, to, ids ?? null, reason ?? null, topic ?? null, limit];
  return (await db.query<LetterToRetry>(text, values)).rows;
}
