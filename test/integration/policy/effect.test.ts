import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';
import { planWith } from '../../support/policy-plan.ts';
import { describeEmbedded } from '../../support/server-db.ts';

/** Five sensors, a reading every five minutes for two whole days and until six hours ago, aggregated: what every case begins and ends with. */
let db: PolicyDatabase;
beforeAll(async () => {
  db = await openPolicyDatabase();
  await db.sql(`INSERT INTO sensors (key) SELECT 's' || g FROM generate_series(1, 5) g`);
  await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature) SELECT t, s, 20 + s
    FROM generate_series(date_trunc('day', now(), 'UTC') - INTERVAL '2 days', now() - INTERVAL '6 hours', INTERVAL '5 minutes') t, generate_series(1, 5) s`);
});
afterAll(() => db.close());

const late = (ago: string) =>
  db.sql(
    `INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES (now() - INTERVAL '${ago}', 1, 5)`,
  );
const refresh = (view: string, from: string, until: string) =>
  db.sql(
    `CALL refresh_continuous_aggregate('${view}', now() - INTERVAL '${from}', now() - INTERVAL '${until}')`,
  );

test('never refreshed; and the jobs repair it', async () => {
  expect(await db.lines()).toEqual(['refresh | sensor_hourly_agg refresh | stalled']);
  await db.runAll();
  expect(await db.lines()).toEqual([]);
});

describe('statement 23: once all is well, one thing is spoiled', () => {
  let restore: (() => Promise<unknown>) | undefined;
  afterEach(async () => {
    await restore?.();
    restore = undefined;
  });
  // Each test lists all findings: what the one before it has left would be among them.
  afterAll(async () => expect(await db.lines()).toEqual([]));

  test('a late row within the window is no finding', async () => {
    await late('26 hours');
    restore = () => db.runAll();
    expect(await db.lines()).toEqual([]);
  });

  test('an aggregate that stopped being refreshed', async () => {
    await late('4 hours');
    restore = () => db.runAll();
    const findings = await db.verify();
    expect(findings).toMatchObject([
      { check: 'refresh', subject: 'sensor_hourly_agg refresh', verdict: 'lagging' },
    ]);
  });

  test('a late row after the window', async () => {
    await late('100 hours');
    restore = async () => {
      await refresh('sensor_hourly_agg', '110 hours', '90 hours');
      await refresh('sensor_daily_agg', '150 hours', '50 hours');
    };
    expect(await db.lines()).toEqual(['late | sensor_hourly_agg refresh | lagging']);
    await db.runAll();
    expect(await db.lines()).toEqual(['late | sensor_hourly_agg refresh | lagging']);
  });

  test('a chunk that is not compressed, and then an uncompressed late row', async () => {
    await late('10 days');
    await refresh('sensor_hourly_agg', '11 days', '9 days');
    await refresh('sensor_daily_agg', '12 days', '8 days');
    restore = () => db.runAll();
    expect(await db.verify()).toMatchObject([
      {
        check: 'compression',
        subject: 'sensor_readings compression',
        verdict: 'lagging',
        severity: 'warning',
      },
    ]);
    await db.runAll();
    expect(await db.lines()).toEqual([]);
    await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature)
      SELECT time + INTERVAL '1 second', sensor_id, 6 FROM sensor_readings WHERE time < now() - INTERVAL '9 days'`);
    await refresh('sensor_hourly_agg', '11 days', '9 days');
    await refresh('sensor_daily_agg', '12 days', '8 days');
    const findings = await db.verify();
    expect(findings).toMatchObject([
      {
        check: 'compression',
        verdict: 'lagging',
        severity: 'info',
        actual: expect.stringMatching(/^1 chunk with uncompressed late rows$/),
      },
    ]);
  });

  test.each([
    ['compressed', '10 days', 'compression'],
    ['dropped', '95 days', 'retention'],
  ])('a chunk that is to be %s, and is frozen: named, with what thaws it', async (_, age, check) => {
    await late(age);
    if (check === 'compression') {
      await refresh('sensor_hourly_agg', '11 days', '9 days');
      await refresh('sensor_daily_agg', '12 days', '8 days');
    }
    restore = () => db.runAll();
    const [chunk] = await db.sql<{ name: string }>(
      `SELECT show_chunks('sensor_readings', older_than => INTERVAL '9 days')::text AS name ORDER BY 1 LIMIT 1`,
    );
    await db.sql(`SELECT _timescaledb_functions.freeze_chunk('${chunk?.name}')`);
    await db.runAll();
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      check,
      remedy: expect.stringMatching(/^1 chunk is frozen, .* it: SELECT/),
    });
    await db.sql(/SELECT [^;]*/.exec(finding?.remedy ?? '')?.[0] ?? '');
    await db.runAll();
    expect(await db.lines()).toEqual([]);
  });

  test('a chunk past its retention', async () => {
    await late('95 days');
    restore = () => db.runAll();
    expect(await db.verify()).toMatchObject([
      {
        check: 'retention',
        subject: 'sensor_readings retention',
        verdict: 'lagging',
        actual: expect.stringMatching(/^1 chunk,/),
      },
    ]);
  });

  test('one wrong bucket', async () => {
    const [hypertable] = await db.sql<{ name: string }>(
      `SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) AS name
       FROM timescaledb_information.continuous_aggregates WHERE view_name = 'sensor_hourly_agg'`,
    );
    const spoil = (by: number) =>
      db.sql(`UPDATE ${hypertable?.name} SET sum_temp = sum_temp + ${by}
        WHERE sensor_id = 3 AND hour = time_bucket('1 hour', now() - INTERVAL '10 hours')`);
    await spoil(1);
    // The daily view was made of the right one, and is not asked about the wrong one of today.
    restore = () => spoil(-1);
    expect(await db.verify()).toMatchObject([
      {
        check: 'audit',
        subject: 'sensor_hourly_agg',
        verdict: 'mismatched',
        actual: expect.stringMatching(/^1 bucket /),
      },
    ]);
  });

  test('an open start_offset', async () => {
    const [id] = await db.jobs('sensor_hourly_agg', 'policy_refresh_continuous_aggregate');
    const configure = (change: string) =>
      db.sql(
        `SELECT alter_job(job_id, config => ${change}) FROM timescaledb_information.jobs WHERE job_id = ${id}`,
      );
    await configure(`config || '{"start_offset": null}'::jsonb`);
    restore = () => configure(`config || '{"start_offset": "3 days"}'::jsonb`);
    expect(await db.lines()).toEqual(['data_loss_risk | sensor_hourly_agg refresh | unsafe']);
  });

  test('a retention shorter than the refresh window', async () => {
    const [id] = await db.jobs('sensor_readings', 'policy_retention');
    const configure = (after: string) =>
      db.sql(`SELECT alter_job(job_id, config => config || '{"drop_after": "${after}"}'::jsonb)
        FROM timescaledb_information.jobs WHERE job_id = ${id}`);
    await configure('2 days');
    restore = () => configure('90 days');
    expect(await db.lines()).toEqual(['data_loss_risk | sensor_hourly_agg refresh | unsafe']);
  });

  test('another chunk interval', async () => {
    await db.sql(`SELECT set_chunk_time_interval('sensor_readings', INTERVAL '6 hours')`);
    restore = () => db.sql(`SELECT set_chunk_time_interval('sensor_readings', INTERVAL '1 day')`);
    expect(await db.verify()).toMatchObject([
      { check: 'chunks', subject: 'sensor_readings', verdict: 'mismatched', actual: 'new chunks of 6 hours' },
    ]);
  });

  test('another segmentation', async () => {
    await db.sql(`ALTER TABLE sensor_metrics SET (timescaledb.segmentby = 'sensor_id')`);
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ check: 'columnstore', subject: 'sensor_metrics', verdict: 'mismatched' });
    restore = () => db.sql(finding?.remedy.replace(/;.*/s, '') ?? '');
  });

  test('a dropped unique index', async () => {
    await db.sql('DROP INDEX dead_letters_key');
    restore = () => db.sql('CREATE UNIQUE INDEX dead_letters_key ON dead_letters (id, received_at)');
    expect(await db.verify()).toMatchObject([
      { check: 'definitions', subject: 'dead_letters', actual: 'no such index: rows may be stored twice' },
    ]);
  });

  test('a required column that the program does not write', async () => {
    await db.sql(`ALTER TABLE sensor_alerts ADD COLUMN site text`);
    restore = () => db.sql('ALTER TABLE sensor_alerts DROP COLUMN site');
    expect(await db.lines()).toEqual([]);
    await db.sql(`ALTER TABLE sensor_alerts ALTER COLUMN site SET NOT NULL`);
    expect(await db.lines()).toEqual(['definitions | sensor_alerts | mismatched']);
  });

  test('queries that also read raw rows', async () => {
    await db.sql('ALTER MATERIALIZED VIEW sensor_daily_agg SET (timescaledb.materialized_only = false)');
    restore = () =>
      db.sql('ALTER MATERIALIZED VIEW sensor_daily_agg SET (timescaledb.materialized_only = true)');
    expect(await db.lines()).toEqual(['definitions | sensor_daily_agg | mismatched']);
  });

  test('few rows per sensor and chunk: a note', async () => {
    await db.sql(`INSERT INTO sensor_metrics (time, sensor_id, metric_id, value)
      SELECT t, s, 1, 1 FROM generate_series(now() - INTERVAL '5 days', now(), INTERVAL '1 hour') t, generate_series(1, 5) s`);
    restore = () => db.sql('TRUNCATE sensor_metrics');
    expect(await db.verify()).toMatchObject([
      {
        check: 'segments',
        subject: 'sensor_metrics',
        severity: 'info',
        actual: expect.stringMatching(/^24 \(median/),
        remedy: expect.stringContaining('chunk_interval: 13 days'),
      },
    ]);
  });

  describe('growth, by the figures that the daemon writes', () => {
    /** Sizes of three days, by the hour, that grow by `perDay`; and how much room there is now. */
    const grown = async (perDay: number, free?: number) => {
      await db.sql(
        `INSERT INTO app_metrics (time, host, metric_name, value)
         SELECT now() - INTERVAL '1 hour' * h, 'h', 'fieldwatch_database_size_bytes', 1e9 - $1::float8 * h / 24 FROM generate_series(0, 72) h`,
        [perDay],
      );
      for (const id of await db.jobs('app_metrics', 'policy_compression'))
        await db.sql(`CALL run_job(${id})`);
      if (free !== undefined)
        await db.sql(
          `INSERT INTO app_metrics (time, host, metric_name, value) VALUES (now(), 'h', 'fieldwatch_data_folder_free_bytes', $1)`,
          [free],
        );
      restore = () => db.sql('TRUNCATE app_metrics');
    };

    test('neither a disk nor a budget: no finding', async () => {
      await grown(1e8);
      expect(await db.lines()).toEqual([]);
    });

    test('a disk that is full in ten days', async () => {
      await grown(1e8, 1.05e9);
      expect(await db.verify()).toMatchObject([
        {
          ...{ check: 'disk', subject: 'database', verdict: 'unsafe', severity: 'warning' },
          actual: expect.stringMatching(/ 1000 MiB free, it grew by 95.4 MiB a day .* full in 10 days$/),
        },
      ]);
    });

    test('room for longer, or a database that shrinks', async () => {
      await grown(1e8, 2e9);
      expect(await db.lines()).toEqual([]);
      await restore?.();
      await grown(-1e8, 1e6);
      expect(await db.lines()).toEqual([]);
    });

    test('a budget, of a server whose disk cannot be seen', async () => {
      await grown(1e8);
      const budget = (text: string) => db.verify(planWith({ disk: { budget: text } }));
      expect(await budget('3 GB')).toEqual([]);
      expect(await budget('1200 MB')).toMatchObject([{ severity: 'critical', verdict: 'unsafe' }]);
      expect(await budget('999 MB')).toMatchObject([
        { severity: 'critical', actual: expect.stringMatching(/: no room left$/) },
      ]);
    });
  });

  describeEmbedded('by the history of the daemon', () => {
    test('a job that fails: a hint', async () => {
      const [id] = await db.jobs('sensor_readings', 'policy_retention');
      await db.sql(
        `INSERT INTO job_runs VALUES (${id}, now() - INTERVAL '1 minute', now(), false, 'out of shared memory')`,
      );
      restore = () => db.sql('DELETE FROM job_runs');
      expect(await db.verify()).toMatchObject([
        {
          check: 'runs',
          subject: 'sensor_readings retention',
          verdict: 'lagging',
          actual: `job ${id} failed 1 time in a row: out of shared memory`,
        },
      ]);
    });
  });

  test('a job of another owner', async () => {
    restore = await db.giveAway('sensor_alerts');
    expect(await db.verify()).toMatchObject([
      {
        check: 'policies',
        subject: 'sensor_alerts retention',
        verdict: 'mismatched',
        expected: 'owner = postgres',
      },
    ]);
  });

  test('what is not declared', async () => {
    const plan = planWith({ hypertables: { app_metrics: { retention: { enabled: false } } } });
    expect(await db.lines(plan)).toEqual(['policies | app_metrics retention | extra']);
  });
});

test('a plain table in the place of a hypertable', async () => {
  await db.sql('ALTER TABLE app_metrics RENAME TO app_metrics_old');
  expect(await db.lines()).toEqual(['relations | app_metrics | missing']);
  await db.sql('CREATE TABLE app_metrics (time timestamptz)');
  const [finding, ...others] = await db.verify();
  expect(others).toEqual([]);
  expect(finding).toMatchObject({ check: 'relations', subject: 'app_metrics', verdict: 'mismatched' });
  await db.sql(finding?.remedy ?? '');
  await db.sql('DROP TABLE app_metrics_aside');
  expect(await db.lines()).toEqual([]);
});

test('a view that was replaced', async () => {
  await db.sql('ALTER MATERIALIZED VIEW sensor_daily_agg RENAME TO sensor_daily_agg_old');
  await db.sql(`CREATE MATERIALIZED VIEW sensor_daily_agg WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
    SELECT time_bucket(INTERVAL '1 day', hour) AS day, sensor_id, avg(avg_temp) AS avg_temp, sum(sum_temp) AS sum_temp,
      sum(readings)::bigint AS readings FROM sensor_hourly_agg GROUP BY 1, 2 WITH NO DATA`);
  await db.sql(`SELECT add_retention_policy('sensor_daily_agg', INTERVAL '5 years', schedule_interval => INTERVAL '1 day',
    initial_start => '2000-01-01 01:20+00')`);
  await db.sql(`SELECT add_continuous_aggregate_policy('sensor_daily_agg', start_offset => INTERVAL '5 days',
    end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '1 hour', initial_start => '2000-01-01 00:10+00')`);
  await refresh('sensor_daily_agg', '20 days', '1 hour');
  const [finding, ...others] = await db.verify();
  expect(others).toEqual([]);
  expect(finding).toMatchObject({
    check: 'definitions',
    subject: 'sensor_daily_agg',
    expected: expect.stringContaining('avg_temp = (sum(sum_temp) / (NULLIF(sum(count_temp), (0)::numeric))'),
    actual: expect.stringContaining('avg_temp = avg(avg_temp)'),
  });
});
