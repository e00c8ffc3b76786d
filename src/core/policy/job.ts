import type { CatalogRow } from './catalog.ts';
import { POLICY_PROCS, type PolicyProc } from './plan.ts';
import { flagOf, numberOf, objectOf, optionalText, textOf } from './row.ts';

/** A policy as TimescaleDB has it. */
export interface PolicyJob {
  readonly id: number;
  readonly proc: PolicyProc;
  readonly relation: string;
  readonly owner: string;
  /** False: paused. */
  readonly scheduled: boolean;
  readonly fixedSchedule: boolean;
  readonly every: string;
  readonly maxRuntime: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/**
 * The policy jobs of the relations of the current schema. The hypertable is taken from the job's configuration: the
 * view's own hypertable columns are null for a policy that came in through add_job(), which runs all the same. Of an
 * aggregate the configuration names the materialization hypertable, hence the detour to the view's name.
 */
export const JOBS_QUERY = `
SELECT j.job_id, j.proc_name::text AS proc, coalesce(a.user_view_name, h.table_name)::text AS relation,
  j.owner::text AS owner, j.scheduled, j.fixed_schedule, j.schedule_interval::text AS every,
  j.max_runtime::text AS max_runtime, j.config
FROM timescaledb_information.jobs j
JOIN _timescaledb_catalog.hypertable h
  ON h.id = coalesce(j.config ->> 'hypertable_id', j.config ->> 'mat_hypertable_id')::int
LEFT JOIN _timescaledb_catalog.continuous_agg a ON a.mat_hypertable_id = h.id
WHERE j.proc_name = ANY ($1::text[]) AND j.proc_schema IN ('_timescaledb_functions', '_timescaledb_internal')
  AND coalesce(a.user_view_schema, h.schema_name) = current_schema()
ORDER BY j.job_id`;

export const JOBS_VALUES: readonly unknown[] = [Object.values(POLICY_PROCS)];

export function decodeJob(row: CatalogRow): PolicyJob {
  return {
    id: numberOf(row, 'job_id'),
    proc: textOf(row, 'proc') as PolicyProc,
    relation: textOf(row, 'relation'),
    owner: optionalText(row, 'owner') ?? '',
    scheduled: flagOf(row, 'scheduled'),
    fixedSchedule: flagOf(row, 'fixed_schedule'),
    every: textOf(row, 'every'),
    maxRuntime: textOf(row, 'max_runtime'),
    config: objectOf(row, 'config'),
  };
}
