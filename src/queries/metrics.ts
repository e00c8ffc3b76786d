import type { Db } from './db.ts';

export const text = `
SELECT name AS metric, unit, created_at AS "createdAt" FROM metrics
WHERE $1::text[] IS NULL OR name = ANY ($1) ORDER BY name LIMIT $2`;

export interface MetricRow {
  readonly metric: string;
  readonly unit: string | null;
  readonly createdAt: Date;
}

/** Metrics that have no column of their own, by name: all, or those of `names`. */
export async function listMetrics(
  db: Db,
  { names, limit }: { readonly names?: readonly string[]; readonly limit: number },
): Promise<readonly MetricRow[]> {
  return (await db.query<MetricRow>(text, [names ?? null, limit])).rows;
}
