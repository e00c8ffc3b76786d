import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createSystemClock } from '../../../src/adapters/system/clock.ts';
import { createPreparedCatalog } from '../../support/prepared-catalog.ts';
import { AdvisoryLeaderLock } from '../../../src/adapters/timescale/policy/leader-lock.ts';
import { createReadingStore } from '../../../src/adapters/timescale/ingest/reading-store.ts';
import { createStatementExecutor } from '../../../src/adapters/timescale/policy/statement-executor.ts';
import type { StorableReading } from '../../../src/ports/store.ts';
import { LateRefresh, recordingLate } from '../../../src/services/policy/late-refresh.ts';
import { eventually } from '../../support/eventually.ts';
import { RecordingMetrics } from '../../support/fakes.ts';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { batchOf } from '../../support/store-fixtures.ts';

const DAY_US = 86_400_000_000;
const HOUR_US = DAY_US / 24;
const DAYS = 60;

let db: PolicyDatabase;
beforeAll(async () => {
  db = await openPolicyDatabase();
  await db.sql(`INSERT INTO sensors (key) SELECT 's' || g FROM generate_series(1, 4) g`);
  // Two months of three sensors, aggregated and compressed: what a backfill of the fourth meets.
  await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature) SELECT t, s, 20 + s
    FROM generate_series(now() - INTERVAL '${DAYS + 2} days', now(), INTERVAL '1 hour') t, generate_series(1, 3) s`);
  for (const view of ['sensor_hourly_agg', 'sensor_daily_agg'])
    await db.sql(
      `CALL refresh_continuous_aggregate('${view}', now() - INTERVAL '70 days', now() - INTERVAL '2 hours')`,
    );
  await db.sql(`SELECT compress_chunk(format('%I.%I', chunk_schema, chunk_name)::regclass)
    FROM timescaledb_information.chunks WHERE hypertable_name = 'sensor_readings' AND range_end < now() - INTERVAL '7 days'`);
}, 120_000);
afterAll(() => db.close());

const deps = () => ({
  clock: createSystemClock(),
  logger: new QuietLogger(),
  metrics: new RecordingMetrics(),
});

function open() {
  const own = deps();
  const [catalog, executor] = [
    createPreparedCatalog({ url: db.url }),
    createStatementExecutor({ url: db.url }),
  ];
  const lock = new AdvisoryLeaderLock({ url: db.url }, own, 'late');
  const refresh = new LateRefresh({
    ...own,
    catalog,
    executor,
    lock,
    plan: db.plan,
    random: Math.random,
    gatherMs: 200,
  });
  const direct = createReadingStore({ url: db.url }, own);
  refresh.start();
  const hoursLeft = () => own.metrics.scrape().get('fieldwatch_late_buckets');
  return {
    ...own,
    store: recordingLate(direct, refresh),
    hoursLeft,
    refreshed: (times = 1) =>
      eventually(
        'the late hours are refreshed',
        () => hoursLeft() === 0 && own.logger.find(/aggregates refreshed/).length >= times,
        { withinMs: 120_000 },
      ),
    close: async () => {
      await refresh.stop();
      await refresh.stop();
      await direct.close();
      await executor.close();
      await catalog.close();
    },
  };
}

const nowUs = () => Date.now() * 1000;
const at = (timeUs: number, temperature: number, sensorId = 4): StorableReading => ({
  sensorId,
  timeUs: Math.floor(timeUs),
  metrics: new Map([['temperature', temperature]]),
});

/** Buckets of the aggregates that are not what the raw readings give, older than every window. */
const wrong = (view: string, column: string, width: string) =>
  db.sql(`SELECT * FROM (SELECT ${column} AS bucket, sensor_id, readings, sum_temp FROM ${view}
      WHERE ${column} < now() - INTERVAL '7 days' AND ${column} >= now() - INTERVAL '${DAYS} days') a
    FULL JOIN (SELECT time_bucket('${width}', time) AS bucket, sensor_id, count(*) AS n, sum(temperature) AS total
      FROM sensor_readings GROUP BY 1, 2 HAVING time_bucket('${width}', time) < now() - INTERVAL '7 days'
       AND time_bucket('${width}', time) >= now() - INTERVAL '${DAYS} days') r USING (bucket, sensor_id)
    WHERE a.readings IS DISTINCT FROM r.n OR abs(a.sum_temp - r.total) > 1e-9`);

test('statement 17: a backfill of two months into compressed chunks: aggregates as recomputed, live readings go on', async () => {
  const late = open();
  const live = createReadingStore({ url: db.url }, deps());
  let going = true;
  let commits = 0;
  const living = (async () => {
    for (; going; commits++) {
      await live.commit(batchOf([at(nowUs(), 20, 1)]));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  const backfill = Array.from({ length: DAYS * 24 * 2 }, (_, n) =>
    at(nowUs() - DAYS * DAY_US + (n * HOUR_US) / 2, n % 40),
  );
  for (let n = 0; n < backfill.length; n += 240) await late.store.commit(batchOf(backfill.slice(n, n + 240)));
  const before = commits;
  await late.refreshed();
  expect(commits).toBeGreaterThan(before);
  going = false;
  await living;
  expect(await wrong('sensor_hourly_agg', 'hour', '1 hour')).toEqual([]);
  expect(await wrong('sensor_daily_agg', 'day', '1 day')).toEqual([]);
  expect(late.metrics.values.get('fieldwatch_late_refreshes_total{outcome=ok}')).toBeGreaterThan(5);
  expect(late.metrics.values.get('fieldwatch_late_refreshes_total{outcome=failed}')).toBeUndefined();
  await live.close();
  await late.close();
}, 240_000);

test('statement 17: readings in time are left to the policies, and those of the hours that others touched too', async () => {
  const late = open();
  // Outdated by another program: not repaired here.
  await db.sql(
    `INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES (now() - INTERVAL '30 days', 2, 1)`,
  );
  await late.store.commit(batchOf([at(nowUs(), 20), at(nowUs() - 2 * DAY_US, 20)]));
  expect(late.hoursLeft()).toBe(0);
  await late.store.commit(batchOf([at(nowUs() - 20 * DAY_US, 20)]));
  await late.refreshed();
  expect(await wrong('sensor_hourly_agg', 'hour', '1 hour')).toHaveLength(1);
  await late.close();
});

test('statement 17: history whose readings were dropped stays as it is', async () => {
  const history = () =>
    db.sql(`SELECT hour, sensor_id, readings, sum_temp FROM sensor_hourly_agg
      WHERE hour < now() - INTERVAL '51 days' ORDER BY 1, 2`);
  await db.sql(`SELECT drop_chunks('sensor_readings', older_than => INTERVAL '50 days')`);
  const before = await history();
  expect(before.length).toBeGreaterThan(100);
  const late = open();
  // One row makes a chunk anew where there was one, next to hours that can be refreshed.
  await late.store.commit(batchOf([at(nowUs() - 55 * DAY_US, 99), at(nowUs() - 25 * DAY_US, 99)]));
  await late.refreshed();
  expect(await history()).toEqual(before);
  await late.close();
});

test('another daemon that refreshes is waited for', async () => {
  const late = open();
  const other = new AdvisoryLeaderLock({ url: db.url }, deps(), 'late');
  expect(await other.tryHold()).toBe(true);
  await late.store.commit(batchOf([at(nowUs() - 15 * DAY_US, 7)]));
  await eventually('it has met the other', () => late.logger.find(/not aggregated yet/).length > 0);
  expect(late.hoursLeft()).toBeGreaterThan(0);
  await other.release();
  await late.refreshed();
  await late.close();
});
