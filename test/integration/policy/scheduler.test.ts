import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createPreparedCatalog } from '../../support/prepared-catalog.ts';
import { AdvisoryLeaderLock } from '../../../src/adapters/timescale/policy/leader-lock.ts';
import { createPolicyJobs } from '../../../src/adapters/timescale/policy/policy-jobs.ts';
import { createStatementExecutor } from '../../../src/adapters/timescale/policy/statement-executor.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import { createScheduler } from '../../../src/services/policy/scheduler.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeCron } from '../../support/fake-cron.ts';
import { RecordingMetrics } from '../../support/fakes.ts';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';
import { planWith } from '../../support/policy-plan.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { describeEmbedded } from '../../support/server-db.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

const VERIFY = '*/5 * * * *';
const RUN_JOBS = '* * * * *';

let db: PolicyDatabase;
beforeAll(async () => {
  db = await openPolicyDatabase();
});
afterAll(() => db.close());

/** A daemon's scheduling over real adapters; only its cron is ticked by hand. */
function daemon(section: Record<string, unknown> = {}, lockUrl = db.url) {
  const cron = new FakeCron();
  const logger = new QuietLogger();
  const metrics = new RecordingMetrics();
  const clock = new FakeClock();
  const catalog = createPreparedCatalog({ url: db.url });
  const jobs = createPolicyJobs({ url: db.url });
  const executor = createStatementExecutor({ url: db.url });
  const scheduler = createScheduler({
    ...{ cron, catalog, jobs, executor, plan: planWith(section), checks: CHECKS, logger, metrics, clock },
    schedules: { verify: VERIFY, runJobs: RUN_JOBS, timezone: 'UTC' },
    leader: new AdvisoryLeaderLock({ url: lockUrl, answerTimeoutMs: 2000 }, { logger }),
  });
  const rounds = (): number =>
    metrics.values.get('fieldwatch_scheduler_ticks_total{task=verify,outcome=done}') ?? 0;
  return {
    ...{ cron, logger, metrics, scheduler, rounds },
    stop: async () => {
      await scheduler.stop();
      await jobs.close();
      await executor.close();
      await catalog.close();
    },
  };
}

// A real server runs its jobs itself; then there is nothing to see here.
describeEmbedded('due jobs of the embedded engine', () => {
  const never = new AbortController().signal;
  const schedule = (scheduled: boolean) =>
    db.sql(
      `SELECT alter_job(job_id, scheduled => ${scheduled}) FROM timescaledb_information.jobs WHERE job_id >= 1000`,
    );

  test('are run once when due, and do compress, refresh and drop', async () => {
    await db.sql(`INSERT INTO sensors (key) SELECT 's' || g FROM generate_series(1, 3) g`);
    await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature) SELECT t, s, 20
      FROM generate_series(now() - INTERVAL '10 days', now(), INTERVAL '10 minutes') t, generate_series(1, 3) s`);
    await db.sql(`INSERT INTO sensor_readings (time, sensor_id) VALUES (now() - INTERVAL '100 days', 1)`);
    const jobs = createPolicyJobs({ url: db.url, budgetMs: Infinity });
    const runs = await jobs.runDue(never);
    expect(runs.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(runs.map(({ proc }) => proc).slice(0, 2)).toEqual([
      'policy_refresh_continuous_aggregate',
      'policy_refresh_continuous_aggregate',
    ]);
    expect(runs.at(-1)?.proc).toBe('policy_retention');
    expect(runs).toHaveLength(16);
    const [effect] = await db.sql<{ compressed: number; buckets: number; old: number }>(`
      SELECT (SELECT count(*)::int FROM timescaledb_information.chunks WHERE hypertable_name = 'sensor_readings'
          AND is_compressed) AS compressed,
        (SELECT count(*)::int FROM sensor_hourly_agg) AS buckets,
        (SELECT count(*)::int FROM sensor_readings WHERE time < now() - INTERVAL '92 days') AS old`);
    expect(effect?.compressed).toBeGreaterThan(1);
    expect(effect?.buckets).toBeGreaterThan(3 * 24 * 2);
    expect(effect?.old).toBe(0);

    // No job is due again in the same slot of its schedule, also for another process; and the history says what happened.
    const again = await createPolicyJobs({ url: db.url }).runDue(never);
    const twice = await db.sql(`SELECT job_id FROM job_runs JOIN timescaledb_information.jobs USING (job_id)
      GROUP BY job_id, time_bucket(schedule_interval, started_at, initial_start) HAVING count(*) > 1`);
    expect(twice).toEqual([]);
    const [history] = await db.sql<{ runs: number; ok: boolean }>(
      'SELECT count(*)::int AS runs, bool_and(ok) AS ok FROM job_runs WHERE finished_at IS NOT NULL',
    );
    expect(history).toEqual({ runs: runs.length + again.length, ok: true });
    // The jobs left the ten days to be aggregated beyond their window, which is what the check is for.
    expect(await db.lines()).toEqual(['late | sensor_hourly_agg refresh | lagging']);
    await db.sql(
      `CALL refresh_continuous_aggregate('sensor_hourly_agg', now() - INTERVAL '11 days', now() - INTERVAL '1 hour')`,
    );
    await db.sql(
      `CALL refresh_continuous_aggregate('sensor_daily_agg', now() - INTERVAL '11 days', now() - INTERVAL '1 hour')`,
    );
    expect(await db.lines()).toEqual([]);
  });

  test('a job that fails is reported, and tried again after its retry period', async () => {
    await schedule(false);
    await db.sql(`CREATE PROCEDURE failing(job_id int, config jsonb) LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'no luck' USING ERRCODE = 'P0001'; END $$`);
    await db.sql(`SELECT add_job('failing', '1 hour')`);
    const jobs = createPolicyJobs({ url: db.url });
    expect(await jobs.runDue(never)).toMatchObject([
      { proc: 'failing', relation: undefined, error: 'no luck' },
    ]);
    expect(await jobs.runDue(never)).toEqual([]);
    await db.sql(`UPDATE job_runs SET started_at = started_at - INTERVAL '6 minutes',
      finished_at = finished_at - INTERVAL '6 minutes' WHERE NOT ok`);
    expect(await jobs.runDue(never)).toMatchObject([{ proc: 'failing' }]);
    await db.sql(`SELECT delete_job(job_id) FROM timescaledb_information.jobs WHERE proc_name = 'failing'`);
    await schedule(true);
  });

  describe('over a link that falls silent in a run', () => {
    let proxy: TcpProxy;
    beforeEach(async () => {
      proxy = await TcpProxy.start(Number(new URL(db.url).port));
      proxy.swallow((chunk, direction) => direction === 'up' && chunk.includes('run_job'));
      await db.sql('DELETE FROM job_runs');
    });
    afterEach(() => proxy.close());
    const through = (more: { runTimeoutMs?: number } = {}) => {
      const url = new URL(db.url);
      url.port = String(proxy.port);
      return createPolicyJobs({ url: url.href, ...more });
    };
    const unfinished = () => db.sql('SELECT job_id FROM job_runs WHERE finished_at IS NULL');

    test('it is hung up on, and the run counts as one that did not end', async () => {
      await expect(through({ runTimeoutMs: 100 }).runDue(never)).rejects.toMatchObject({
        code: 'DB_NO_ANSWER',
      });
      expect(await unfinished()).toHaveLength(1);
    });

    test('a daemon that stops does not wait for it', async () => {
      const stop = new AbortController();
      const runs = expect(through().runDue(stop.signal)).rejects.toMatchObject({ kind: 'transient' });
      await eventually('a run is under way', async () => (await unfinished()).length === 1);
      stop.abort();
      await runs;
    });
  });

  test('an aborted run starts no further job', async () => {
    await db.sql('DELETE FROM job_runs');
    const stop = new AbortController();
    stop.abort();
    expect(await createPolicyJobs({ url: db.url }).runDue(stop.signal)).toEqual([]);
  });
});

test('of two daemons one acts, and the other takes over within a tick', async () => {
  const [first, second] = [daemon(), daemon()];
  await first.scheduler.start();
  await eventually('the first has verified', () => first.rounds() === 1);
  await second.scheduler.start();
  await eventually('the second stands by', () => second.scheduler.status().role === 'standby');
  expect(first.scheduler.status()).toMatchObject({ role: 'leader', findings: [], error: undefined });

  const [id] = await db.jobs('sensor_metrics', 'policy_retention');
  await db.sql(`SELECT alter_job(${id}, scheduled => false)`);
  first.cron.tick(VERIFY);
  second.cron.tick(VERIFY);
  await eventually('the first has found it', () => first.rounds() === 2);
  expect(first.logger.find(/^policy finding$/)).toMatchObject([
    { level: 'warn', fields: { subject: 'sensor_metrics retention', verdict: 'paused' } },
  ]);
  expect(second.rounds()).toBe(0);

  await first.stop();
  second.cron.tick(VERIFY);
  await eventually('the second has taken over', () => second.rounds() === 1);
  expect(second.scheduler.status()).toMatchObject({ role: 'leader', findings: [{ verdict: 'paused' }] });
  await db.sql(`SELECT alter_job(${id}, scheduled => true)`);
  second.cron.tick(VERIFY);
  await eventually('it is cleared', () => second.scheduler.findings().length === 0);
  await second.stop();
});

test('statement 24: of three daemons each check runs once a tick; when the first is gone another takes over within one', async () => {
  const target = new URL(db.url);
  const link = await TcpProxy.start(Number(target.port || 5432), target.hostname);
  target.host = `127.0.0.1:${link.port}`;
  // The connection with the lock is what a killed process loses.
  const daemons = [daemon({}, target.href), daemon(), daemon()];
  const [first, ...others] = daemons as [ReturnType<typeof daemon>, ...ReturnType<typeof daemon>[]];
  await first.scheduler.start();
  await eventually('the first has verified', () => first.rounds() === 1);
  for (const { scheduler } of others) await scheduler.start();
  const answered =
    (outcome: string) =>
    ({ metrics }: { metrics: RecordingMetrics }) =>
      metrics.values.get(`fieldwatch_scheduler_ticks_total{task=verify,outcome=${outcome}}`) ?? 0;
  const rounds = () => daemons.map((one) => one.rounds());
  const answers = (tick: number) =>
    first.rounds() === tick && others.every((one) => answered('standby')(one) === tick);
  await eventually('the others stand by', () => answers(1));
  for (let tick = 2; tick <= 4; tick++) {
    for (const { cron } of daemons) cron.tick(VERIFY);
    await eventually('this tick is answered', () => answers(tick));
    expect(rounds()).toEqual([tick, 0, 0]);
  }
  link.refuse();
  link.cut();
  const probe = new AdvisoryLeaderLock({ url: db.url }, { logger: first.logger });
  await eventually('the server has noticed', () => probe.tryHold());
  await probe.release();
  for (const { cron } of others) cron.tick(VERIFY);
  await eventually('one of them has verified', () => others.some(({ rounds }) => rounds() === 1));
  await eventually('the other has stood by', () => others.some((one) => answered('standby')(one) === 5));
  expect(others.map(({ rounds }) => rounds()).sort()).toEqual([0, 1]);
  await Promise.all(daemons.map(({ stop }) => stop()));
  await link.close();
});

test('repair: auto repairs what deletes nothing, logs it, and leaves the rest', async () => {
  await db.sql(`SELECT remove_retention_policy('dead_letters')`);
  await db.sql(`CALL remove_columnstore_policy('app_metrics')`);
  await db.sql('DELETE FROM job_runs');
  const { scheduler, logger, rounds, stop } = daemon({ repair: 'auto' });
  await db.sql(
    `INSERT INTO dead_letters (received_at, topic, payload, reason) VALUES (now() - INTERVAL '40 days', 't', '', 'r')`,
  );
  await scheduler.start();
  await eventually('it has verified', () => rounds() === 1);
  expect(logger.find(/^policy repaired$/)).toMatchObject([
    { fields: { subject: 'app_metrics compression', about: 'create app_metrics compression' } },
  ]);
  expect(logger.find(/^policy finding cleared$/)).toMatchObject([{ fields: { verdict: 'missing' } }]);
  // What has become due since the policy was removed would be dropped by creating it again.
  expect(scheduler.findings()).toMatchObject([{ subject: 'dead_letters retention', verdict: 'missing' }]);
  await stop();
});
