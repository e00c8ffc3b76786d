import { describe, expect, test } from '@jest/globals';
import { FieldwatchError } from '../../../src/core/errors.ts';
import type { Catalog, CatalogRow } from '../../../src/core/policy/catalog.ts';
import type { PolicyCheck } from '../../../src/core/policy/check.ts';
import type { Finding } from '../../../src/core/policy/finding.ts';
import type { JobRun, PolicyJobs } from '../../../src/core/policy/jobs/job-schedule.ts';
import type { LeaderLock } from '../../../src/ports/maintenance.ts';
import { type SchedulerOptions, createScheduler } from '../../../src/services/policy/scheduler.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeCron } from '../../support/fake-cron.ts';
import { RecordingMetrics, settle } from '../../support/fakes.ts';
import { planWith } from '../../support/policy-plan.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

const VERIFY = '*/5 * * * *';
const RUN_JOBS = '* * * * *';

/** The lock of one database, and the daemons that ask for it. */
class Database {
  holder: FakeLock | undefined;
  away = false;
}
class FakeLock implements LeaderLock {
  private readonly database: Database;
  constructor(database: Database) {
    this.database = database;
  }
  async tryHold(): Promise<boolean> {
    if (this.database.away) throw new Error('connection refused');
    this.database.holder ??= this;
    return this.database.holder === this;
  }
  async release(): Promise<void> {
    if (this.database.holder === this) this.database.holder = undefined;
  }
}

const SERVER: CatalogRow = {
  ...{
    extension: '2.28.3',
    server_version: 150_020,
    standby: false,
    schema: 'public',
    role: 'fieldwatch',
    login_role: 'fieldwatch',
  },
  ...{ superuser: false, worker_processes: 32, locks_per_transaction: 64, schedulers: 1 },
  ...{ license: 'timescale', background_workers: 16, loaded: true, load_disabled: false, restoring: false },
  ...{ database: 'fieldwatch', temporary: true },
};

/** A database whose answers the test decides on. */
function fakeCatalog(database: Database): Catalog & { gate: Promise<void>; asked: number } {
  return {
    gate: Promise.resolve(),
    asked: 0,
    async select(text) {
      if (text.includes('server_version')) this.asked += 1;
      await this.gate;
      if (database.away) throw new FieldwatchError('away', { code: 'DB_UNREACHABLE', kind: 'transient' });
      return text.includes('pg_get_userbyid') ? [] : [SERVER];
    },
  };
}

const finding = (subject: string, extra: Partial<Finding> = {}): Finding => ({
  check: 'test',
  subject,
  verdict: 'missing',
  severity: 'critical',
  expected: 'x',
  actual: 'y',
  remedy: 'z',
  ...extra,
});

function daemon(database = new Database(), extra: Partial<SchedulerOptions> = {}) {
  const state: { findings: Finding[] } = { findings: [] };
  const check: PolicyCheck = {
    name: 'test',
    about: 'what the test says',
    queries: () => [],
    evaluate: () => state.findings,
    repair: {
      steps: ({ findings }) =>
        findings.map(({ check: name, subject }) => ({
          ...{ check: name, subject, effect: 'settings', about: `repair ${subject}` },
          sql: `repair ${subject}`,
        })),
    },
  };
  const cron = new FakeCron();
  const logger = new QuietLogger();
  const metrics = new RecordingMetrics();
  const clock = new FakeClock();
  const catalog = fakeCatalog(database);
  const scheduler = createScheduler({
    cron,
    schedules: { verify: VERIFY, runJobs: RUN_JOBS, timezone: 'Europe/Berlin' },
    catalog,
    leader: new FakeLock(database),
    plan: planWith(),
    checks: [check],
    logger,
    metrics,
    clock,
    ...extra,
  });
  const verify = async (): Promise<void> => {
    cron.tick(VERIFY);
    await settle();
  };
  return { state, cron, logger, metrics, clock, catalog, scheduler, database, verify };
}

const gauge = (subject: string) =>
  `fieldwatch_policy_findings{check=test,subject=${subject},verdict=missing}`;
const ticks = (task: string, outcome: string) =>
  `fieldwatch_scheduler_ticks_total{task=${task},outcome=${outcome}}`;

describe('alerts of what is found', () => {
  const auto = (executor: SchedulerOptions['executor']) => {
    const updates: (readonly Finding[])[] = [];
    const made = daemon(new Database(), {
      plan: planWith({ repair: 'auto' }),
      ...(executor === undefined ? {} : { executor }),
      alerts: { update: async ({ findings }) => void updates.push(findings) },
    });
    return { ...made, updates };
  };
  const run = async () => {
    throw new Error('refused');
  };

  test('are raised also where its repair fails, which is the error of the round', async () => {
    const { scheduler, state, catalog, updates } = auto({ run });
    state.findings = [finding('a')];
    const answer = catalog.select.bind(catalog);
    let looks = 0;
    catalog.select = async (text, values) => {
      // Asked once to verify, and again after the repair.
      if (text.includes('server_version') && ++looks === 2) throw new Error('out of memory');
      if (text.includes("'ROUTINE'")) return [];
      return answer(text, values);
    };
    await scheduler.start();
    await settle();
    expect(updates).toMatchObject([[{ subject: 'a' }]]);
    expect(scheduler.status()).toMatchObject({ error: 'out of memory' });
    await scheduler.stop();
  });

  test('a round with one repair assesses the database twice: before it and after it', async () => {
    const { state, catalog, ...made } = auto({
      run: async (sql) => {
        if (sql === 'repair a') state.findings = [];
        return [];
      },
    });
    state.findings = [finding('a')];
    await made.scheduler.start();
    await settle();
    expect(catalog.asked).toBe(2);
    expect(made.updates).toEqual([[]]);
    expect(made.logger.find(/^policy finding cleared$/)).toHaveLength(1);
    await made.scheduler.stop();
  });

  test('say that there was no verification, and readiness is degraded', async () => {
    const { scheduler, catalog, updates } = auto({ run });
    catalog.select = async () => {
      throw new Error('out of memory');
    };
    await scheduler.start();
    await settle();
    expect(updates).toMatchObject([[{ check: 'verification', severity: 'critical' }]]);
    expect(scheduler.status()).toMatchObject({ error: 'out of memory' });
    await scheduler.stop();
  });
});

describe('verification', () => {
  test('runs at start and on schedule, in the configured zone', async () => {
    const { scheduler, cron, catalog, verify, metrics } = daemon();
    expect(scheduler.status()).toMatchObject({ role: 'unknown', verifiedAtMs: undefined });
    await scheduler.start();
    await scheduler.start();
    await settle();
    expect(catalog.asked).toBe(1);
    await verify();
    expect(catalog.asked).toBe(2);
    expect(cron.schedules).toMatchObject([
      { expression: RUN_JOBS, timezone: 'Europe/Berlin' },
      { expression: VERIFY, timezone: 'Europe/Berlin' },
    ]);
    expect(scheduler.status()).toMatchObject({ role: 'leader', findings: [], error: undefined });
    expect(metrics.values.get(ticks('verify', 'done'))).toBe(2);
    await scheduler.stop();
  });

  test('logs each fault once when it appears and once when it ends', async () => {
    const { scheduler, state, logger, metrics, verify } = daemon();
    state.findings = [finding('a')];
    await scheduler.start();
    await settle();
    // The figures of a fault move; it is the same fault.
    state.findings = [finding('a', { actual: '2 chunks' }), finding('b')];
    await verify();
    await verify();
    expect(scheduler.findings().map(({ subject }) => subject)).toEqual(['a', 'b']);
    expect(metrics.values.get(gauge('a'))).toBe(1);
    state.findings = [finding('b')];
    await verify();
    expect(logger.find(/^policy finding$/).map(({ fields }) => fields['subject'])).toEqual(['a', 'b']);
    expect(logger.find(/^policy finding cleared$/).map(({ fields }) => fields['subject'])).toEqual(['a']);
    expect(metrics.values.get(gauge('a'))).toBe(0);
    expect(metrics.values.get(gauge('b'))).toBe(1);
    await scheduler.stop();
  });

  test('a database that is away is logged once, keeps the findings, and is queried again', async () => {
    const { scheduler, state, database, logger, verify } = daemon();
    state.findings = [finding('a')];
    await scheduler.start();
    await settle();
    database.away = true;
    await verify();
    await verify();
    expect(scheduler.status()).toMatchObject({ role: 'unknown', error: 'connection refused' });
    expect(scheduler.findings()).toHaveLength(1);
    expect(logger.find(/^scheduler task failed$/)).toHaveLength(1);
    database.away = false;
    state.findings = [];
    await verify();
    expect(logger.find(/^scheduler task recovered$/)).toHaveLength(1);
    expect(scheduler.status()).toMatchObject({ role: 'leader', error: undefined, findings: [] });
    await scheduler.stop();
  });

  test('a tick during a run is refused and counted, a missed one is counted and not made up for', async () => {
    const { scheduler, cron, catalog, metrics, verify } = daemon();
    let open = (): void => {};
    catalog.gate = new Promise((resolve) => (open = resolve));
    await scheduler.start();
    await settle();
    await verify();
    expect(catalog.asked).toBe(1);
    expect(metrics.values.get(ticks('verify', 'overlap'))).toBe(1);
    cron.tick(VERIFY, 'missed', Date.UTC(2026, 0, 1));
    open();
    await settle();
    expect(catalog.asked).toBe(1);
    expect(metrics.values.get(ticks('verify', 'missed'))).toBe(1);
    await scheduler.stop();
  });
});

describe('leadership', () => {
  test('one daemon acts, another takes over within a tick of its end', async () => {
    const database = new Database();
    const first = daemon(database);
    const second = daemon(database);
    first.state.findings = second.state.findings = [finding('a')];
    await first.scheduler.start();
    await settle();
    await second.scheduler.start();
    await settle();
    expect(first.scheduler.status().role).toBe('leader');
    expect(second.scheduler.status()).toMatchObject({
      role: 'standby',
      findings: [],
      verifiedAtMs: undefined,
    });
    expect(second.logger.find(/policy finding/)).toEqual([]);
    expect(second.metrics.values.get(ticks('verify', 'standby'))).toBe(1);

    await first.scheduler.stop();
    await second.verify();
    expect(second.scheduler.status()).toMatchObject({ role: 'leader' });
    expect(second.scheduler.findings()).toHaveLength(1);
    expect(second.metrics.values.get('fieldwatch_scheduler_leader')).toBe(1);
    await second.scheduler.stop();
  });

  test('a daemon that loses leadership drops its findings', async () => {
    const { scheduler, state, database, metrics, verify } = daemon();
    state.findings = [finding('a')];
    await scheduler.start();
    await settle();
    database.holder = new FakeLock(database);
    await verify();
    expect(scheduler.status()).toMatchObject({ role: 'standby', findings: [] });
    expect(metrics.values.get(gauge('a'))).toBe(0);
    await scheduler.stop();
  });
});

describe('due jobs', () => {
  const run: JobRun = {
    ...{ jobId: 1000, proc: 'policy_compression', relation: 'sensor_readings', durationMs: 5 },
    error: undefined,
  };

  test('run before the verification of the same minute; a failed one is logged and counted', async () => {
    const order: string[] = [];
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const jobs: PolicyJobs = {
      async runDue() {
        await gate;
        order.push('jobs');
        return [run, { ...run, error: 'division by zero' }];
      },
    };
    const { scheduler, catalog, logger, metrics } = daemon(new Database(), { jobs });
    await scheduler.start();
    await settle();
    expect(catalog.asked).toBe(0);
    release();
    await settle();
    expect(order).toEqual(['jobs']);
    expect(catalog.asked).toBe(1);
    expect(metrics.values.get('fieldwatch_policy_job_runs_total{outcome=ok}')).toBe(1);
    expect(logger.find(/^policy job failed$/)).toMatchObject([
      { level: 'error', fields: { job_id: 1000, duration_ms: 5, error: 'division by zero' } },
    ]);
    await scheduler.stop();
  });

  test('are stopped, and waited for', async () => {
    let aborted = false;
    const jobs: PolicyJobs = {
      runDue: (signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted = true;
            setImmediate(() => resolve([]));
          });
        }),
    };
    const { scheduler, cron, database } = daemon(new Database(), { jobs });
    await scheduler.start();
    await settle();
    await Promise.all([scheduler.stop(), scheduler.stop()]);
    expect(aborted).toBe(true);
    expect(database.holder).toBeUndefined();
    expect(cron.schedules.every(({ stopped }) => stopped)).toBe(true);
  });
});
