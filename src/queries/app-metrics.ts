import type { Db, Limited, TimeRange } from './db.ts';

export const appMetricsSql = `
SELECT a.time, a.host, a.metric_name AS metric, a.value, a.tags
FROM app_metrics a
WHERE a.time >= $1::timestamptz AND a.time < $2::timestamptz
  AND ($3::text[] IS NULL OR a.metric_name = ANY ($3)) AND ($4::text IS NULL OR a.host = $4)
  AND ($5::jsonb IS NULL OR a.tags @> $5)
ORDER BY a.time DESC, a.metric_name, a.host
LIMIT $6`;

/** A figure of a program, or of the daemon itself. */
export interface AppMetricRow {
  readonly time: Date;
  readonly host: string;
  readonly metric: string;
  readonly value: number;
  readonly tags: Readonly<Record<string, unknown>>;
}

export interface AppMetricsQuery extends TimeRange, Limited {
  /** Names; absent: all. */
  readonly metrics?: readonly string[] | undefined;
  readonly host?: string | undefined;
  /** Tags that a row must have. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** Newest first. */
export async function appMetrics(db: Db, query: AppMetricsQuery): Promise<readonly AppMetricRow[]> {
  const { from, to, metrics, host, tags, limit } = query;
  const values = [from, to, metrics ?? null, host ?? null, tags === undefined ? null : JSON.stringify(tags)];
  return (await db.query<AppMetricRow>(appMetricsSql, [...values, limit])).rows;
}
