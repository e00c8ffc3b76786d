import type { Db } from './db.ts';
import type { DeadLetterRow } from './dead-letters.ts';

export const text = `
SELECT d.id, d.received_at AS "receivedAt", d.topic, d.reason, d.detail, coalesce(d.payload_bytes, octet_length(d.payload)) AS bytes,
  octet_length(d.payload) AS "keptBytes", encode(d.payload_sha256, 'hex') AS sha256, d.payload,
  d.requeued_at AS "requeuedAt"
FROM dead_letters d
WHERE d.id = $1::uuid`;

export type WholeDeadLetter = Omit<DeadLetterRow, 'head'> & { readonly payload: Uint8Array };

/** One dead letter with its payload, or as much of it as is kept; undefined when there is none of that id. */
export async function deadLetter(db: Db, id: string): Promise<WholeDeadLetter | undefined> {
  return (await db.query<WholeDeadLetter>(text, [id])).rows[0];
}
