import type pg from 'pg';
import { FieldwatchError, messageOf } from '../../../core/errors.ts';
import {
  type JobRun,
  type PolicyJobs,
  type ScheduledJob,
  dueJobs,
} from '../../../core/policy/jobs/job-schedule.ts';
import type { DatabaseOptions } from '../connection/connection.ts';
import { Connector } from '../connection/connector.ts';
import { databaseError, classify } from '../errors.ts';
import { bounded, cut } from '../connection/query-timeout.ts';
import { rollBack } from '../connection/transaction.ts';

export interface ClosablePolicyJobs extends PolicyJobs {
  /** Idempotent; a run under way is cut off. */
  close(): Promise<void>;
}

export interface PolicyJobsOptions extends DatabaseOptions {
  /** No further job is started after this time in one call. */
  readonly budgetMs?: number;
  /** Limit of one run of a job. */
  readonly runTimeoutMs?: number;
}

const BUDGET_MS = 45_000;
/** A first refresh of a long history is under way for minutes; a run of hours does not end. */
const RUN_TIMEOUT_MS = 3_600_000;
/** Limit of the small statements around a run. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** Past the server's own limit: the embedded one has none, and a frozen one sends nothing. */
const GRACE_MS = 10_000;
/** For a run under way when the daemon stops: chunks and ranges that are done stay done, the rest is for the next start. */
const STOP_PATIENCE_MS = 5000;
/** Runs of each job that `job_runs` keeps. */
const KEPT_RUNS = 100;

// Jobs below 1000 are TimescaleDB's own (telemetry, history). The hypertable comes from the configuration, as in the
// policies check: the view's column is null for a job that came in through add_job(). A next_start is set where an operator
// set one: TimescaleDB's documented way to postpone a job, or to pause it (infinity).
const JOBS = `
SELECT j.job_id AS id, j.proc_name::text AS proc, coalesce(a.user_view_name, h.table_name)::text AS relation,
  j.scheduled AND coalesce(s.next_start, now()) <= now() AS scheduled, j.schedule_interval::text AS every, j.retry_period::text AS "retryPeriod",
  CASE WHEN j.fixed_schedule THEN extract(epoch FROM j.initial_start) * 1000 END::float8 AS "initialStartMs",
  extract(epoch FROM r.started_at)::float8 * 1000 AS "startedAtMs",
  extract(epoch FROM r.finished_at)::float8 * 1000 AS "finishedAtMs", r.ok,
  (SELECT count(*)::int FROM job_runs f WHERE f.job_id = j.job_id AND NOT f.ok AND f.started_at >
    coalesce((SELECT max(g.started_at) FROM job_runs g WHERE g.job_id = j.job_id AND g.ok), '-infinity')) AS failures,
  extract(epoch FROM now())::float8 * 1000 AS "nowMs"
FROM timescaledb_information.jobs j
LEFT JOIN _timescaledb_catalog.hypertable h
  ON h.id = coalesce(j.config ->> 'hypertable_id', j.config ->> 'mat_hypertable_id')::int
LEFT JOIN _timescaledb_catalog.continuous_agg a ON a.mat_hypertable_id = h.id
LEFT JOIN _timescaledb_internal.bgw_job_stat s ON s.job_id = j.job_id
LEFT JOIN LATERAL (SELECT * FROM job_runs WHERE job_id = j.job_id ORDER BY started_at DESC LIMIT 1) r ON true
WHERE j.job_id >= 1000 AND current_setting('timescaledb.max_background_workers', true) IS NULL`;

interface JobRow extends Omit<ScheduledJob, 'lastRun' | 'relation' | 'initialStartMs'> {
  readonly relation: string | null;
  readonly initialStartMs: number | null;
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number | null;
  readonly ok: boolean | null;
  readonly failures: number;
  readonly nowMs: number;
}

export function createPolicyJobs(options: PolicyJobsOptions): ClosablePolicyJobs {
  const runMs = options.runTimeoutMs ?? RUN_TIMEOUT_MS;
  const connector = new Connector({ ...options, statementTimeoutMs: runMs });
  let open: pg.Client | undefined;
  return {
    async runDue(signal) {
      if (signal.aborted) return [];
      const stopAt = performance.now() + (options.budgetMs ?? BUDGET_MS);
      const run = async (client: pg.Client) => {
        const endings = hangUpAfter(signal, client);
        try {
          open = client;
          const runs: JobRun[] = [];
          for (const job of await due(client)) {
            if (signal.aborted || performance.now() > stopAt) break;
            runs.push(await runJob(client, job, runMs + GRACE_MS));
          }
          return runs;
        } finally {
          endings.cancel();
          open = undefined;
        }
      };
      return connector.use(run, signal).catch((error: unknown) => {
        throw databaseError(error, 'running due policy jobs');
      });
    },
    async close() {
      if (open !== undefined) cut(open);
    },
  };
}

/** Hangs up a while after `signal`: a daemon that stops does not wait for an hour of work. */
function hangUpAfter(signal: AbortSignal, client: pg.Client): { cancel(): void } {
  let timer: NodeJS.Timeout | undefined;
  const stop = () => (timer = setTimeout(() => cut(client), STOP_PATIENCE_MS));
  signal.addEventListener('abort', stop, { once: true });
  return {
    cancel() {
      signal.removeEventListener('abort', stop);
      clearTimeout(timer);
    },
  };
}

/** Due by the database's clock: it is the one by which the job will decide what is old. */
async function due(client: pg.Client): Promise<readonly ScheduledJob[]> {
  const { rows } = await ask<JobRow>(client, JOBS);
  return dueJobs(rows.map(decode), rows[0]?.nowMs ?? 0);
}

function decode(row: JobRow): ScheduledJob {
  const { id, proc, scheduled, every, retryPeriod } = row;
  return {
    ...{ id, proc, scheduled, every, retryPeriod },
    relation: row.relation ?? undefined,
    initialStartMs: row.initialStartMs ?? undefined,
    lastRun:
      row.startedAtMs === null
        ? undefined
        : {
            startedAtMs: row.startedAtMs,
            finishedAtMs: row.finishedAtMs ?? undefined,
            ok: row.ok === true,
            failures: row.failures,
          },
  };
}

async function runJob(client: pg.Client, job: ScheduledJob, limitMs: number): Promise<JobRun> {
  const startedAt = performance.now();
  // The row comes first: a run that kills the process is remembered, and not tried again at once for ever.
  const { rows } = await ask<{ at: string }>(
    client,
    'INSERT INTO job_runs (job_id, started_at) VALUES ($1, clock_timestamp()) RETURNING started_at::text AS at',
    [job.id],
  );
  const error = await call(client, job.id, limitMs);
  await ask(
    client,
    'UPDATE job_runs SET finished_at = clock_timestamp(), ok = $3, error = $4 WHERE job_id = $1 AND started_at = $2::timestamptz',
    [job.id, rows[0]?.at, error === undefined, error ?? null],
  );
  await ask(
    client,
    `DELETE FROM job_runs WHERE job_id = $1 AND started_at < (SELECT started_at FROM job_runs WHERE job_id = $1
     ORDER BY started_at DESC OFFSET ${KEPT_RUNS - 1} LIMIT 1)`,
    [job.id],
  );
  const durationMs = Math.round(performance.now() - startedAt);
  return { jobId: job.id, proc: job.proc, relation: job.relation, durationMs, error };
}

const ask = <Row extends pg.QueryResultRow>(client: pg.Client, text: string, values: unknown[] = []) =>
  bounded(client, STATEMENT_TIMEOUT_MS, () => client.query<Row>(text, values));

/** Not in a transaction: refresh and compression commit as they go. Rejects when there was no answer at all. */
async function call(client: pg.Client, id: number, limitMs: number): Promise<string | undefined> {
  try {
    await bounded(client, limitMs, () => client.query(`CALL run_job(${id})`));
    return undefined;
  } catch (error) {
    if (error instanceof FieldwatchError || classify(error).lost === true) throw error;
    await bounded(client, STATEMENT_TIMEOUT_MS, () => rollBack(client)).catch(() => undefined);
    return messageOf(error);
  }
}
