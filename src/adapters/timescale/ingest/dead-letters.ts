import { createHash, randomUUID } from 'node:crypto';
import { FieldwatchError } from '../../../core/errors.ts';
import type { DeadLetter } from '../../../ports/store.ts';
import { lockKey } from '../connection/connection.ts';
import { classify } from '../errors.ts';
import { refuseMissing } from './relied-on.ts';
import type { Work } from '../connection/session.ts';
import { asciiText, columns, isoMicros, storableText } from '../values.ts';

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

/** Payload bytes of one INSERT, whose text is several times as long; and its letters. */
const INSERT_BYTES = 1024 ** 2;
const INSERT_LETTERS = 1000;

/** As much of a letter's payload as is kept. */
interface Kept {
  readonly letter: DeadLetter;
  readonly payload: Uint8Array;
  /** Size and checksum of the whole payload, where this is a part of it. */
  readonly whole: { readonly bytes: number; readonly sha256: Buffer } | undefined;
}

/** Inside the batch's transaction. What the encoding of the database cannot hold is written in ASCII. */
export async function writeDeadLetters(
  work: Work,
  letters: readonly DeadLetter[],
  maxBytes: number,
): Promise<void> {
  for (const part of parts(letters, maxBytes)) {
    await work.script('SAVEPOINT dead_letters');
    try {
      await insert(work, part, storableText);
    } catch (error) {
      if (classify(error).kind !== 'data') throw error;
      await work.script('ROLLBACK TO SAVEPOINT dead_letters');
      await insert(work, part, asciiText);
    }
    await work.script('RELEASE SAVEPOINT dead_letters');
  }
}

function* parts(letters: readonly DeadLetter[], maxBytes: number): Iterable<readonly Kept[]> {
  let part: Kept[] = [];
  let bytes = 0;
  for (const letter of letters) {
    const kept = keptOf(letter, maxBytes);
    if (part.length > 0 && (part.length >= INSERT_LETTERS || bytes + kept.payload.length > INSERT_BYTES)) {
      yield part;
      [part, bytes] = [[], 0];
    }
    part.push(kept);
    bytes += kept.payload.length;
  }
  if (part.length > 0) yield part;
}

function keptOf(letter: DeadLetter, maxBytes: number): Kept {
  const { payload } = letter;
  if (payload.length <= maxBytes) return { letter, payload, whole: undefined };
  const sha256 = createHash('sha256').update(payload).digest();
  return { letter, payload: payload.subarray(0, maxBytes), whole: { bytes: payload.length, sha256 } };
}

async function insert(work: Work, part: readonly Kept[], text: (text: string) => string): Promise<void> {
  const letters = part.map(({ letter }) => letter);
  const keys = columns(letters, idOf, receivedAt, ({ redelivered = false }) => redelivered);
  const { rowCount } = await work.query(
    `INSERT INTO dead_letters (received_at, id, topic, payload, reason, detail, payload_bytes, payload_sha256)
     SELECT received_at, id, topic, payload, reason, detail, payload_bytes, payload_sha256
       FROM unnest($1::uuid[], $2::timestamptz[], $3::boolean[], $4::text[], $5::bytea[], $6::text[], $7::text[], $8::int[], $9::bytea[])
         AS letter (id, received_at, redelivered, topic, payload, reason, detail, payload_bytes, payload_sha256)
      WHERE NOT redelivered OR NOT EXISTS (SELECT FROM dead_letters d WHERE d.id = letter.id)
     ON CONFLICT DO NOTHING`,
    [
      ...keys,
      ...columns(
        part,
        ({ letter }) => text(letter.topic),
        ({ payload }) => payload,
        ({ letter }) => text(letter.reason),
        ({ letter }) => (letter.detail === undefined ? null : text(letter.detail)),
        ({ whole }) => whole?.bytes ?? null,
        ({ whole }) => whole?.sha256 ?? null,
      ),
    ],
  );
  await refuseMissing(work, 'dead_letters', [letters.length, rowCount], MISSING, keys);
}

/** These were not stored, neither now nor before. */
const MISSING = `
SELECT count(*)::int AS missing FROM unnest($1::uuid[], $2::timestamptz[], $3::boolean[]) AS letter (id, received_at, redelivered)
 WHERE NOT EXISTS (
   SELECT FROM dead_letters d WHERE d.id = letter.id AND (letter.redelivered OR d.received_at = letter.received_at))`;

const receivedAt = ({ receivedAtMs }: DeadLetter) => isoMicros(Math.round(receivedAtMs * 1000));

/** One row: messages that are the same have the same id. */
export interface DeadLetterKey {
  readonly id: string;
  /** As the database writes it, with its microseconds. */
  readonly receivedAt: string;
}

export interface StoredDeadLetter {
  readonly topic: string;
  readonly payload: Buffer;
}

/** The part of a database connection that is used here: `pg.Pool`, `pg.Client` and the reader of a command fit alike. */
interface Db {
  query<Row>(text: string, values: unknown[]): Promise<{ rows: Row[] }>;
}

const MAX_LETTERS = 10_000;

/**
 * Passes each dead letter to `publish` (the broker), in the given order, and records that it was. A letter is recorded before
 * next is published: an interruption repeats at most one. What `publish` answers with false stays as it is. Returns how many were
 * published; unknown ones are left out, and without `again` those that were published before. Rejects with RETRY_RUNNING while
 * another connection does this, and with DEAD_LETTER_TRUNCATED where the payload of one is not whole; then nothing is published.
 * `db` is one connection: the lock is its own.
 */
export async function requeueDeadLetters(
  db: Db,
  wanted: readonly DeadLetterKey[],
  publish: (letter: StoredDeadLetter) => Promise<boolean>,
  again = false,
): Promise<number> {
  const key = lockKey('retry');
  const lock = await db.query<{ held: boolean }>(`SELECT pg_try_advisory_lock(${key}) AS held`, []);
  if (lock.rows[0]?.held !== true) throw retryRunning();
  try {
    return await requeue(db, wanted.slice(0, MAX_LETTERS), publish, again);
  } finally {
    // On a connection that broke it is free already.
    await db.query(`SELECT pg_advisory_unlock(${key})`, []).catch(() => undefined);
  }
}

async function requeue(
  db: Db,
  letters: readonly DeadLetterKey[],
  publish: (letter: StoredDeadLetter) => Promise<boolean>,
  again: boolean,
): Promise<number> {
  const cut = await db.query<{ id: string }>(
    `SELECT id FROM dead_letters WHERE payload_bytes IS NOT NULL
        AND (id, received_at) IN (SELECT * FROM unnest($1::uuid[], $2::timestamptz[])) LIMIT 1`,
    [letters.map(({ id }) => id), letters.map(({ receivedAt: at }) => at)],
  );
  const [first] = cut.rows;
  if (first !== undefined) throw truncatedLetter(first.id);
  let count = 0;
  for (const { id, receivedAt: at } of letters) {
    // One at a time: payloads of ten thousand would not fit into memory.
    const { rows } = await db.query<StoredDeadLetter>(
      `SELECT topic, payload FROM dead_letters
        WHERE id = $1::uuid AND received_at = $2::timestamptz AND ($3 OR requeued_at IS NULL)`,
      [id, at, again],
    );
    const [letter] = rows;
    if (letter === undefined || !(await publish(letter))) continue;
    const noted =
      'UPDATE dead_letters SET requeued_at = now() WHERE id = $1::uuid AND received_at = $2::timestamptz';
    await db.query(noted, [id, at]);
    count++;
  }
  return count;
}

const retryRunning = () =>
  new FieldwatchError('dead letters are being published again by another command', {
    code: 'RETRY_RUNNING',
    kind: 'transient',
    remedy: 'Wait for its end, then look at what is left: the same command without --yes.',
  });

const truncatedLetter = (id: string) =>
  new FieldwatchError(`only the beginning of the payload of dead letter ${id} is kept`, {
    code: 'DEAD_LETTER_TRUNCATED',
    kind: 'data',
    remedy:
      'Leave it out, and have the sender repeat it; dead_letters.max_payload says how much is kept of later ones.',
  });
