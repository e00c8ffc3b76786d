import type { Db } from './db.ts';

export const text = `
UPDATE sensors SET
  name = CASE WHEN $2::boolean THEN $3::text ELSE name END,
  type = CASE WHEN $4::boolean THEN $5::text ELSE type END,
  location = CASE WHEN $6::boolean THEN $7::text ELSE location END,
  tags = CASE WHEN $8::boolean THEN $9::text[] ELSE tags END,
  updated_at = now()
WHERE key = $1::text
RETURNING key AS sensor, name, type, location, tags, declared`;

/** Absent: keep. Null: clear. */
export interface SensorChange {
  readonly name?: string | null;
  readonly type?: string | null;
  readonly location?: string | null;
  readonly tags?: readonly string[];
}

export interface ChangedSensor {
  readonly sensor: string;
  readonly name: string | null;
  readonly type: string | null;
  readonly location: string | null;
  readonly tags: readonly string[];
  readonly declared: boolean;
}

/** The sensor as it is afterwards; undefined when there is none of that key. */
export async function updateSensor(
  db: Db,
  sensor: string,
  change: SensorChange,
): Promise<ChangedSensor | undefined> {
  const pair = (value: unknown): [boolean, unknown] => [value !== undefined, value ?? null];
  const { name, type, location, tags } = change;
  const values = [sensor, ...pair(name), ...pair(type), ...pair(location), ...pair(tags ?? undefined)];
  // `tags` is NOT NULL: where it is kept, the unused parameter must still be an array.
  values[8] = tags ?? [];
  return (await db.query<ChangedSensor>(text, values)).rows[0];
}
