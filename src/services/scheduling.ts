import { messageOf } from '../core/errors.ts';
import type { PolicyCheck } from '../core/policy/check.ts';
import type { PolicyJobs } from '../core/policy/due.ts';
import type { Verified } from '../core/policy/episode.ts';
import { isNote, type Finding } from '../core/policy/finding.ts';
import type { PolicyPlan } from '../core/policy/plan.ts';
import type { RepairEffect, RepairHand } from '../core/policy/repair.ts';
import { impossible, isAway } from '../core/policy/unanswered.ts';
import { noteHorizons } from '../core/policy/horizons.ts';
import { noteChunks } from '../core/policy/seen-chunks.ts';
import { verify } from '../core/policy/verify.ts';
import type { Millis } from '../core/reading.ts';
import type { Catalog, Clock, Cron, CronTask, LeaderLock, Logger, Metrics } from '../ports.ts';
import { runRepair } from './repairing.ts';
import { createLeadership, type SchedulingRole } from './scheduling-leadership.ts';
import { createReport } from './scheduling-report.ts';
import { createTask, type Task, type TaskOutcome } from './scheduling-task.ts';

/** Deleting is for the retention policy, or for a person: never for a repair that nobody asked for. */
const AUTOMATIC: readonly RepairEffect[] = ['settings', 'refresh', 'compress'];
/** A backlog is worked off over several rounds rather than in one that never ends. */
const STATEMENTS_A_ROUND = 50;

export interface SchedulingOptions {
  readonly cron: Cron;
  /** Cron expressions, and the IANA zone in which they are read. */
  readonly schedules: { readonly verify: string; readonly runJobs: string; readonly timezone: string };
  readonly catalog: Catalog;
  readonly leader: LeaderLock;
  /** Runs due jobs where the server has no background workers; does nothing elsewhere. */
  readonly jobs?: PolicyJobs;
  readonly plan: PolicyPlan;
  /** What repairs are done with where the plan says `repair: auto`; nothing is ever deleted by the scheduler. */
  readonly hand?: RepairHand;
  readonly checks: readonly PolicyCheck[];
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Makes alerts of what was found; told after each verification, when repairs are done. */
  readonly alerts?: { update(verified: Verified): Promise<void> };
}

export interface SchedulingStatus {
  readonly role: SchedulingRole;
  /** Undefined: not verified by this process. */
  readonly verifiedAtMs: Millis | undefined;
  readonly findings: readonly Finding[];
  /** Why the latest verification came to nothing. */
  readonly error: string | undefined;
}

export interface Scheduling {
  /** Sets the schedules and begins the first round without waiting for it: a database that is away is no failed start. */
  start(): Promise<void>;
  /** No new round; waits for the ones under way; gives up leadership. Idempotent. */
  stop(): Promise<void>;
  /** Verifies against another desired state from now on, at once for the first time. */
  replan(plan: PolicyPlan): void;
  status(): SchedulingStatus;
  findings(): readonly Finding[];
}

/**
 * Looks after the database on a schedule: runs due jobs where nobody else does, verifies the policies, and says what
 * changed. Of several daemons on one database one acts; the others ask for leadership at each tick, so that one of them
 * takes over within a tick of the leader's end.
 */
export function createScheduling(options: SchedulingOptions): Scheduling {
  const { cron, schedules, catalog, checks, clock } = options;
  let { plan } = options;
  const logger = options.logger.child({ component: 'scheduling' });
  const report = createReport({ metrics: options.metrics, logger });
  const leadership = createLeadership(options.leader, options.metrics, logger, () => report.forget());
  const stopping = new AbortController();
  const ticks = options.metrics.counter(
    'fieldwatch_scheduler_ticks_total',
    'Ticks of the scheduler by task and outcome',
    ['task', 'outcome'],
  );
  let crons: CronTask[] = [];
  let stopped: Promise<void> | undefined;
  let verifiedAtMs: Millis | undefined;

  const task = (name: string, run: () => Promise<TaskOutcome>): Task =>
    createTask(name, { run, logger, count: (outcome) => ticks.inc(1, { task: name, outcome }) });

  const jobs = task('run_jobs', async () => {
    if (options.jobs === undefined) return 'done';
    if (!(await leadership.hold())) return 'standby';
    report.jobs(await options.jobs.runDue(stopping.signal));
    return 'done';
  });
  const verification = task('verify', async () => {
    // Behind the jobs of the same minute: what they are about to mend is no finding.
    await jobs.idle();
    if (!(await leadership.hold())) return 'standby';
    let verified = await lookOrAlert();
    if (stopping.signal.aborted) return 'done';
    // What was found is an alert also where its repair failed, which is then the error of this round.
    let failure: Error | undefined;
    const changed = await mended(verified.findings).catch((error: unknown) => {
      failure = error instanceof Error ? error : new Error(messageOf(error));
      return false;
    });
    if (changed) verified = await lookOrAlert();
    if (!stopping.signal.aborted) await options.alerts?.update(verified);
    if (failure !== undefined) throw failure;
    return 'done';
  });

  const lookOrAlert = (): Promise<Verified> =>
    look().catch(async (error: unknown) => {
      await cannotVerify(error);
      throw error;
    });

  async function look(): Promise<Verified> {
    const { findings, answered } = await verify(catalog, plan, checks);
    const verified = { findings, answered, atMs: clock.nowMs() };
    if (stopping.signal.aborted) return verified;
    verifiedAtMs = verified.atMs;
    report.findings(verified);
    await noteWhatIsKept();
    return verified;
  }

  /** After the verification, which still knows the retention that was declared until now. */
  async function noteWhatIsKept(): Promise<void> {
    try {
      await options.hand?.run(noteHorizons(plan));
      await options.hand?.run(noteChunks(plan));
    } catch (error) {
      logger.warn(
        { error: messageOf(error) },
        'cannot note which retention is declared, and which chunks there are',
      );
    }
  }

  /** That is a finding and an alert too, unless the database is away: which its own part of the daemon says. */
  async function cannotVerify(error: unknown): Promise<void> {
    if (isAway(error) || stopping.signal.aborted) return;
    const verified = { findings: [impossible(error)], answered: new Set<string>(), atMs: clock.nowMs() };
    report.findings(verified);
    await options.alerts?.update(verified);
  }

  async function mended(findings: readonly Finding[]): Promise<boolean> {
    const { hand } = options;
    if (plan.repair !== 'auto' || hand === undefined || findings.every(isNote)) return false;
    const { runs } = await runRepair({
      ...{ catalog, hand, plan, checks, signal: stopping.signal },
      effects: AUTOMATIC,
      most: STATEMENTS_A_ROUND,
      onStep: (run) => report.repaired(run),
    });
    return runs.length > 0 && !stopping.signal.aborted;
  }

  const status = (): SchedulingStatus => ({
    role: leadership.role(),
    verifiedAtMs,
    findings: report.current(),
    error: verification.error(),
  });

  async function shutDown(): Promise<void> {
    stopping.abort();
    for (const scheduled of crons) scheduled.stop();
    await Promise.all([jobs.idle(), verification.idle()]);
    await leadership.release();
  }

  return {
    async start() {
      if (crons.length > 0 || stopped !== undefined) return;
      crons = [
        cron.schedule(schedules.runJobs, schedules.timezone, (tick) => jobs.tick(tick)),
        cron.schedule(schedules.verify, schedules.timezone, (tick) => verification.tick(tick)),
      ];
      const now = { kind: 'due', atMs: clock.nowMs() } as const;
      jobs.tick(now);
      verification.tick(now);
    },
    replan(next) {
      plan = next;
      if (crons.length > 0) verification.tick({ kind: 'due', atMs: clock.nowMs() });
    },
    stop: () => (stopped ??= shutDown()),
    status,
    findings: () => report.current(),
  };
}
