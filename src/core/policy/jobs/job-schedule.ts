import { intervalMs } from '../interval.ts';
import { POLICY_PROCS } from '../plan.ts';
import { RELATIONS } from '../schema/relations.ts';

/** A job of TimescaleDB with its run statistics, which decide whether it is due. */
export interface ScheduledJob {
  readonly id: number;
  readonly proc: string;
  /** The hypertable or view; undefined for a user-defined job. */
  readonly relation: string | undefined;
  readonly scheduled: boolean;
  readonly every: string;
  readonly retryPeriod: string;
  /** First slot of a fixed schedule; undefined: each run counts from the previous one. */
  readonly initialStartMs: number | undefined;
  readonly lastRun: LastRun | undefined;
}

export interface LastRun {
  readonly startedAtMs: number;
  /** Undefined: the process died during it, or it is still running. */
  readonly finishedAtMs: number | undefined;
  readonly ok: boolean;
  /** Consecutive failed runs. */
  readonly failures: number;
}

/** One run, for logs and metrics. */
export interface JobRun {
  readonly jobId: number;
  readonly proc: string;
  readonly relation: string | undefined;
  readonly durationMs: number;
  /** Undefined: it succeeded. */
  readonly error: string | undefined;
}

/** Runs due jobs of a server that cannot run them itself. */
export interface PolicyJobs {
  /**
   * Runs the due jobs one after the other, until none is due, the time is up or `signal` aborts. A failing job is a
   * result. Does nothing on a server with background workers, which run them.
   */
  runDue(signal: AbortSignal): Promise<readonly JobRun[]>;
}

const MOST_FAILURES = 20;

export function isDue(job: ScheduledJob, nowMs: number): boolean {
  return job.scheduled && nowMs >= dueAtMs(job, nowMs);
}

/**
 * When the job should run next, like TimescaleDB's own scheduler: at the slots of its fixed schedule, or one interval
 * after its last start; after a failure sooner, with a back-off by the number of failures. Missed slots are made up
 * for by one run, not one each.
 */
export function dueAtMs(job: ScheduledJob, nowMs: number): number {
  const every = Math.max(intervalMs(job.every), 1000);
  const last = job.lastRun;
  // A last run in the future means that the clock was set back: it is ignored.
  if (last === undefined || last.startedAtMs > nowMs + every) {
    return Math.max(job.initialStartMs ?? nowMs, nowMs);
  }
  const next = nextSlotMs(job.initialStartMs, every, last.startedAtMs);
  if (last.ok) return next;
  const pause = intervalMs(job.retryPeriod) * Math.min(Math.max(last.failures, 1), MOST_FAILURES);
  return Math.min(next, (last.finishedAtMs ?? last.startedAtMs) + pause);
}

function nextSlotMs(initialStartMs: number | undefined, every: number, afterMs: number): number {
  if (initialStartMs === undefined) return afterMs + every;
  if (initialStartMs > afterMs) return initialStartMs;
  return initialStartMs + (Math.floor((afterMs - initialStartMs) / every) + 1) * every;
}

const KINDS: readonly string[] = [POLICY_PROCS.refresh, POLICY_PROCS.compression, POLICY_PROCS.retention];

/**
 * The due jobs in a safe order: aggregates are refreshed (sources first) before anything is compressed, and deletions
 * come last. Foreign jobs also come before deletions.
 */
export function dueJobs(jobs: readonly ScheduledJob[], nowMs: number): readonly ScheduledJob[] {
  const rank = (job: ScheduledJob): number => {
    const kind = KINDS.indexOf(job.proc);
    return kind === -1 ? 1.5 : kind;
  };
  const place = (job: ScheduledJob): number => RELATIONS.findIndex(({ name }) => name === job.relation);
  return jobs
    .filter((job) => isDue(job, nowMs))
    .sort((a, b) => rank(a) - rank(b) || place(a) - place(b) || a.id - b.id);
}
