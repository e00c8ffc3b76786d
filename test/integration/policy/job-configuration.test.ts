import { REPAIR_EFFECTS, type RepairEffect } from '../../../src/core/policy/check.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createPreparedCatalog } from '../../support/prepared-catalog.ts';
import { createStatementExecutor } from '../../../src/adapters/timescale/policy/statement-executor.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import type { PolicyPlan } from '../../../src/core/policy/plan.ts';

import { runRepair } from '../../../src/services/policy/repair-runner.ts';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';
import { planWith } from '../../support/policy-plan.ts';
import { statementsOf } from '../../support/timescale-cluster.ts';

/** Whatever the scheduler may do by itself. */
const WITHOUT_DELETING: readonly RepairEffect[] = ['settings', 'refresh', 'compress'];

let db: PolicyDatabase;
let close: () => Promise<void>;
let repair: (effects?: readonly RepairEffect[], plan?: PolicyPlan) => ReturnType<typeof runRepair>;
let before: unknown;

const kept = async () =>
  db.sql(`SELECT (SELECT md5(string_agg(r::text, ',' ORDER BY r)) FROM sensor_readings r) AS readings,
    (SELECT md5(string_agg(h::text, ',' ORDER BY h)) FROM sensor_hourly_agg h) AS hours,
    (SELECT md5(string_agg(d::text, ',' ORDER BY d)) FROM sensor_daily_agg d) AS days,
    (SELECT count(*) FROM dead_letters)::int AS letters, (SELECT count(*) FROM sensor_alerts)::int AS alerts`);

const alter = (change: string, relation: string, proc: string) =>
  db.sql(`SELECT alter_job(job_id, ${change}) FROM timescaledb_information.jobs
    WHERE hypertable_name = '${relation}' AND proc_name = '${proc}'`);
/** No function takes a configuration away. */
const spoilConfig = async (update: string): Promise<unknown> => {
  const [catalogs] = await db.sql<{ jobs: string }>(
    `SELECT coalesce(to_regclass('_timescaledb_catalog.bgw_job'), '_timescaledb_config.bgw_job')::text AS jobs`,
  );
  return db.sql(update.replace('JOBS', catalogs?.jobs ?? ''));
};
const RETENTION = 'policy_retention';
const REFRESH = 'policy_refresh_continuous_aggregate';
const COMPRESSION = 'policy_compression';

beforeAll(async () => {
  db = await openPolicyDatabase();
  const catalog = createPreparedCatalog({ url: db.url });
  const executor = createStatementExecutor({ url: db.url });
  repair = (effects = WITHOUT_DELETING, plan = db.plan) =>
    runRepair({ catalog, executor, plan, checks: CHECKS, effects, signal: new AbortController().signal });
  close = async () => {
    await executor.close();
    await catalog.close();
    await db.close();
  };
  await db.sql(`INSERT INTO sensors (key) SELECT 's' || g FROM generate_series(1, 2) g`);
  await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature) SELECT t, s, s
    FROM generate_series(now() - INTERVAL '12 days', now(), INTERVAL '10 minutes') t, generate_series(1, 2) s`);
  await db.sql(`INSERT INTO dead_letters (received_at, topic, payload, reason) VALUES (now(), 't', '', 'r')`);
  for (const view of ['sensor_hourly_agg', 'sensor_daily_agg'])
    await db.sql(`CALL refresh_continuous_aggregate('${view}', NULL, now() - INTERVAL '5 minutes')`);
  await db.sql(
    `SELECT compress_chunk(c) FROM show_chunks('sensor_readings', older_than => INTERVAL '7 days') c`,
  );
  expect(await db.lines()).toEqual([]);
  before = await kept();
}, 180_000);
afterAll(() => close());

describe('settings of a job that are not declared are found and repaired', () => {
  afterEach(async () => expect(await kept()).toEqual(before));
  // Each test lists all findings: what the one before it has left would be among them.
  afterAll(async () => expect(await db.lines()).toEqual([]));

  const key = (json: string) => `config => config || '${json}'::jsonb`;
  const faults: [string, () => Promise<unknown>, object][] = [
    [
      'retention by creation time, which TimescaleDB prefers',
      () => alter(key('{"drop_created_before": "1 hour"}'), 'sensor_readings', RETENTION),
      {
        subject: 'sensor_readings retention',
        severity: 'critical',
        actual: expect.stringContaining('drop_created_before'),
      },
    ],
    [
      'compression that leaves late rows',
      () => alter(key('{"recompress": false}'), 'sensor_readings', COMPRESSION),
      { subject: 'sensor_readings compression', actual: expect.stringContaining('recompress = false') },
    ],
    [
      'compression of few chunks at a time',
      () => alter(key('{"maxchunks_to_compress": 1}'), 'sensor_metrics', COMPRESSION),
      { subject: 'sensor_metrics compression', expected: 'maxchunks_to_compress = not set' },
    ],
    [
      'refreshes of few batches at a time',
      () => alter(key('{"max_batches_per_execution": 1}'), 'sensor_hourly_agg', REFRESH),
      { subject: 'sensor_hourly_agg refresh', expected: 'max_batches_per_execution = not set' },
    ],
    [
      'no configuration at all',
      () =>
        spoilConfig(`UPDATE JOBS SET config = NULL WHERE proc_name = '${RETENTION}' AND hypertable_id =
          (SELECT id FROM _timescaledb_catalog.hypertable WHERE table_name = 'dead_letters')`),
      { subject: 'dead_letters retention', actual: expect.stringContaining('hypertable_id = none') },
    ],
    [
      'a limit of failures',
      () => alter('max_retries => 3', 'dead_letters', RETENTION),
      { subject: 'dead_letters retention', expected: 'max_retries = -1 (no limit)' },
    ],
    [
      'another pause after a failure',
      () => alter(`retry_period => INTERVAL '30 days'`, 'sensor_readings', COMPRESSION),
      { subject: 'sensor_readings compression', expected: 'retry_period = 1 hour' },
    ],
    [
      'the slots of a time zone',
      () => alter(`timezone => 'Europe/Berlin'`, 'sensor_readings', RETENTION),
      { subject: 'sensor_readings retention', actual: expect.stringContaining('timezone = Europe/Berlin') },
    ],
    [
      'a check that lets every configuration pass',
      async () => {
        await db.sql(`CREATE OR REPLACE FUNCTION pass(config jsonb) RETURNS void LANGUAGE sql AS ''`);
        await alter(`check_config => 'pass'::regproc`, 'sensor_readings', RETENTION);
      },
      { subject: 'sensor_readings retention', actual: expect.stringContaining('check_config = public.pass') },
    ],
    [
      'a schedule that slips',
      () => alter('fixed_schedule => false', 'sensor_hourly_agg', REFRESH),
      { subject: 'sensor_hourly_agg refresh', expected: expect.stringContaining('fixed_schedule = true') },
    ],
    [
      'a schedule that begins elsewhere',
      () => alter(`initial_start => '2001-01-01 13:13:00+00'`, 'sensor_daily_agg', REFRESH),
      { subject: 'sensor_daily_agg refresh', expected: 'initial_start = 2000-01-01 00:10:00+00' },
    ],
    [
      'postponed for ever',
      () => alter(`next_start => 'infinity'`, 'sensor_hourly_agg', REFRESH),
      {
        subject: 'sensor_hourly_agg refresh',
        verdict: 'paused',
        actual: expect.stringContaining('infinity'),
      },
    ],
    [
      'postponed for long',
      () => alter(`next_start => now() + INTERVAL '30 days'`, 'sensor_daily_agg', REFRESH),
      { subject: 'sensor_daily_agg refresh', verdict: 'paused' },
    ],
  ];
  test.each(faults)('%s', async (_, spoil, finding) => {
    await spoil();
    expect(await db.verify()).toMatchObject([{ check: 'policies', ...finding }]);
    const { runs, left } = await repair();
    expect(runs.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(left.findings).toEqual([]);
  });

  test('a second retention that drops early is critical, and removed', async () => {
    await db.sql(`SELECT add_job('_timescaledb_functions.policy_retention', '1 hour', config =>
      (SELECT config || '{"drop_after": "10 days"}'::jsonb FROM timescaledb_information.jobs
       WHERE hypertable_name = 'sensor_readings' AND proc_name = '${RETENTION}'))`);
    expect(await db.verify()).toMatchObject([
      {
        check: 'policies',
        verdict: 'duplicate',
        severity: 'critical',
        actual: expect.stringContaining('10 days'),
      },
    ]);
    expect((await repair()).left.findings).toEqual([]);
  });

  test('the configuration of another table: what is printed may be run in its order', async () => {
    await db.sql(`SELECT alter_job(job_id, config => (SELECT config || '{"drop_after": "30 days"}'::jsonb FROM timescaledb_information.jobs
      WHERE hypertable_name = 'sensor_readings' AND proc_name = '${RETENTION}')) FROM timescaledb_information.jobs
      WHERE hypertable_name = 'dead_letters' AND proc_name = '${RETENTION}'`);
    const findings = await db.verify();
    expect(findings).toMatchObject([
      { subject: 'sensor_readings retention', verdict: 'duplicate', severity: 'critical' },
      { subject: 'dead_letters retention', verdict: 'mismatched' },
    ]);
    for (const { remedy } of findings) await db.sql(remedy.split(' -- ')[0] ?? '');
  });

  test('compression that joins chunks', async () => {
    await db.sql(`ALTER TABLE sensor_readings SET (timescaledb.compress_chunk_time_interval = '7 days')`);
    expect(await db.verify()).toMatchObject([
      { check: 'columnstore', subject: 'sensor_readings compressed chunks' },
    ]);
    expect((await repair()).left.findings).toEqual([]);
  });

  test('a chunk that was compressed by other settings is a note', async () => {
    const segmentBy = (text: string) =>
      db.sql(
        `ALTER TABLE sensor_readings SET (timescaledb.enable_columnstore, timescaledb.segmentby = '${text}', timescaledb.orderby = 'time DESC')`,
      );
    const [chunk] = await db.sql<{ name: string }>(
      `SELECT show_chunks('sensor_readings')::text AS name LIMIT 1`,
    );
    await segmentBy('');
    await db.sql(`SELECT decompress_chunk('${chunk?.name}')`);
    await db.sql(`SELECT compress_chunk('${chunk?.name}')`);
    await segmentBy('sensor_id');
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      check: 'columnstore',
      severity: 'info',
      actual: expect.stringContaining(chunk?.name ?? ''),
    });
    for (const statement of statementsOf(finding?.remedy ?? '')) await db.sql(statement);
  });

  test('a policy that the configuration has no key for is deleted', async () => {
    await db.sql(`ALTER MATERIALIZED VIEW sensor_hourly_agg SET (timescaledb.enable_columnstore);
      CALL add_columnstore_policy('sensor_hourly_agg', after => INTERVAL '6 days')`);
    const [finding] = (await db.verify()).filter(({ severity }) => severity !== 'info');
    expect(finding?.remedy).toMatch(/^SELECT delete_job\(\d+\);$/);
    await db.sql(finding?.remedy ?? '');
    await db.sql('ALTER MATERIALIZED VIEW sensor_hourly_agg SET (timescaledb.enable_columnstore = false)');
  });

  test('a job that was paused at its limit of failures is repaired for good', async () => {
    await alter('max_retries => 1, scheduled => false', 'sensor_readings', COMPRESSION);
    expect((await db.verify()).map(({ verdict }) => verdict).sort()).toEqual(['mismatched', 'paused']);
    expect((await repair()).left.findings).toEqual([]);
    const [job] = await db.sql(
      `SELECT scheduled, max_retries FROM timescaledb_information.jobs
       WHERE hypertable_name = 'sensor_readings' AND proc_name = '${COMPRESSION}'`,
    );
    expect(job).toEqual({ scheduled: true, max_retries: -1 });
  });

  test.each([['iso_8601'], ['sql_standard'], ['postgres_verbose']])(
    'texts of the style %s are no difference',
    async (style) => {
      await db.sql(`SET intervalstyle = ${style}`);
      await db.sql(`SELECT remove_retention_policy('sensor_hourly_agg')`);
      await db.sql(`SELECT add_retention_policy('sensor_hourly_agg', INTERVAL '1 year', schedule_interval => INTERVAL '1 day',
      initial_start => '2000-01-01 01:15:00+00')`);
      await db.sql('RESET intervalstyle');
      await alter(`max_runtime => INTERVAL '5 minutes'`, 'sensor_hourly_agg', RETENTION);
    },
  );
});

describe('a repair that would make a drop due needs the operator', () => {
  // Twelve days of readings, kept for ten: whatever lets the job run drops some.
  const plan = planWith({
    hypertables: {
      sensor_readings: { retention: { after: '10 days' }, compression: { after: '8 days' } },
    },
  });
  const ten = `config => (config - 'drop_created_before') || '{"drop_after": "10 days"}'::jsonb`;
  const byOne: [string, () => Promise<unknown>][] = [
    ['a paused job', () => alter(`${ten}, scheduled => false`, 'sensor_readings', RETENTION)],
    ['a postponed job', () => alter(`${ten}, next_start => 'infinity'`, 'sensor_readings', RETENTION)],
    [
      'a longer one',
      () => alter(`config => config || '{"drop_after": "90 days"}'::jsonb`, 'sensor_readings', RETENTION),
    ],
    [
      'one by creation time',
      async () => {
        await db.sql(`SELECT remove_retention_policy('sensor_readings')`);
        await db.sql(
          `SELECT add_retention_policy('sensor_readings', drop_created_before => INTERVAL '90 days')`,
        );
      },
    ],
    ['a removed one', () => db.sql(`SELECT remove_retention_policy('sensor_readings')`)],
  ];
  test.each(byOne)('%s', async (_, spoil) => {
    await spoil();
    const { runs, left } = await repair(WITHOUT_DELETING, plan);
    expect(runs.map(({ step }) => step.effect)).not.toContain('drop');
    const waiting = left.steps.filter(({ check }) => check === 'policies');
    expect(waiting).toMatchObject([
      { effect: 'drop', about: expect.stringMatching(/\d chunks with \d+ rows are then dropped/) },
    ]);
    for (const id of await db.jobs('sensor_readings', RETENTION)) {
      const [job] = await db.sql<{ idle: boolean }>(
        `SELECT NOT j.scheduled OR s.next_start = 'infinity' OR j.config ->> 'drop_after' = '90 days' AS idle
         FROM timescaledb_information.jobs j LEFT JOIN _timescaledb_internal.bgw_job_stat s USING (job_id)
         WHERE job_id = ${id}`,
      );
      expect(job).toEqual({ idle: true });
    }
    expect(await kept()).toEqual(before);
  });

  test('and a pause that is declared is no finding, and is put back', async () => {
    const retention = { after: '10 days', paused: true, reason: 'an inquiry' };
    const paused = planWith({
      hypertables: { sensor_readings: { retention, compression: { after: '8 days' } } },
    });
    await db.sql(`SELECT add_retention_policy('sensor_readings', INTERVAL '10 days', schedule_interval => INTERVAL '1 hour',
      initial_start => '2000-01-01 00:15:00+00', if_not_exists => true)`);
    await alter(
      `${ten}, scheduled => true, max_runtime => INTERVAL '5 minutes'`,
      'sensor_readings',
      RETENTION,
    );
    expect(await db.verify(paused)).toMatchObject([{ expected: 'paused: an inquiry', severity: 'critical' }]);
    await repair(WITHOUT_DELETING, paused);
    expect(await db.lines(paused)).toEqual([]);
    expect(await kept()).toEqual(before);
  });
});

test('a chunk that was dropped by hand and made anew: a repair leaves its history', async () => {
  const [chunk] = await db.sql<{ name: string; at: string }>(
    `SELECT format('%I.%I', chunk_schema, chunk_name) AS name, (range_start + INTERVAL '2 hours')::text AS at
     FROM timescaledb_information.chunks WHERE hypertable_name = 'sensor_readings' AND range_end <= now() - INTERVAL '1 hour'
     ORDER BY range_start DESC LIMIT 1`,
  );
  await db.sql(`DROP TABLE ${chunk?.name}`);
  await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES ('${chunk?.at}', 1, 99)`);
  const hours = async () => (await db.sql('SELECT count(*)::int AS n FROM sensor_hourly_agg'))[0];
  const all = await hours();
  await repair(REPAIR_EFFECTS);
  expect(await hours()).toEqual(all);
});
