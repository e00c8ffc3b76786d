import type { Db } from './db.ts';

/** Values of these metrics, and values whose metric is gone: what a daemon wrote before it noticed. */
const ABOUT = `metric_id = ANY (ARRAY(SELECT id FROM metrics WHERE name = ANY ($1::text[])))
   OR NOT EXISTS (SELECT FROM metrics m WHERE m.id = v.metric_id)`;

export const countText = `SELECT count(*)::float8 AS values FROM sensor_metrics v WHERE ${ABOUT}`;

// One statement, so that it is whole: the values first, for the condition reads the names.
export const forgetText = `
WITH gone AS (DELETE FROM sensor_metrics v WHERE ${ABOUT} RETURNING 1),
     names AS (DELETE FROM metrics WHERE name = ANY ($1::text[]) RETURNING 1)
SELECT (SELECT count(*) FROM gone)::float8 AS values`;

/** Deletes metric names with all their values, or only counts the values; returns how many there are. */
export async function forgetMetrics(
  db: Db,
  names: readonly string[],
  { dryRun }: { readonly dryRun: boolean },
): Promise<number> {
  const { rows } = await db.query<{ values: number }>(dryRun ? countText : forgetText, [names]);
  return rows[0]?.values ?? 0;
}
