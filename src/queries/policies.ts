import type { Catalog } from '../core/policy/catalog.ts';
import { describe, policiesCheck } from '../core/policy/check/policies.ts';
import type { FindingVerdict } from '../core/policy/finding.ts';
import { decodeJob, jobsQuery } from '../core/policy/jobs/job.ts';
import { type PolicyPlan, declaredPolicies, policyName } from '../core/policy/plan.ts';
import { readSnapshot } from '../core/policy/snapshot.ts';
import type { Db } from './db.ts';

// A server with background workers keeps its own statistics; runs by the daemon are in job_runs. `-infinity` is "never".
// A run that is recorded as failed with 24000 did its work on some PostgreSQL versions (see the check of runs): unknown.
const policiesSql = `
SELECT j.job_id AS job, coalesce(nullif(s.last_start, '-infinity'), r.started_at) AS started,
  CASE WHEN s.last_start IS NULL OR s.last_start = '-infinity' THEN r.ok
    WHEN s.last_run_success OR e.code IS DISTINCT FROM '24000' THEN s.last_run_success END AS ok,
  CASE WHEN j.scheduled AND r.started_at IS NULL AND isfinite(s.next_start) THEN s.next_start END AS next
FROM timescaledb_information.jobs j
LEFT JOIN _timescaledb_internal.bgw_job_stat s ON s.job_id = j.job_id
LEFT JOIN LATERAL (SELECT * FROM job_runs WHERE job_id = j.job_id ORDER BY started_at DESC LIMIT 1) r ON true
LEFT JOIN LATERAL (SELECT sqlerrcode::text AS code FROM timescaledb_information.job_errors
  WHERE job_id = j.job_id ORDER BY start_time DESC LIMIT 1) e ON true`;

interface RunRow {
  readonly job: number;
  readonly started: Date | null;
  readonly ok: boolean | null;
  readonly next: Date | null;
}

export interface PolicyRow {
  readonly relation: string;
  readonly policy: string;
  /** The declared policy. */
  readonly declared: string;
  readonly verdict: FindingVerdict;
  readonly job: number | null;
  readonly lastRun: Date | null;
  /** As the server reports it: a hint only, some servers record committed runs as failed. */
  readonly lastRunOk: boolean | null;
  /** Null where the daemon runs the jobs. */
  readonly nextRun: Date | null;
}

/** A connection as the checks see it. */
export function catalogOf(db: Db): Catalog {
  return {
    select: async (query, values = []) => (await db.query<Record<string, unknown>>(query, [...values])).rows,
  };
}

/** Every declared policy with its job, if it has one. */
export async function listPolicies(db: Db, plan: PolicyPlan): Promise<readonly PolicyRow[]> {
  const catalog = catalogOf(db);
  const facts = await readSnapshot(catalog);
  const asked = jobsQuery(facts.server);
  const rows = await catalog.select(asked.text, asked.values);
  const jobs = rows.map(decodeJob);
  const runs = new Map((await db.query<RunRow>(policiesSql, [])).rows.map((run) => [run.job, run]));
  const findings = policiesCheck.evaluate(plan, facts, [rows]);
  return declaredPolicies(plan).map((policy) => {
    const job = jobs.find(({ relation, proc }) => relation === policy.relation && proc === policy.proc);
    const run = job === undefined ? undefined : runs.get(job.id);
    return {
      relation: policy.relation,
      policy: policy.kind,
      declared: describe(policy),
      verdict:
        findings.find(({ subject }) => subject === policyName(policy))?.verdict ??
        (facts.relations.has(policy.relation) ? 'ok' : 'missing'),
      job: job?.id ?? null,
      lastRun: run?.started ?? null,
      lastRunOk: run?.ok ?? null,
      nextRun: run?.next ?? null,
    };
  });
}
