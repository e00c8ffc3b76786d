import type { Db } from './db.ts';

export const metricsSql = `
SELECT name AS metric, unit, kind, created_at AS "createdAt" FROM metrics
WHERE $1::text[] IS NULL OR name = ANY ($1) ORDER BY name LIMIT $2`;

export interface MetricRow {
  readonly metric: string;
  readonly unit: string | null;
  readonly kind: 'gauge' | 'counter';
  readonly createdAt: Date;
}

/** Metrics that have no column of their own, by name: all, or those of `names`. */
export async function listMetrics(
  db: Db,
  { names, limit }: { readonly names?: readonly string[]; readonly limit?: number | undefined },
): Promise<readonly MetricRow[]> {
  return (await db.query<MetricRow>(metricsSql, [names ?? null, limit])).rows;
}

export const unitsSql = 'SELECT name, unit FROM metrics WHERE unit IS NOT NULL LIMIT 10000';

/** The units that are stated, by metric. */
export async function metricUnits(db: Db): Promise<ReadonlyMap<string, string>> {
  const { rows } = await db.query<{ name: string; unit: string }>(unitsSql, []);
  return new Map(rows.map(({ name, unit }) => [name, unit]));
}

/** Values of these metrics, and values whose metric is gone: what a daemon wrote before it noticed. */
const ABOUT = `metric_id = ANY (ARRAY(SELECT id FROM metrics WHERE name = ANY ($1::text[])))
   OR NOT EXISTS (SELECT FROM metrics m WHERE m.id = v.metric_id)`;

export const countText = `SELECT count(*)::float8 AS values FROM sensor_metrics v WHERE ${ABOUT}`;

// One statement, so that it is whole: the values first, for the condition reads the names.
export const forgetText = `
WITH gone AS (DELETE FROM sensor_metrics v WHERE ${ABOUT} RETURNING 1),
     names AS (DELETE FROM metrics WHERE name = ANY ($1::text[]) RETURNING 1)
SELECT (SELECT count(*) FROM gone)::float8 AS values`;

const aggregateTablesSql = `
SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) AS "table"
FROM timescaledb_information.continuous_aggregates
WHERE view_schema = current_schema() AND view_name IN ('sensor_metrics_hourly_agg', 'sensor_metrics_daily_agg')`;

/**
 * Deletes metric names with all their values and their hourly and daily figures, or only counts the values; returns how many there are.
 * Figures outlive values: a refresh would leave those whose values are gone.
 */
export async function forgetMetrics(
  db: Db,
  names: readonly string[],
  { dryRun }: { readonly dryRun: boolean },
): Promise<number> {
  const { rows } = await db.query<{ values: number }>(dryRun ? countText : forgetText, [names]);
  if (!dryRun)
    for (const { table } of (await db.query<{ table: string }>(aggregateTablesSql, [])).rows)
      await db.query(
        `DELETE FROM ${table} a WHERE NOT EXISTS (SELECT FROM metrics m WHERE m.id = a.metric_id)`,
        [],
      );
  return rows[0]?.values ?? 0;
}
