import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { TimescaleAlertStore } from '../../../src/adapters/timescale/alert/alert-store.ts';
import { createPreparedCatalog } from '../../support/prepared-catalog.ts';
import { TimescaleSystemAlertStore } from '../../../src/adapters/timescale/policy/system-alert-store.ts';
import { alertsCommand } from '../../../src/cli/alerts/index.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import { alertChanges } from '../../../src/queries/alerts.ts';
import { AlertPublisher } from '../../../src/services/alert/publisher.ts';
import { createScheduler } from '../../../src/services/policy/scheduler.ts';
import { SystemAlerts } from '../../../src/services/policy/system-alerts.ts';
import { runCli } from '../../support/cli.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeCron } from '../../support/fake-cron.ts';
import { RecordingMetrics } from '../../support/fakes.ts';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

const VERIFY = '*/5 * * * *';

let db: PolicyDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  db = await openPolicyDatabase();
  pool = new pg.Pool({ connectionString: db.url, max: 2 });
  pool.on('error', () => undefined);
});
afterAll(async () => {
  await pool.end();
  await db.close();
});

/** The policy part of a daemon, over the real database; `log` is its alert log. */
function daemon() {
  const log: { event: string; sensor: string; alert_type: string }[] = [];
  const [logger, clock, metrics, cron] = [
    new QuietLogger(),
    new FakeClock(Date.now()),
    new RecordingMetrics(),
    new FakeCron(),
  ];
  const publisher = new AlertPublisher({
    store: new TimescaleAlertStore(pool),
    alertLog: { write: (line) => void log.push(JSON.parse(line)) },
    ...{ logger, clock },
  });
  const catalog = createPreparedCatalog({ url: db.url });
  const scheduler = createScheduler({
    ...{ cron, catalog, plan: db.plan, checks: CHECKS, logger, metrics, clock },
    schedules: { verify: VERIFY, runJobs: '* * * * *', timezone: 'UTC' },
    leader: { tryHold: async () => true, release: async () => undefined },
    alerts: new SystemAlerts({
      store: new TimescaleSystemAlertStore(pool),
      publish: (notifications) => publisher.publish(notifications),
    }),
  });
  const rounds = () => metrics.values.get('fieldwatch_scheduler_ticks_total{task=verify,outcome=done}') ?? 0;
  let seen = 0;
  /** What the alert log got in one more verification. */
  const look = async () => {
    seen += 1;
    if (seen === 1) await scheduler.start();
    else cron.tick(VERIFY);
    await eventually('it has verified', () => rounds() === seen);
    return log.splice(0).map(({ event, sensor, alert_type }) => `${event} ${alert_type} ${sensor}`);
  };
  return {
    ...{ look, publisher },
    stop: async () => {
      await scheduler.stop();
      await publisher.stop();
      await catalog.close();
    },
  };
}

const list = async (...args: string[]) =>
  (
    await runCli(alertsCommand, ['list', '--json', ...args], {
      env: { FIELDWATCH_DATABASE_URL: db.url, NO_COLOR: '1' },
    })
  ).out
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('a paused policy: one line, in the outbox and in the list; none after a restart; one when it is repaired', async () => {
  const [id] = await db.jobs('sensor_metrics', 'policy_retention');
  await db.sql(
    `INSERT INTO sensor_alerts (time, sensor_id, alert_type) VALUES (now() - INTERVAL '1 hour', 7, 'temperature_high')`,
  );
  const first = daemon();
  expect(await first.look()).toEqual([]);
  await db.sql(`SELECT alter_job(${id}, scheduled => false)`);
  expect(await first.look()).toEqual(['firing policy_policies sensor_metrics retention']);
  expect(await first.look()).toEqual([]);
  await first.stop();

  const second = daemon();
  expect(await second.look()).toEqual([]);
  expect(await list('--open')).toMatchObject([
    { sensor_id: 0, sensor: 'sensor_metrics retention', alert_type: 'policy_policies', severity: 'critical' },
    { sensor_id: 7, alert_type: 'temperature_high' },
  ]);
  expect(await list()).toHaveLength(2);
  expect(await list('--sensor', 'sensor_metrics retention')).toHaveLength(1);
  await db.sql(`INSERT INTO sensors (key, location) VALUES ('c', 'coldroom')`);
  expect(await list('--location', 'coldroom')).toHaveLength(0);
  await db.sql(`SELECT alter_job(${id}, scheduled => true)`);
  expect(await second.look()).toEqual(['resolved policy_policies sensor_metrics retention']);
  expect(await second.look()).toEqual([]);
  await second.stop();

  expect(await list('--open')).toMatchObject([{ sensor_id: 7 }]);
  const outbox = await db.sql(
    'SELECT event, seq, sent_at IS NOT NULL AS sent FROM alert_outbox ORDER BY seq',
  );
  expect(outbox).toEqual([
    { event: 'firing', seq: 1, sent: true },
    { event: 'resolved', seq: 2, sent: true },
  ]);
  // A follower sees its end although it began before it looked.
  const changes = await alertChanges(
    { query: async (text, values) => ({ rows: (await pool.query(text, values)).rows }) },
    { since: new Date(Date.now() - 3_600_000), open: [], limit: 10 },
  );
  expect(changes.filter(({ sensorId }) => sensorId === 0)).toMatchObject([{ resolvedAt: expect.any(Date) }]);
});

test('committed but not published: the next start finds it in the outbox', async () => {
  const store = new TimescaleSystemAlertStore(pool);
  const crashed = new SystemAlerts({ store, publish: () => undefined });
  await crashed.update({
    findings: [
      {
        ...{ check: 'retention', subject: 'app_metrics retention', verdict: 'lagging', severity: 'warning' },
        ...{ expected: '-', actual: '-', remedy: '-' },
      },
    ],
    answered: new Set(['retention']),
    atMs: Date.now(),
  });
  expect(await new TimescaleAlertStore(pool).pendingNotifications()).toMatchObject([
    { event: 'firing', alertType: 'policy_retention', sensorKey: 'app_metrics retention', sensorId: 0 },
  ]);
});

test('two simultaneous verifications raise one episode', async () => {
  const store = new TimescaleSystemAlertStore(pool);
  const [alert] = await store.open();
  const again = { ...alert!, alertId: '00000000-0000-4000-8000-000000000000' };
  await expect(store.commit({ alerts: [again], notifications: [] })).rejects.toMatchObject({
    code: 'DB_ROW_REFUSED',
  });
  expect(await store.open()).toHaveLength(1);
});

test('what ended long ago is deleted, what lasts is not', async () => {
  await new TimescaleSystemAlertStore(pool).prune(Date.now() + 1000);
  expect(await db.sql('SELECT alert_type, resolved_at FROM system_alerts')).toEqual([
    { alert_type: 'policy_retention', resolved_at: null },
  ]);
});
