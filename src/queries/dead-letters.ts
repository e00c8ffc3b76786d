import type { Db, Limited, TimeRange } from './db.ts';

/** Bytes that are read of each payload: a list must not fetch megabytes. */
export const HEAD_BYTES = 200;

const LISTED = `
SELECT d.id, d.received_at AS "receivedAt", d.topic, d.reason, d.detail, coalesce(d.payload_bytes, octet_length(d.payload)) AS bytes,
  octet_length(d.payload) AS "keptBytes", encode(d.payload_sha256, 'hex') AS sha256,
  substring(d.payload FROM 1 FOR ${HEAD_BYTES}) AS head, d.requeued_at AS "requeuedAt"`;
const IN_RANGE = `
FROM dead_letters d
WHERE d.received_at >= $1::timestamptz AND d.received_at < $2::timestamptz
  AND ($3::text IS NULL OR d.reason = $3) AND ($4::text IS NULL OR d.topic = $4)`;
const NEWEST_FIRST = `
ORDER BY d.received_at DESC, d.id
LIMIT $5`;

export const deadLettersSql = `${LISTED}${IN_RANGE}${NEWEST_FIRST}`;

/** The page after $6 and $7: the time to the microsecond, and the id. */
export const deadLettersPageSql = `${LISTED}, d.received_at::text AS at${IN_RANGE}
  AND ($6::timestamptz IS NULL OR d.received_at <= $6 AND (d.received_at < $6 OR d.id > $7::uuid))${NEWEST_FIRST}`;

export interface DeadLetterRow {
  readonly id: string;
  readonly receivedAt: Date;
  readonly topic: string;
  readonly reason: string;
  readonly detail: string | null;
  /** Size of the whole payload, and of what is kept of it. */
  readonly bytes: number;
  readonly keptBytes: number;
  /** Checksum of the whole payload, where a part of it is kept. */
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
  return (await db.query<DeadLetterRow>(deadLettersSql, values)).rows;
}

/** Where a page ended. */
export type DeadLetterPosition = readonly [at: string, id: string];

/** One page of them. */
export async function deadLettersPage(
  db: Db,
  query: DeadLettersQuery & { readonly after: DeadLetterPosition | undefined },
): Promise<readonly (DeadLetterRow & { readonly at: string })[]> {
  const { from, to, reason, topic, limit, after } = query;
  const values = [from, to, reason ?? null, topic ?? null, limit, ...(after ?? [null, null])];
  return (await db.query<DeadLetterRow & { at: string }>(deadLettersPageSql, values)).rows;
}

export const recentDeadLettersSql = `
SELECT count(*)::int AS letters FROM (SELECT 1 FROM dead_letters WHERE received_at >= $1::timestamptz LIMIT $2) d`;

/** How many there are since then, as far as `most`. */
export async function countDeadLetters(db: Db, since: Date, most: number): Promise<number> {
  return (await db.query<{ letters: number }>(recentDeadLettersSql, [since, most])).rows[0]?.letters ?? 0;
}

export const deadLetterSql = `
SELECT d.id, d.received_at AS "receivedAt", d.topic, d.reason, d.detail, coalesce(d.payload_bytes, octet_length(d.payload)) AS bytes,
  octet_length(d.payload) AS "keptBytes", encode(d.payload_sha256, 'hex') AS sha256, d.payload,
  d.requeued_at AS "requeuedAt"
FROM dead_letters d
WHERE d.id = $1::uuid`;

export type WholeDeadLetter = Omit<DeadLetterRow, 'head'> & { readonly payload: Uint8Array };

/** One dead letter with its payload, or as much of it as is kept; undefined for an unknown id. */
export async function deadLetter(db: Db, id: string): Promise<WholeDeadLetter | undefined> {
  return (await db.query<WholeDeadLetter>(deadLetterSql, [id])).rows[0];
}

/** Reason of the readings that `sensors merge` keeps: no message, and its topic is the key of a sensor. */
const NO_MESSAGE = 'merge_conflict';

export const lettersToRetrySql = `
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
  return (await db.query<LetterToRetry>(lettersToRetrySql, values)).rows;
}

// Oldest first, a slice at a time: a short transaction blocks nothing, and an interrupted deletion can be resumed.
export const deleteDeadLettersSql = `
DELETE FROM dead_letters d USING (
  SELECT id, received_at FROM dead_letters
  WHERE received_at < $1::timestamptz AND ($2::text IS NULL OR reason = $2)
  ORDER BY received_at LIMIT $3
) old
WHERE d.id = old.id AND d.received_at = old.received_at
RETURNING 1`;

const SLICE = 1_000;

/** Deletes at most `limit` dead letters that were received before `before`; returns how many. */
export async function deleteDeadLetters(
  db: Db,
  query: { readonly before: Date; readonly reason?: string | undefined; readonly limit: number },
): Promise<number> {
  let deleted = 0;
  while (deleted < query.limit) {
    const size = Math.min(SLICE, query.limit - deleted);
    const { rows } = await db.query(deleteDeadLettersSql, [query.before, query.reason ?? null, size]);
    deleted += rows.length;
    if (rows.length < size) break;
  }
  return deleted;
}
