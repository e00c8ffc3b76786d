import { createCron } from '../../adapters/system/cron.ts';
import { TimescaleAppMetricsStore } from '../../adapters/timescale/policy/app-metrics-store.ts';
import { createCatalog } from '../../adapters/timescale/policy/catalog.ts';
import { AdvisoryLeaderLock } from '../../adapters/timescale/policy/leader-lock.ts';
import { storeKinds } from '../../adapters/timescale/ingest/metric-kinds.ts';
import { createPolicyJobs } from '../../adapters/timescale/policy/policy-jobs.ts';
import { createStatementExecutor } from '../../adapters/timescale/policy/statement-executor.ts';
import { measureStorage } from '../../adapters/timescale/policy/storage-metrics.ts';
import { TimescaleSystemAlertStore } from '../../adapters/timescale/policy/system-alert-store.ts';
import { DATABASE_SIZE, FREE_SPACE } from '../../core/policy/check/disk.ts';
import { CHECKS } from '../../core/policy/check/index.ts';
import { planOf } from '../../core/policy/plan.ts';
import { LateRefresh } from '../../services/policy/late-refresh.ts';
import { type MaintenanceTask, MaintenanceTasks } from '../../services/policy/maintenance.ts';
import { type PolicyScheduler, createScheduler } from '../../services/policy/scheduler.ts';
import { SystemAlerts } from '../../services/policy/system-alerts.ts';
import type { Base, Context } from '../context.ts';
import { connectOptions, databaseOptions, kindsOf } from '../options.ts';

const HOUR_MS = 3_600_000;
/** The server stats every file of the database for it. */
const MEASURE_EVERY_MS = 300_000;
/** How long sent notifications stay in the outbox: long enough to investigate. */
const OUTBOX_KEPT_MS = 7 * 24 * HOUR_MS;
/** How long the row of a killed member can be looked up. */
const MEMBERS_KEPT_MS = 24 * HOUR_MS;
/** How long readings wait for a member of their share group to evaluate them. */
const HANDOVER_KEPT_MS = 7 * 24 * HOUR_MS;
/** How long expired silences and executed commands can be looked up. */
const OPERATORS_KEPT_MS = 90 * 24 * HOUR_MS;
/** How long alerts of the system are kept: as long as other alerts by default. */
const SYSTEM_ALERTS_KEPT_MS = 365 * 24 * HOUR_MS;

/** The periodic maintenance tasks. Not started yet. */
export function createMaintenance({
  config,
  clock,
  logger,
  metrics,
  cleanup,
  database: { pool, alertStore, operatorStore, leaseStore, handoverStore },
  servers: { embeddedDatabase },
}: Base & Pick<Context, 'database' | 'servers'>): MaintenanceTasks {
  const prune = async () => {
    while (await alertStore.pruneSent(clock.nowMs() - OUTBOX_KEPT_MS));
    await new TimescaleSystemAlertStore(pool).prune(clock.nowMs() - SYSTEM_ALERTS_KEPT_MS);
    while (await handoverStore.prune(clock.nowMs() - HANDOVER_KEPT_MS));
    await leaseStore.prune(clock.nowMs() - MEMBERS_KEPT_MS);
  };
  const pruneOperators = async () => {
    while (await operatorStore.prune(clock.nowMs() - OPERATORS_KEPT_MS));
  };
  const tasks: MaintenanceTask[] = [
    { name: 'prune alerts', everyMs: HOUR_MS, run: prune },
    { name: 'kinds of metrics', everyMs: HOUR_MS, run: () => storeKinds(pool, kindsOf(config.metrics)) },
    { name: 'prune silences and commands', everyMs: 24 * HOUR_MS, run: pruneOperators },
  ];
  if (embeddedDatabase) {
    // The embedded engine has no autovacuum; the chunks of hypertables are maintained by their policies.
    const vacuum = async () =>
      void (await pool.query(
        'VACUUM (ANALYZE) sensors, metrics, alert_state, alert_outbox, alert_deliveries, notify_sinks, notify_groups, ' +
          'silences, alert_commands, system_alerts, alert_watermarks, share_members, alert_shards, alert_handover, ' +
          'storage_horizons, storage_chunks',
      ));
    tasks.push({ name: 'vacuum', everyMs: HOUR_MS, run: vacuum });
  }
  const storage = {
    ...{ db: pool, metrics, dataDir: embeddedDatabase ? config.embedded.data_dir : undefined },
    names: { size: DATABASE_SIZE, free: FREE_SPACE },
  };
  tasks.push({ name: 'measure storage', everyMs: MEASURE_EVERY_MS, run: () => measureStorage(storage) });
  if (config.app_metrics.enabled) {
    const figures = new TimescaleAppMetricsStore(pool);
    const write = async () => figures.write(clock.nowMs(), await metrics.figures());
    tasks.push({ name: 'write app_metrics', everyMs: config.app_metrics.every, run: write });
  }
  const maintenance = new MaintenanceTasks(tasks, { clock, logger });
  cleanup.add('maintenance tasks', () => maintenance.stop());
  return maintenance;
}

/** Verification of the policies on a schedule, repairs, and the jobs of a server without workers. Not started yet. */
export function openScheduler({
  config,
  clock,
  logger,
  metrics,
  cleanup,
  servers,
  database: { pool },
  alertManager,
}: Base & Pick<Context, 'servers' | 'database' | 'alertManager'>): PolicyScheduler | undefined {
  if (!config.scheduler.enabled) return undefined;
  const options = databaseOptions(config, servers.databaseUrl, 'scheduler');
  // The catalog has shorter limits of its own: a verification must not block statements that wait behind it.
  const catalog = createCatalog(connectOptions(config, servers.databaseUrl, 'scheduler'));
  cleanup.add('policy catalog', () => catalog.close());
  const jobs = servers.embeddedDatabase ? createPolicyJobs(options) : undefined;
  if (jobs !== undefined) cleanup.add('policy jobs', () => jobs.close());
  const executor = createStatementExecutor(options);
  cleanup.add('policy repairs', () => executor.close());
  const { verify, run_jobs: runJobs, timezone } = config.scheduler;
  const scheduler = createScheduler({
    // Expressions are read against the clock of the system, by node-cron.
    cron: createCron({ ...clock, nowMs: () => clock.systemMs() }),
    schedules: { verify, runJobs, timezone },
    catalog,
    leader: new AdvisoryLeaderLock(options, { logger }),
    ...(jobs === undefined ? {} : { jobs }),
    plan: planOf(config.policies),
    executor,
    checks: CHECKS,
    alerts: new SystemAlerts({
      store: new TimescaleSystemAlertStore(pool),
      publish: (notifications) => alertManager.publish(notifications),
    }),
    logger,
    metrics,
    clock,
  });
  cleanup.add('policy scheduler', () => scheduler.stop());
  return scheduler;
}

/** Aggregates of readings that come too late for the refresh policies; with the scheduler, or not at all. Not started yet. */
export function createLateRefresh({
  config,
  clock,
  logger,
  metrics,
  cleanup,
  servers,
}: Base & Pick<Context, 'servers'>): LateRefresh | undefined {
  if (!config.scheduler.enabled) return undefined;
  const options = databaseOptions(config, servers.databaseUrl, 'scheduler');
  const catalog = createCatalog(connectOptions(config, servers.databaseUrl, 'scheduler'));
  const executor = createStatementExecutor(options);
  const refresh = new LateRefresh({
    ...{ catalog, executor, clock, logger, metrics, random: Math.random },
    lock: new AdvisoryLeaderLock(options, { logger }, 'late'),
    plan: planOf(config.policies),
  });
  cleanup.add('late refresh', async () => {
    const stopped = refresh.stop();
    // A refresh under way is aborted: the server rolls it back, and the `late` check finds its range.
    await Promise.all([executor.close(), catalog.close(), stopped]);
  });
  return refresh;
}
