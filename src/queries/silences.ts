import type { Matchers } from '../core/alert/rules/config.ts';

import type { Db, Limited } from './db.ts';

const COLUMNS = `id::text, CASE WHEN ends_at <= now() THEN 'over' WHEN starts_at > now() THEN 'waiting' ELSE 'active' END
  AS state, matchers, starts_at AS "startsAt", ends_at AS "endsAt", created_by AS by, comment,
  created_at AS "createdAt", expired_by AS "expiredBy"`;

export const silencesSql = `
SELECT ${COLUMNS} FROM silences WHERE ($1::boolean OR ends_at > now())
  AND ($3::timestamptz IS NULL OR ends_at < $3 OR ends_at = $3 AND silences.id > $4::bigint)
ORDER BY ends_at DESC, silences.id LIMIT $2`;

// The database's clock begins it: the daemons compare with it, and clocks of other machines may be off.
const ADD = `
INSERT INTO silences (matchers, starts_at, ends_at, created_by, comment)
SELECT $1::jsonb, start, coalesce($3::timestamptz, start + $4::float8 * INTERVAL '1 millisecond'), $5, $6
FROM (SELECT coalesce($2::timestamptz, now()) AS start) s
RETURNING ${COLUMNS}`;

const EXPIRE = `
UPDATE silences SET starts_at = least(starts_at, now()), ends_at = now(), expired_by = $2 WHERE id = $1::bigint AND ends_at > now()
RETURNING ${COLUMNS}`;

export interface SilenceRow {
  readonly id: string;
  readonly state: 'over' | 'waiting' | 'active';
  readonly matchers: Matchers;
  readonly startsAt: Date;
  readonly endsAt: Date;
  readonly by: string;
  readonly comment: string;
  readonly createdAt: Date;
  /** The operator that expired it before its end. */
  readonly expiredBy: string | null;
}

/** Where a page ended: end to the microsecond, and number. */
export type SilencePosition = readonly [endsAt: string, id: string];

export interface NewSilence {
  readonly matchers: Matchers;
  /** Null: now. */
  readonly startsAt: Date | null;
  /** The end: a time, or a duration after the start. */
  readonly end: { readonly at: Date } | { readonly afterMs: number };
  readonly by: string;
  readonly comment: string;
}

/** Silences that are not over, or all that are still known; the one that lasts longest first. */
export async function listSilences(
  db: Db,
  query: { readonly all: boolean; readonly after?: SilencePosition | undefined } & Limited,
) {
  const [endsAt = null, id = null] = query.after ?? [];
  return (await db.query<SilenceRow>(silencesSql, [query.all, query.limit, endsAt, id])).rows;
}

export async function addSilence(db: Db, silence: NewSilence): Promise<SilenceRow | undefined> {
  const { matchers, startsAt, end, by, comment } = silence;
  const [at, afterMs] = 'at' in end ? [end.at, null] : [null, end.afterMs];
  const values = [JSON.stringify(matchers), startsAt, at, afterMs, by, comment];
  return (await db.query<SilenceRow>(ADD, values)).rows[0];
}

/** Ends it now; undefined for an unknown number, or one that is over. */
export async function expireSilence(db: Db, id: string, by: string): Promise<SilenceRow | undefined> {
  return (await db.query<SilenceRow>(EXPIRE, [id, by])).rows[0];
}
