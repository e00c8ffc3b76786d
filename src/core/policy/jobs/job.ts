import type { CatalogRow, CheckQuery } from '../catalog.ts';

import { POLICY_PROCS, type PolicyProc } from '../plan.ts';
import { flagOf, numberOf, objectOf, optionalNumber, optionalText, textOf } from '../row.ts';
import type { ServerFacts } from '../snapshot.ts';

/** A policy as TimescaleDB stores it. */
export interface PolicyJob {
  readonly id: number;
  readonly proc: PolicyProc;
  readonly relation: string;
  readonly owner: string;
  /** This connection's role may alter and delete it. */
  readonly manageable: boolean;
  /** False: paused. */
  readonly scheduled: boolean;
  readonly fixedSchedule: boolean;
  readonly every: string;
  readonly maxRuntime: string;
  /** Consecutive failures after which TimescaleDB pauses the job; -1: never. */
  readonly maxRetries: number;
  /** Delay after a failure, multiplied by the consecutive failures. */
  readonly retryPeriod: string;
  /** The zone of slots of whole days; undefined: UTC. */
  readonly timezone: string | undefined;
  /** Schema and name of the function that checks a configuration; or `none`. */
  readonly checkedBy: string;
  /** First slot of a fixed schedule, in milliseconds since the Unix epoch. */
  readonly firstRunMs: number | undefined;
  /** Set if the next run is so far away that the job is effectively paused: the time, or `infinity`. */
  readonly postponedUntil: string | undefined;
  readonly config: Readonly<Record<string, unknown>>;
  /** It was created for `relation`; false: only its configuration names it. */
  readonly madeFor: boolean;
  /** The hypertable that it should work on. */
  readonly hypertableId: number | undefined;
}

/** Whether the job runs by itself. */
export const isActive = (job: PolicyJob): boolean => job.scheduled && job.postponedUntil === undefined;

/**
 * The policy jobs of the relations of the current schema: those created for one, whatever their configuration
 * contains by now, and those whose configuration names one, such as a policy added with add_job(). For an aggregate
 * it names the materialization hypertable, hence the detour to the view's name. Failing jobs are delayed by up to
 * five intervals: a later start was postponed manually, TimescaleDB's documented way to pause a job.
 */
export const jobsQuery = ({ extension = '' }: ServerFacts): CheckQuery => ({
  text: `
SELECT j.job_id, j.proc_name::text AS proc, coalesce(a.user_view_name, h.table_name)::text AS relation,
  j.owner::text AS owner, pg_has_role(j.owner::oid, 'USAGE') AS manageable, j.scheduled, j.fixed_schedule, j.schedule_interval::text AS every,
  j.max_runtime::text AS max_runtime, j.max_retries, coalesce(j.config, '{}') AS config, h.id AS hypertable_id, h.id IS NOT DISTINCT FROM b.hypertable_id AS made_for,
  j.retry_period::text AS retry_period, coalesce(j.check_schema || '.' || j.check_name, 'none') AS checked_by,
  b.timezone,
  CASE WHEN isfinite(j.initial_start) THEN extract(epoch FROM j.initial_start) * 1000 END::float8 AS first_run_ms,
  CASE WHEN next.start > now() + 6 * j.schedule_interval + INTERVAL '1 hour' THEN next.start::text END AS postponed_until
FROM timescaledb_information.jobs j
JOIN ${jobTable(extension)} b ON b.id = j.job_id
JOIN _timescaledb_catalog.hypertable h
  ON h.id::text IN (b.hypertable_id::text, j.config ->> 'hypertable_id', j.config ->> 'mat_hypertable_id')
LEFT JOIN _timescaledb_catalog.continuous_agg a ON a.mat_hypertable_id = h.id
LEFT JOIN _timescaledb_internal.bgw_job_stat s ON s.job_id = j.job_id
CROSS JOIN LATERAL (SELECT coalesce(s.next_start, j.initial_start) AS start) next
WHERE j.proc_name = ANY ($1::text[]) AND j.proc_schema IN ('_timescaledb_functions', '_timescaledb_internal')
  AND coalesce(a.user_view_schema, h.schema_name) = current_schema()
ORDER BY j.job_id`,
  values: [Object.values(POLICY_PROCS)],
});

/** The view omits the time zone; the table moved in 2.25. */
function jobTable(extension: string): string {
  const minor = Number(/^2\.(\d+)/.exec(extension)?.[1] ?? Infinity);
  return minor < 25 ? '_timescaledb_config.bgw_job' : '_timescaledb_catalog.bgw_job';
}

export function decodeJob(row: CatalogRow): PolicyJob {
  return {
    id: numberOf(row, 'job_id'),
    proc: textOf(row, 'proc') as PolicyProc,
    relation: textOf(row, 'relation'),
    owner: optionalText(row, 'owner') ?? '',
    manageable: row['manageable'] !== false,
    scheduled: flagOf(row, 'scheduled'),
    fixedSchedule: flagOf(row, 'fixed_schedule'),
    every: textOf(row, 'every'),
    maxRuntime: textOf(row, 'max_runtime'),
    maxRetries: optionalNumber(row, 'max_retries') ?? -1,
    retryPeriod: textOf(row, 'retry_period'),
    timezone: optionalText(row, 'timezone'),
    checkedBy: textOf(row, 'checked_by'),
    firstRunMs: optionalNumber(row, 'first_run_ms'),
    postponedUntil: optionalText(row, 'postponed_until'),
    config: objectOf(row, 'config'),
    madeFor: row['made_for'] !== false,
    hypertableId: optionalNumber(row, 'hypertable_id'),
  };
}
