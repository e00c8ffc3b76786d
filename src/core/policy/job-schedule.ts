import { intervalMs } from './interval.ts';
import { POLICY_PROCS } from './plan.ts';
import { RELATIONS } from './relations.ts';

/** A job of TimescaleDB with what is known of its runs: what decides whether it is due. */
export interface ScheduledJob {
  readonly id: number;
  readonly proc: string;
  /** The hypertable or view; undefined for a job of somebody's own. */
  readonly relation: string | undefined;
  readonly scheduled: boolean;
  readonly every: string;
  readonly retryPeriod: string;
  /** First slot of a fixed schedule; undefined: each run counts from the one before. */
  readonly initialStartMs: number | undefined;
  readonly lastRun: LastRun | undefined;
}

export interface LastRun {
  readonly startedAtMs: number;
  /** Undefined: the process died in it, or it is still under way. */
  readonly finishedAtMs: number | undefined;
  readonly ok: boolean;
  /** Runs that failed since the last that did not. */
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
   * One after the other, until none is due, the time is up or `signal` says stop. A job that fails is a result.
   * On a server with background workers: nothing, there is somebody else to do it.
   */
  runDue(signal: AbortSignal): Promise<readonly JobRun[]>;
}

const MOST_FAILURES = 20;

export function isDue(job: ScheduledJob, nowMs: number): boolean {
  return job.scheduled && nowMs >= dueAtMs(job, nowMs);
}

/**
 * When the job should run next, as TimescaleDB's own scheduler has it: at the slots of its fixed schedule, or one
 * interval after its last start; after a failure sooner, backing off by the number of failures. Slots that passed
 * while nothing ran are made up for by one run, not by one each.
 */
export function dueAtMs(job: ScheduledJob, nowMs: number): number {
  const every = Math.max(intervalMs(job.every), 1000);
  const last = job.lastRun;
  // A last run that lies in the future is a clock that was set back: it says nothing.
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
 * The due jobs in the order in which they do no harm to each other: aggregates are refreshed (sources first) before
 * anything is compressed, and last comes what deletes. Foreign jobs go before deletions too.
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
