import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { DeadLetter } from '../../ports.ts';
import { judge } from './errors.ts';
import { refuseVanished } from './relied-on.ts';
import type { Work } from './session.ts';
import { asciiText, columns, isoMicros, storableText } from './values.ts';

/**
 * For letters without an id. The id goes with the message, not with the attempt: a batch that is written again after a lost reply stores each of
 * its dead letters once.
 */
const ids = new WeakMap<DeadLetter, string>();

function idOf(letter: DeadLetter): string {
  if (letter.id !== undefined) return letter.id;
  let id = ids.get(letter);
  if (id === undefined) ids.set(letter, (id = randomUUID()));
  return id;
}

/** Inside the batch's transaction. What the encoding of the database cannot hold is written in ASCII. */
export async function writeDeadLetters(work: Work, letters: readonly DeadLetter[]): Promise<void> {
  await work.script('SAVEPOINT dead_letters');
  try {
    await insert(work, letters, storableText);
  } catch (error) {
    if (judge(error).kind !== 'data') throw error;
    await work.script('ROLLBACK TO SAVEPOINT dead_letters');
    await insert(work, letters, asciiText);
  }
}

async function insert(
  work: Work,
  letters: readonly DeadLetter[],
  text: (text: string) => string,
): Promise<void> {
  const times = letters.map((letter) => isoMicros(Math.round(letter.receivedAtMs * 1000)));
  const { rowCount } = await work.query(
    `INSERT INTO dead_letters (received_at, id, topic, payload, reason, detail)
     SELECT * FROM unnest($1::timestamptz[], $2::uuid[], $3::text[], $4::bytea[], $5::text[], $6::text[])
     ON CONFLICT DO NOTHING`,
    columns(
      letters,
      (letter) => isoMicros(Math.round(letter.receivedAtMs * 1000)),
      idOf,
      (letter) => text(letter.topic),
      (letter) => letter.payload,
      (letter) => text(letter.reason),
      (letter) => (letter.detail === undefined ? null : text(letter.detail)),
    ),
  );
  if (rowCount === letters.length) return;
  // Fewer where some are stored already, or where they went nowhere.
  const wanted = [...new Set(letters.map(idOf))];
  const kept = await work.query<{ kept: number }>(
    `SELECT count(DISTINCT id)::int AS kept FROM dead_letters
      WHERE id = ANY ($1::uuid[]) AND received_at = ANY ($2::timestamptz[])`,
    [wanted, times],
  );
  refuseVanished('dead_letters', wanted.length, kept.rows[0]?.kept ?? null);
}

export interface StoredDeadLetter {
  readonly id: string;
  readonly topic: string;
  readonly payload: Buffer;
}

type Db = Pick<pg.Pool, 'query'>;

const MAX_IDS = 10_000;

/**
 * Hands each dead letter to `publish` (the broker), oldest first, and notes that it was. A letter is noted before the
 * next is published: an interruption repeats at most one. Returns how many there were; unknown ids are left out.
 */
export async function requeueDeadLetters(
  db: Db,
  wanted: readonly string[],
  publish: (letter: StoredDeadLetter) => Promise<void>,
): Promise<number> {
  const letters = await db.query<StoredDeadLetter>(
    'SELECT id, topic, payload FROM dead_letters WHERE id = ANY ($1::uuid[]) ORDER BY received_at, id',
    [wanted.slice(0, MAX_IDS)],
  );
  for (const letter of letters.rows) {
    await publish(letter);
    await db.query('UPDATE dead_letters SET requeued_at = now() WHERE id = $1', [letter.id]);
  }
  return letters.rows.length;
}

/** By id; how many there were. */
export async function removeDeadLetters(db: Db, wanted: readonly string[]): Promise<number> {
  const result = await db.query('DELETE FROM dead_letters WHERE id = ANY ($1::uuid[])', [
    wanted.slice(0, MAX_IDS),
  ]);
  return result.rowCount ?? 0;
}
