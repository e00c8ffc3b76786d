import { type Db, type Selection, selected } from './db.ts';
import { isCore } from './samples.ts';

export const text = `
SELECT $1::text IS NOT NULL AND NOT EXISTS (SELECT FROM sensors WHERE key = $1) AS sensor,
  $2::text IS NOT NULL AND NOT EXISTS (SELECT FROM sensors WHERE location = $2) AS location,
  $3::text IS NOT NULL AND NOT ${isCore('$3')} AND NOT EXISTS (SELECT FROM metrics WHERE name = $3) AS metric`;

/** Which names of a selection the database does not have at all. */
export interface UnknownNames {
  readonly sensor: boolean;
  readonly location: boolean;
  readonly metric: boolean;
}

const NONE: UnknownNames = { sensor: false, location: false, metric: false };

export async function unknownNames(
  db: Db,
  query: Selection & { readonly metric?: string | undefined },
): Promise<UnknownNames> {
  const values = [...selected(query), query.metric ?? null];
  if (values.every((value) => value === null)) return NONE;
  return (await db.query<UnknownNames>(text, values)).rows[0] ?? NONE;
}
