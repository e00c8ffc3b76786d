import { counted } from '../../counted.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck, RepairStep } from '../check.ts';
import type { Finding } from '../finding.ts';
import { intervalMs } from '../interval.ts';
import { POLICY_PROCS, type PolicyPlan, declaredPolicies, policyName } from '../plan.ts';
import { type PolicyKind, relationNamed } from '../schema/relations.ts';
import { NO_RELEASE, releaseOf, releaseQueries } from '../jobs/release.ts';

import { numberOf, optionalNumber, optionalText, textOf } from '../row.ts';
import { type CatalogSnapshot, existingRelations } from '../snapshot.ts';

const CHECK = 'runs';
/**
 * "cannot drop portal": some PostgreSQL versions record every background job as failed with this code although its
 * work is committed. It does not indicate the effect; the other checks do.
 */
const EFFECT_UNKNOWN = '24000';
/**
 * Transient errors, by SQLSTATE or class: conflicts of transactions and deadlocks, lock time-outs, time limits, and a
 * server shutdown. TimescaleDB runs the job again after its retry period.
 */
const PASSING: readonly string[] = ['40', '55006', '55P03', '57'];
/** This many consecutive failures with a transient error are reported. */
const PASSING_TO_REPORT = 3;
/** How many of a job's latest failures are read. */
const MOST_ERRORS = 20;
const HOUR_S = 3600;

// A job has no next start while it runs, and whether it runs is not visible at every moment: hence the five minutes.
// A job that never ran has -infinity for its times, a paused one may have infinity, and subtracting either fails.
// Error texts are visible to a job's owner only. TimescaleDB's own count of consecutive failures includes those with
// an unknown effect: if there are any, the count starts after the latest of them.
const BY_SERVER = `
SELECT j.proc_name::text AS proc, coalesce(a.user_view_name, h.table_name)::text AS relation, j.job_id,
  j.schedule_interval::text AS every, s.job_status = 'Running' AS running,
  CASE WHEN isfinite(b.last_start) THEN extract(epoch FROM now() - b.last_start) END::float8 AS since_start,
  CASE WHEN isfinite(b.next_start) THEN extract(epoch FROM now() - b.next_start) END::float8 AS since_due,
  b.next_start = '-infinity' AND b.last_start > '-infinity' AND b.last_start < now() - INTERVAL '5 minutes' AS stuck,
  CASE WHEN e.unknown > 0 THEN e.latest ELSE coalesce(b.consecutive_failures, 0) + coalesce(b.consecutive_crashes, 0)
    END AS failures, e.code, e.message
FROM timescaledb_information.jobs j
JOIN _timescaledb_catalog.hypertable h
  ON h.id = coalesce(j.config ->> 'hypertable_id', j.config ->> 'mat_hypertable_id')::int
LEFT JOIN _timescaledb_catalog.continuous_agg a ON a.mat_hypertable_id = h.id
LEFT JOIN timescaledb_information.job_stats s ON s.job_id = j.job_id
LEFT JOIN _timescaledb_internal.bgw_job_stat b ON b.job_id = j.job_id
LEFT JOIN LATERAL (SELECT (array_agg(code ORDER BY start_time DESC))[1] AS code,
    (array_agg(message ORDER BY start_time DESC))[1] AS message,
    count(*) FILTER (WHERE unknown_since = 0)::int AS latest, max(unknown_since)::int AS unknown
  FROM (SELECT *, count(*) FILTER (WHERE code = '${EFFECT_UNKNOWN}') OVER (ORDER BY start_time DESC) AS unknown_since
    FROM (SELECT start_time, sqlerrcode::text AS code, err_message::text AS message
      FROM timescaledb_information.job_errors WHERE job_id = j.job_id AND err_message IS NOT NULL
      ORDER BY start_time DESC LIMIT ${MOST_ERRORS}) errors
  ) counted) e ON true
WHERE j.scheduled AND j.proc_name = ANY ($1::text[])
  AND coalesce(a.user_view_schema, h.schema_name) = current_schema()`;

// Without background workers the daemon runs the jobs and records the history.
const BY_DAEMON = `
SELECT j.proc_name::text AS proc, coalesce(a.user_view_name, h.table_name)::text AS relation, j.job_id,
  j.schedule_interval::text AS every, false AS running, false AS stuck,
  extract(epoch FROM now() - r.started_at)::float8 AS since_start, NULL::float8 AS since_due, NULL AS code,
  r.error AS message, (SELECT count(*)::int FROM job_runs f WHERE f.job_id = j.job_id AND NOT f.ok
    AND f.finished_at IS NOT NULL AND f.started_at >
    coalesce((SELECT max(g.started_at) FROM job_runs g WHERE g.job_id = j.job_id AND g.ok), '-infinity')) AS failures
FROM timescaledb_information.jobs j
JOIN _timescaledb_catalog.hypertable h
  ON h.id = coalesce(j.config ->> 'hypertable_id', j.config ->> 'mat_hypertable_id')::int
LEFT JOIN _timescaledb_catalog.continuous_agg a ON a.mat_hypertable_id = h.id
LEFT JOIN LATERAL (SELECT * FROM job_runs WHERE job_id = j.job_id ORDER BY started_at DESC LIMIT 1) r ON true
WHERE j.scheduled AND j.proc_name = ANY ($1::text[])
  AND coalesce(a.user_view_schema, h.schema_name) = current_schema()`;

/** V2: the jobs run. A hint in addition to the checks of their effects: job status can be wrong in both directions. */
export const runsCheck: PolicyCheck = {
  name: CHECK,
  about: 'jobs run and do not fail, as far as their status can be believed',
  // A dead scheduler and a standby are findings of the server: that nothing runs follows from them.
  queries: (_plan, { server }) =>
    server.standby || (server.hasWorkers && server.schedulers === 0)
      ? []
      : [{ text: server.hasWorkers ? BY_SERVER : BY_DAEMON, values: [Object.values(POLICY_PROCS)] }],
  evaluate: (plan, snapshot, [rows = []]) => rows.flatMap((row) => evaluate(plan, snapshot, row)),
  repair: {
    queries: releaseQueries,
    // A job that is stuck or overdue is started; one that hangs or fails needs an operator.
    steps: ({ plan, snapshot, answers, details }) =>
      (answers[0] ?? []).flatMap((row): readonly RepairStep[] => {
        const [finding] = evaluate(plan, snapshot, row);
        const sleeping = row['stuck'] === true || (finding?.actual.includes(' was due ') ?? false);
        if (finding === undefined || !sleeping || row['running'] === true) return [];
        const job = numberOf(row, 'job_id');
        const policy = declaredPolicies(plan).find((declared) => policyName(declared) === finding.subject);
        // Only this step starts it: it would not have dropped otherwise what it then drops.
        const release = policy === undefined ? NO_RELEASE : releaseOf(policy, undefined, details.flat());
        return [
          {
            check: CHECK,
            subject: finding.subject,
            effect: release.effect,
            about: `start job ${job} now${release.note}`,
            sql: `SELECT alter_job(${job}, next_start => now())`,
          },
        ];
      }),
  },
};

type Fault = Pick<Finding, 'verdict' | 'actual' | 'remedy'>;

function evaluate(plan: PolicyPlan, snapshot: CatalogSnapshot, row: CatalogRow): readonly Finding[] {
  const relation = relationNamed(textOf(row, 'relation'));
  const kind = kindOf(textOf(row, 'proc'));
  const declared = existingRelations(plan, snapshot).find(
    (candidate) => candidate.relation.name === relation?.name,
  );
  if (relation === undefined || kind === undefined || declared === undefined) return [];
  const fault = faultOf(row, snapshot);
  if (fault === undefined) return [];
  const subject = policyName({ relation: relation.name, kind });
  return [{ check: CHECK, subject, severity: 'warning', expected: 'runs when due, and succeeds', ...fault }];
}

function faultOf(row: CatalogRow, snapshot: CatalogSnapshot): Fault | undefined {
  const job = numberOf(row, 'job_id');
  const every = Math.max(intervalMs(textOf(row, 'every')) / 1000, 60);
  const sinceStart = optionalNumber(row, 'since_start');
  const sinceDue = optionalNumber(row, 'since_due');
  const wake = `SELECT alter_job(${job}, next_start => now());`;
  if (row['running'] === true) {
    if (sinceStart === undefined || sinceStart <= Math.max(6 * every, HOUR_S)) return undefined;
    return stalled(
      `job ${job} has been running for ${hours(sinceStart)}`,
      `check pg_stat_activity; if it waits, end the blocking session; then ${wake}`,
    );
  }
  if (row['stuck'] === true) {
    return stalled(
      `job ${job} has no next start: a failover interrupted it`,
      `${wake} -- TimescaleDB 2.26.4 repairs this itself`,
    );
  }
  // Failing jobs are delayed by up to five intervals, so overdue means that a due job was not started. A job that
  // never ran was due since the first slot of its schedule, years ago: its state is unknown, and if it never runs,
  // the checks of the effects report it.
  const ranBefore = sinceStart !== undefined;
  if (snapshot.server.hasWorkers && ranBefore && sinceDue !== undefined && sinceDue > Math.max(every, 600)) {
    return {
      verdict: 'lagging',
      actual: `job ${job} was due ${hours(sinceDue)} ago`,
      remedy: `${wake} -- if many are late: too few workers (timescaledb.max_background_workers)`,
    };
  }
  const [failures, code, message] = [
    numberOf(row, 'failures'),
    optionalText(row, 'code'),
    optionalText(row, 'message'),
  ];
  if (failures === 0 || code === EFFECT_UNKNOWN || (code === undefined && message === undefined))
    return undefined;
  // A run cut off by a crash of the server has no code there.
  const passing = code === undefined ? snapshot.server.hasWorkers : passes(code);
  if (passing && failures < PASSING_TO_REPORT) return undefined;
  return {
    verdict: 'lagging',
    actual: `job ${job} failed ${counted(failures, 'time')} in a row: ${message ?? ''}${code === undefined ? '' : ` (${code})`}`,
    remedy: `fix the cause in the message; then ${wake}`,
  };
}

const passes = (code: string): boolean => PASSING.includes(code) || PASSING.includes(code.slice(0, 2));

const stalled = (actual: string, remedy: string): Fault => ({ verdict: 'stalled', actual, remedy });

const hours = (seconds: number): string =>
  seconds < HOUR_S ? `${Math.round(seconds / 60)} minutes` : `${Math.round(seconds / 360) / 10} hours`;

function kindOf(proc: string): PolicyKind | undefined {
  return (Object.keys(POLICY_PROCS) as PolicyKind[]).find((kind) => POLICY_PROCS[kind] === proc);
}
