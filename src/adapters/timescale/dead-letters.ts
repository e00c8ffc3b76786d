import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { Millis } from '../../core/reading.ts';
import type { DeadLetter } from '../../ports.ts';
import type { Work } from './session.ts';
import { columns, isoMicros, storableText } from './values.ts';

/**
 * The id goes with the message, not with the attempt: a batch that is written again after a lost reply stores each of
 * its dead letters once.
 */
const ids = new WeakMap<DeadLetter, string>();

function idOf(letter: DeadLetter): string {
  let id = ids.get(letter);
  if (id === undefined) ids.set(letter, (id = randomUUID()));
  return id;
}

/** Inside the batch's transaction. */
export async function writeDeadLetters(work: Work, letters: readonly DeadLetter[]): Promise<void> {
  await work.query(
    `INSERT INTO dead_letters (received_at, id, topic, payload, reason, detail)
     SELECT * FROM unnest($1::timestamptz[], $2::uuid[], $3::text[], $4::bytea[], $5::text[], $6::text[])
     ON CONFLICT DO NOTHING`,
    columns(
      letters,
      (letter) => isoMicros(Math.round(letter.receivedAtMs * 1000)),
      idOf,
      (letter) => storableText(letter.topic),
      (letter) => letter.payload,
      (letter) => storableText(letter.reason),
      (letter) => (letter.detail === undefined ? null : storableText(letter.detail)),
    ),
  );
}

export interface StoredDeadLetter {
  readonly id: string;
  readonly receivedAtMs: Millis;
  readonly topic: string;
  readonly payload: Buffer;
  readonly reason: string;
  readonly detail: string | null;
  readonly requeuedAt: Date | null;
}

export interface DeadLetterFilter {
  readonly reason?: string;
  /** An exact topic. */
  readonly topic?: string;
  readonly sinceMs?: Millis;
  readonly untilMs?: Millis;
  /** Newest first, at most so many; never more than 10,000. */
  readonly limit?: number;
}

type Reader = Pick<pg.Pool, 'query'>;

const MAX_LISTED = 10_000;
const COLUMNS = `id, (extract(epoch FROM received_at) * 1000)::float8 AS "receivedAtMs", topic, payload, reason, detail,
  requeued_at AS "requeuedAt"`;

/** For the CLI: what could not be stored, newest first. */
export async function listDeadLetters(
  db: Reader,
  filter: DeadLetterFilter = {},
): Promise<readonly StoredDeadLetter[]> {
  const result = await db.query<StoredDeadLetter>(
    `SELECT ${COLUMNS} FROM dead_letters
      WHERE received_at >= coalesce($1::timestamptz, '-infinity') AND received_at <= coalesce($2::timestamptz, 'infinity')
        AND ($3::text IS NULL OR reason = $3) AND ($4::text IS NULL OR topic = $4)
      ORDER BY received_at DESC, id LIMIT $5`,
    [
      filter.sinceMs === undefined ? null : isoMicros(filter.sinceMs * 1000),
      filter.untilMs === undefined ? null : isoMicros(filter.untilMs * 1000),
      filter.reason ?? null,
      filter.topic ?? null,
      Math.min(filter.limit ?? 100, MAX_LISTED),
    ],
  );
  return result.rows;
}

/** By id; ids that are not there are left out. */
export async function getDeadLetters(
  db: Reader,
  wanted: readonly string[],
): Promise<readonly StoredDeadLetter[]> {
  const result = await db.query<StoredDeadLetter>(
    `SELECT ${COLUMNS} FROM dead_letters WHERE id = ANY ($1::uuid[]) ORDER BY received_at, id`,
    [wanted.slice(0, MAX_LISTED)],
  );
  return result.rows;
}

/**
 * Hands each dead letter to `publish` (the broker), oldest first, and notes that it was. A letter is noted before the
 * next is published: an interruption repeats at most one.
 */
export async function requeueDeadLetters(
  db: Reader,
  wanted: readonly string[],
  publish: (letter: StoredDeadLetter) => Promise<void>,
): Promise<number> {
  const letters = await getDeadLetters(db, wanted);
  for (const letter of letters) {
    await publish(letter);
    await db.query('UPDATE dead_letters SET requeued_at = now() WHERE id = $1', [letter.id]);
  }
  return letters.length;
}

export async function deleteDeadLetters(db: Reader, wanted: readonly string[]): Promise<number> {
  const result = await db.query('DELETE FROM dead_letters WHERE id = ANY ($1::uuid[])', [
    wanted.slice(0, MAX_LISTED),
  ]);
  return result.rowCount ?? 0;
}

/** How many there are, by reason; the most frequent first. */
export async function countDeadLetters(
  db: Reader,
): Promise<readonly { readonly reason: string; readonly count: number }[]> {
  const result = await db.query<{ reason: string; count: number }>(
    'SELECT reason, count(*)::int AS count FROM dead_letters GROUP BY reason ORDER BY count DESC, reason',
  );
  return result.rows;
}
