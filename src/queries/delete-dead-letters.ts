import type { Db } from './db.ts';

// Oldest first, a slice at a time: a short transaction blocks nothing, and an interrupted deletion can be resumed.
export const text = `
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
    const { rows } = await db.query(text, [query.before, query.reason ?? null, size]);
    deleted += rows.length;
    if (rows.length < size) break;
  }
  return deleted;
}
