import { messageOf } from '../../core/errors.ts';
import { type Assessment, assess } from '../../core/policy/assess.ts';
import type { Catalog } from '../../core/policy/catalog.ts';
import type { PolicyCheck, RepairEffect } from '../../core/policy/check.ts';
import type { Verified } from '../../core/policy/episode.ts';
import { type Finding, compareFindings, findingKey, isNote } from '../../core/policy/finding.ts';
import { noteHorizons } from '../../core/policy/horizons.ts';
import type { JobRun, PolicyJobs } from '../../core/policy/jobs/job-schedule.ts';
import type { PolicyPlan } from '../../core/policy/plan.ts';
import type { RepairPlan, StatementExecutor } from '../../core/policy/repair/repair-plan.ts';
import { noteChunks } from '../../core/policy/seen-chunks.ts';
import { verificationFailed, isAway } from '../../core/policy/timed-out.ts';
import type { Millis } from '../../core/reading.ts';
import { Outage } from '../../lib/outage.ts';
import type { Cron, CronTask, CronTick, LeaderLock } from '../../ports/maintenance.ts';
import type { Logger, Metrics } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import { type StepRun, runRepair } from './repair-runner.ts';

/** Deletion belongs to the retention policy, or to the operator: never to an automatic repair. */
const AUTOMATIC: readonly RepairEffect[] = ['settings', 'refresh', 'compress'];
/** A backlog is processed over several rounds rather than in one that never ends. */
const STATEMENTS_A_ROUND = 50;

export interface SchedulerOptions {
  readonly cron: Cron;
  /** Cron expressions, and the IANA zone in which they are read. */
  readonly schedules: { readonly verify: string; readonly runJobs: string; readonly timezone: string };
  readonly catalog: Catalog;
  readonly leader: LeaderLock;
  /** Runs due jobs where the server has no background workers; does nothing elsewhere. */
  readonly jobs?: PolicyJobs;
  readonly plan: PolicyPlan;
  /** Runs repairs where the plan says `repair: auto`; the scheduler never deletes anything. */
  readonly executor?: StatementExecutor;
  readonly checks: readonly PolicyCheck[];
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Makes alerts of findings; called after each verification, when repairs are done. */
  readonly alerts?: { update(verified: Verified): Promise<void> };
}

export interface SchedulerStatus {
  readonly role: SchedulerRole;
  /** Undefined: not verified by this process. */
  readonly verifiedAtMs: Millis | undefined;
  readonly findings: readonly Finding[];
  /** Why the latest verification failed. */
  readonly error: string | undefined;
}

export interface PolicyScheduler {
  /** Sets the schedules and begins the first round without waiting for it: the start succeeds without the database. */
  start(): Promise<void>;
  /** No new round; waits for the ones under way; releases leadership. Idempotent. */
  stop(): Promise<void>;
  /** Verifies against another desired state from now on, at once for the first time. */
  replan(plan: PolicyPlan): void;
  status(): SchedulerStatus;
  findings(): readonly Finding[];
  /** Verifies now, if this daemon is the policy leader. Resolves when that is done. */
  check(): Promise<SchedulerStatus>;
}

/**
 * Maintains the database on a schedule: runs due jobs where the server has no background workers, verifies the policies,
 * and reports what changed. Of several daemons on one database one acts; the others try for leadership at each tick, so
 * that one of them takes over within a tick of the leader's end.
 */
export function createScheduler(options: SchedulerOptions): PolicyScheduler {
  const { cron, schedules, catalog, checks, clock } = options;
  let { plan } = options;
  const logger = options.logger.child({ component: 'scheduler' });
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
    createTask(name, { run, clock, logger, count: (outcome) => ticks.inc(1, { task: name, outcome }) });

  const jobs = task('run_jobs', async () => {
    if (options.jobs === undefined) return 'done';
    if (!(await leadership.hold())) return 'standby';
    report.jobs(await options.jobs.runDue(stopping.signal));
    return 'done';
  });
  const verification = task('verify', async () => {
    // Behind the jobs of the same minute: what they are about to repair is no finding.
    await jobs.idle();
    if (!(await leadership.hold())) return 'standby';
    const declared = plan;
    const first = await assess(catalog, declared, checks).catch(async (error: unknown) => {
      await cannotVerify(error);
      throw error;
    });
    if (stopping.signal.aborted) return 'done';
    let verified = reported(first);
    await recordRetention(declared);
    // What was found is an alert also where its repair failed, which is then the error of this round.
    let failure: Error | undefined;
    const left = await repaired(declared, first).catch((error: unknown) => {
      failure = error instanceof Error ? error : new Error(messageOf(error));
      return undefined;
    });
    if (stopping.signal.aborted) return 'done';
    if (left !== undefined) verified = reported(left);
    await options.alerts?.update(verified);
    if (failure !== undefined) throw failure;
    return 'done';
  });

  function reported({ findings, answered }: Pick<Assessment, 'findings' | 'answered'>): Verified {
    const verified = { findings, answered, atMs: clock.nowMs() };
    verifiedAtMs = verified.atMs;
    report.findings(verified);
    return verified;
  }

  /** After the verification, which still uses the previously declared retention. */
  async function recordRetention(declared: PolicyPlan): Promise<void> {
    try {
      await options.executor?.run(noteHorizons(declared));
      await options.executor?.run(noteChunks(declared));
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'cannot store the declared retention and the list of chunks');
    }
  }

  /** A failed verification is a finding and an alert, too, unless the database is away: the outage monitor reports that. */
  async function cannotVerify(error: unknown): Promise<void> {
    if (isAway(error) || stopping.signal.aborted) return;
    const verified = {
      findings: [verificationFailed(error)],
      answered: new Set<string>(),
      atMs: clock.nowMs(),
    };
    report.findings(verified);
    await options.alerts?.update(verified);
  }

  /** The remaining findings; undefined: nothing was run. */
  async function repaired(declared: PolicyPlan, first: Assessment): Promise<RepairPlan | undefined> {
    const { executor } = options;
    if (declared.repair !== 'auto' || executor === undefined || first.findings.every(isNote))
      return undefined;
    const { runs, left } = await runRepair({
      ...{ catalog, executor, plan: declared, checks, first, signal: stopping.signal },
      effects: AUTOMATIC,
      most: STATEMENTS_A_ROUND,
      onStep: (run) => report.repaired(run),
    });
    return runs.length > 0 ? left : undefined;
  }

  const status = (): SchedulerStatus => ({
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
    async check() {
      // A run that is under way may have read the catalog before the fault was repaired.
      await verification.idle();
      verification.tick({ kind: 'due', atMs: clock.nowMs() });
      await verification.idle();
      return status();
    },
  };
}

export type TaskOutcome = 'done' | 'standby';

export interface Task {
  /** Never rejects and never waits. */
  tick(tick: CronTick): void;
  /** Resolves when no run is under way. */
  idle(): Promise<void>;
  /** Why the latest run failed; undefined when it did not. */
  error(): string | undefined;
}

export interface TaskOptions {
  readonly run: () => Promise<TaskOutcome>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly count: (outcome: TaskOutcome | 'failed' | 'overlap' | 'missed') => void;
}

/** Consecutive refused ticks after which a warning is logged, once. */
const OVERLAPS_TO_WARN = 3;

/**
 * A scheduled task. A tick that comes while a run is under way is refused, a missed one is not made up for; both are
 * counted. One refused tick is normal (the first run, during the start, takes long); several in a row mean a schedule
 * that is too tight. A failure is logged when it begins, not at each tick of an outage.
 */
export function createTask(name: string, options: TaskOptions): Task {
  const { logger, count } = options;
  let running: Promise<void> | undefined;
  const outage = new Outage(options.clock);
  let refusedInARow = 0;

  async function run(): Promise<void> {
    try {
      count(await options.run());
      if (outage.recovered() !== undefined) logger.info({ task: name }, 'scheduler task recovered');
    } catch (cause) {
      count('failed');
      if (outage.failed(cause))
        logger.error({ task: name, error: messageOf(cause) }, 'scheduler task failed');
    } finally {
      running = undefined;
    }
  }

  return {
    tick({ kind, atMs }) {
      if (kind === 'missed') {
        count('missed');
        logger.warn({ task: name, at: new Date(atMs).toISOString() }, 'scheduler tick missed');
      } else if (running !== undefined) {
        count('overlap');
        if (++refusedInARow === OVERLAPS_TO_WARN)
          logger.warn(
            { task: name, ticks: refusedInARow },
            'scheduler tick skipped: the previous run is still active',
          );
      } else {
        refusedInARow = 0;
        running = run();
      }
    },
    idle: async () => running,
    error: () => outage.trouble?.message,
  };
}

/** `unknown`: not queried yet, or the database does not answer. */
export type SchedulerRole = 'unknown' | 'leader' | 'standby';

export interface Leadership {
  hold(): Promise<boolean>;
  role(): SchedulerRole;
  release(): Promise<void>;
}

/** Requests the lock under which one of several daemons on a database acts, and reports changes. */
export function createLeadership(
  lock: LeaderLock,
  metrics: Metrics,
  logger: Logger,
  onLost: () => void,
): Leadership {
  const gauge = metrics.gauge('fieldwatch_scheduler_leader', '1 while this daemon is the policy leader');
  let role: SchedulerRole = 'unknown';
  let requesting: Promise<boolean> | undefined;

  function become(next: SchedulerRole): void {
    gauge.set(next === 'leader' ? 1 : 0);
    if (role === next) return;
    role = next;
    // Not when the database is away: earlier findings there remain valid as far as known.
    if (next === 'standby') onLost();
    if (next === 'leader') logger.info({}, 'elected policy leader');
    if (next === 'standby') logger.info({}, 'another daemon is the policy leader');
  }

  async function request(): Promise<boolean> {
    try {
      const held = await lock.tryHold();
      become(held ? 'leader' : 'standby');
      return held;
    } catch (error) {
      // The previous state of the lock is void; the next tick requests it again.
      become('unknown');
      throw error;
    }
  }

  return {
    // Two tasks of one tick share one request.
    hold: () => (requesting ??= request().finally(() => (requesting = undefined))),
    role: () => role,
    async release() {
      await lock.release().catch((error: unknown) => {
        logger.warn({ error: messageOf(error) }, 'leadership not released; it ends with the connection');
      });
      become('unknown');
    },
  };
}

export interface ReportOptions {
  readonly metrics: Metrics;
  readonly logger: Logger;
}

export interface Report {
  /** Findings of checks that gave no answer remain valid as far as known. */
  findings(verified: Verified): void;
  jobs(runs: readonly JobRun[]): void;
  repaired(run: StepRun): void;
  current(): readonly Finding[];
  /** Leadership went to another daemon: its findings are reported there. */
  forget(): void;
}

/** Reports changes: each fault is logged once when it appears and once when it is gone, and is a gauge meanwhile. */
export function createReport(options: ReportOptions): Report {
  const { metrics, logger } = options;
  const labels = (finding: Finding) => ({
    check: finding.check,
    subject: finding.subject,
    verdict: finding.verdict,
  });
  const gauge = metrics.gauge('fieldwatch_policy_findings', '1 while a policy finding is open', [
    'check',
    'subject',
    'verdict',
  ]);
  const verified = metrics.gauge(
    'fieldwatch_policies_verified_timestamp_seconds',
    'Time of the last policy verification by this daemon',
  );
  const runs = metrics.counter('fieldwatch_policy_job_runs_total', 'Policy jobs that this daemon ran', [
    'outcome',
  ]);
  const repairs = metrics.counter('fieldwatch_policy_repairs_total', 'Steps of repairs by this daemon', [
    'check',
    'outcome',
  ]);
  let current: readonly Finding[] = [];

  return {
    findings({ findings: found, answered, atMs }) {
      const known = (finding: Finding) => found.some((each) => findingKey(each) === findingKey(finding));
      const findings = [
        ...found,
        ...current.filter((finding) => !answered.has(finding.check) && !known(finding)),
      ];
      const { raised, cleared } = compareFindings(current, findings);
      current = findings;
      verified.set(Math.floor(atMs / 1000));
      for (const finding of raised) {
        gauge.set(1, labels(finding));
        logger[finding.severity === 'info' ? 'info' : 'warn']({ ...finding }, 'policy finding');
      }
      for (const finding of cleared) {
        gauge.set(0, labels(finding));
        logger.info(labels(finding), 'policy finding cleared');
      }
    },
    jobs(done) {
      for (const { error, jobId, proc, relation, durationMs } of done) {
        const run = { job_id: jobId, proc, relation, duration_ms: durationMs };
        runs.inc(1, { outcome: error === undefined ? 'ok' : 'failed' });
        if (error === undefined) logger.debug(run, 'policy job ran');
        else logger.error({ ...run, error }, 'policy job failed');
      }
    },
    repaired({ step: { check, subject, about }, done, error }) {
      repairs.inc(1, { check, outcome: error === undefined ? 'ok' : 'failed' });
      if (error === undefined) logger.info({ check, subject, about, done }, 'policy repaired');
      else logger.error({ check, subject, about, done, error }, 'policy repair failed');
    },
    current: () => current,
    forget() {
      for (const finding of current) gauge.set(0, labels(finding));
      current = [];
    },
  };
}
