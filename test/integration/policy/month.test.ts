import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { createPreparedCatalog } from '../../support/prepared-catalog.ts';
import { createPolicyJobs } from '../../../src/adapters/timescale/policy/policy-jobs.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import { type PolicyScheduler, createScheduler } from '../../../src/services/policy/scheduler.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeCron } from '../../support/fake-cron.ts';
import { RecordingMetrics } from '../../support/fakes.ts';
import { planWith } from '../../support/policy-plan.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { rounds } from '../../support/rounds.ts';
import { describeEmbedded } from '../../support/server-db.ts';
import { type SimulatedDatabase, openSimulatedDatabase } from '../../support/simulated-db.ts';

const PATIENCE_MS = 300_000;
const DAY_MS = 86_400_000;
const DAYS = rounds(14, 30);
/** Within the refresh window of three days: a longer absence of the scheduler leaves hours that are never aggregated. */
const STEP_DAYS = 2;
/** One reading a minute of each: 1,440 rows per sensor and chunk. */
const SENSORS = 8;

/** What sensors send: a day's curve and noise, in steps of 0.1; battery and signal in whole steps. */
const curve = (middle: string, swing: number, noise: number) =>
  `round(10 * (${middle} + ${swing} * sin(extract(epoch FROM t)::float8 / 13751 + s) + random() * ${noise})) / 10`;
const READINGS = `
INSERT INTO sensor_readings (time, sensor_id, temperature, humidity, pressure, battery, rssi)
SELECT t, s, ${curve('20 + 0.3 * s', 4, 0.4)}, ${curve('55', -8, 1.5)}, ${curve('1013', 6, 0.3)},
  100 - (extract(epoch FROM t)::bigint / 86400 + s) % 60, -60 - s - floor(random() * 6)
FROM generate_series(date_trunc('minute', now()) - INTERVAL '${STEP_DAYS} days' + INTERVAL '1 minute',
  date_trunc('minute', now()), INTERVAL '1 minute') t, generate_series(1, ${SENSORS}) s`;

// A real server has a clock that cannot be moved, and runs its jobs itself.
describeEmbedded('weeks of readings, and in the nightly run a month', () => {
  let db: SimulatedDatabase;
  let client: pg.Client;
  let scheduler: PolicyScheduler;
  let stop: () => Promise<void>;
  let aStep: (readings: boolean) => Promise<readonly string[]>;

  beforeAll(async () => {
    db = await openSimulatedDatabase();
    client = new pg.Client({ connectionString: db.url });
    client.on('error', () => undefined);
    await client.connect();
    await client.query(`INSERT INTO sensors (key) SELECT 's' || g FROM generate_series(1, ${SENSORS}) g`);
    const [cron, metrics, clock, logger] = [
      new FakeCron(),
      new RecordingMetrics(),
      new FakeClock(db.nowMs()),
      new QuietLogger(),
    ];
    const catalog = createPreparedCatalog({ url: db.url });
    const jobs = createPolicyJobs({ url: db.url });
    scheduler = createScheduler({
      ...{ cron, catalog, jobs, plan: planWith(), checks: CHECKS, logger, metrics, clock },
      schedules: { verify: 'verify', runJobs: 'run', timezone: 'UTC' },
      leader: { tryHold: async () => true, release: async () => undefined },
    });
    const verifications = () =>
      metrics.values.get('fieldwatch_scheduler_ticks_total{task=verify,outcome=done}') ?? 0;
    await scheduler.start();
    await eventually('the first round is over', () => verifications() === 1, { withinMs: PATIENCE_MS });
    aStep = async (readings) => {
      await db.advance(STEP_DAYS * DAY_MS);
      if (readings) await client.query(READINGS);
      const before = verifications();
      cron.tick('run');
      cron.tick('verify');
      await eventually('jobs have run and policies are verified', () => verifications() > before, {
        withinMs: PATIENCE_MS,
      });
      expect(logger.find(/failed/)).toEqual([]);
      return scheduler.findings().map(({ check, subject, actual }) => `${check} | ${subject} | ${actual}`);
    };
    stop = async () => {
      await scheduler.stop();
      await jobs.close();
      await catalog.close();
      await client.end();
      await db.close();
    };
  }, PATIENCE_MS);
  afterAll(() => stop?.());

  const one = async (text: string): Promise<Record<string, number>> =>
    (await client.query<Record<string, number>>(text)).rows[0] ?? {};

  test(
    'every other evening the jobs run, and there is nothing to report',
    async () => {
      for (let day = STEP_DAYS; day <= DAYS; day += STEP_DAYS)
        expect({ day, findings: await aStep(true) }).toEqual({ day, findings: [] });
      const { rows } = await one('SELECT count(*)::int AS rows FROM sensor_readings');
      expect(rows).toBe(DAYS * 1440 * SENSORS);
    },
    PATIENCE_MS,
  );

  test(
    'a quiet week later all of it is compressed, to a fifth or less, and still there',
    async () => {
      for (let day = 0; day < 9; day += STEP_DAYS) expect(await aStep(false)).toEqual([]);
      const stats =
        await one(`SELECT total_chunks::int AS chunks, number_compressed_chunks::int AS compressed,
        before_compression_total_bytes::float8 AS before, after_compression_total_bytes::float8 AS after
        FROM hypertable_columnstore_stats('sensor_readings')`);
      expect(stats['compressed']).toBe(stats['chunks']);
      expect((stats['before'] ?? 0) / (stats['after'] ?? 1)).toBeGreaterThan(5);
      // Both aggregates have every hour and every day of it, and not one reading more or less.
      const totals = await one(`SELECT (SELECT count(*)::int FROM sensor_readings) AS raw,
        (SELECT sum(readings)::int FROM sensor_hourly_agg) AS hourly, (SELECT sum(readings)::int FROM sensor_daily_agg) AS daily`);
      expect(totals).toEqual({
        raw: DAYS * 1440 * SENSORS,
        hourly: DAYS * 1440 * SENSORS,
        daily: DAYS * 1440 * SENSORS,
      });
    },
    PATIENCE_MS,
  );
});
