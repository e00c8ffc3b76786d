import type { StoredAppMetric } from './rows.ts';
import type { Db, Limited, TimeRange } from './db.ts';

export const appMetricsSql = `
SELECT a.time, a.host, a.metric_name AS metric, a.value, a.tags
FROM app_metrics a
WHERE a.time >= $1::timestamptz AND a.time < $2::timestamptz
  AND ($3::text[] IS NULL OR a.metric_name = ANY ($3)) AND ($4::text IS NULL OR a.host = $4)
  AND ($5::jsonb IS NULL OR a.tags @> $5)
ORDER BY a.time DESC, a.metric_name, a.host
LIMIT $6`;

export interface AppMetricsQuery extends TimeRange, Limited {
  /** Names; absent: all. */
  readonly metrics?: readonly string[] | undefined;
  readonly host?: string | undefined;
  /** Tags that a row must have. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** Newest first. */
export async function appMetrics(db: Db, query: AppMetricsQuery): Promise<readonly StoredAppMetric[]> {
  const { from, to, metrics, host, tags, limit } = query;
  const values = [from, to, metrics ?? null, host ?? null, tags === undefined ? null : JSON.stringify(tags)];
  return (await db.query<StoredAppMetric>(appMetricsSql, [...values, limit])).rows;
}
