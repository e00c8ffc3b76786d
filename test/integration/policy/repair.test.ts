import { REPAIR_EFFECTS, type RepairEffect } from '../../../src/core/policy/check.ts';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createPreparedCatalog } from '../../support/prepared-catalog.ts';
import { createStatementExecutor } from '../../../src/adapters/timescale/policy/statement-executor.ts';
import { assess } from '../../../src/core/policy/assess.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import { planSteps } from '../../../src/core/policy/repair/repair-plan.ts';
import { runRepair } from '../../../src/services/policy/repair-runner.ts';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';

let db: PolicyDatabase;
let close: () => Promise<void>;
let repair: (effects?: readonly RepairEffect[], only?: readonly string[]) => ReturnType<typeof runRepair>;
let steps: () => Promise<string[]>;

beforeAll(async () => {
  db = await openPolicyDatabase();
  const catalog = createPreparedCatalog({ url: db.url });
  const executor = createStatementExecutor({ url: db.url });
  const { plan } = db;
  repair = (effects = REPAIR_EFFECTS, only = []) =>
    runRepair({
      catalog,
      executor,
      plan,
      checks: CHECKS,
      effects,
      only,
      signal: new AbortController().signal,
    });
  steps = async () => {
    const { steps } = await planSteps(catalog, plan, await assess(catalog, plan, CHECKS));
    return steps.map(({ sql }) => sql);
  };
  close = async () => {
    await executor.close();
    await catalog.close();
    await db.close();
  };
  await db.sql(`INSERT INTO sensors (key) SELECT 's' || g FROM generate_series(1, 4) g`);
  await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature) SELECT t, s, s
    FROM generate_series(now() - INTERVAL '30 days', now(), INTERVAL '10 minutes') t, generate_series(1, 4) s`);
});
afterAll(() => close());

const hours = async (): Promise<number> =>
  (await db.sql<{ n: number }>('SELECT count(*)::int AS n FROM sensor_hourly_agg'))[0]?.n ?? 0;

test('history that was there before its aggregates: refreshed in slices, then compressed', async () => {
  const result = await repair();
  expect(result.runs.filter(({ error }) => error !== undefined)).toEqual([]);
  expect(result.left.findings).toEqual([]);
  expect(await hours()).toBeGreaterThan(4 * 24 * 29);
  const effects = result.runs.map(({ step }) => step.effect);
  expect(effects.filter((effect) => effect === 'refresh').length).toBeGreaterThan(5);
  expect(result.runs.find(({ step }) => step.effect === 'compress')?.done).toBeGreaterThan(20);
  expect(await steps()).toEqual([]);
});

describe('each sabotage is repaired, and nothing is left', () => {
  const jobs = (change: string, where: string) =>
    db.sql(`SELECT alter_job(job_id, ${change}) FROM timescaledb_information.jobs WHERE ${where}`);
  /** Rows of ten days ago, in a compressed chunk, whose hour and day are aggregated anew: only the chunk is left to repair. */
  const uncompressedLateRow = async () => {
    await db.sql(
      `INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES (now() - INTERVAL '10 days', 1, 7)`,
    );
    for (const view of ['sensor_hourly_agg', 'sensor_daily_agg']) {
      await db.sql(
        `CALL refresh_continuous_aggregate('${view}', now() - INTERVAL '12 days', now() - INTERVAL '8 days')`,
      );
    }
  };

  const byOne: [string, () => Promise<unknown>, string[], RepairEffect[]][] = [
    [
      'removed',
      () => db.sql(`SELECT remove_retention_policy('sensor_alerts')`),
      ['policies | sensor_alerts retention | missing'],
      ['settings'],
    ],
    [
      'paused',
      () => jobs('scheduled => false', `hypertable_name = 'sensor_daily_agg'`),
      ['policies | sensor_daily_agg refresh | paused', 'policies | sensor_daily_agg retention | paused'],
      ['settings', 'settings'],
    ],
    [
      'changed',
      () => jobs(`schedule_interval => INTERVAL '3 days'`, `hypertable_name = 'app_metrics'`),
      ['policies | app_metrics compression | mismatched', 'policies | app_metrics retention | mismatched'],
      ['settings', 'settings'],
    ],
    [
      'duplicated',
      () =>
        db.sql(`SELECT add_job('_timescaledb_functions.policy_retention', '1 hour', config => config)
          FROM timescaledb_information.jobs WHERE hypertable_name = 'dead_letters'`),
      ['policies | dead_letters retention | duplicate'],
      ['settings'],
    ],
    [
      'of another owner',
      () => db.giveAway('sensor_alerts'),
      ['policies | sensor_alerts retention | mismatched'],
      ['settings', 'settings'],
    ],
    [
      'an open start_offset',
      () =>
        jobs(
          `config => config || '{"start_offset": null}'::jsonb`,
          `hypertable_name = 'sensor_hourly_agg' AND config ? 'start_offset'`,
        ),
      ['data_loss_risk | sensor_hourly_agg refresh | unsafe'],
      ['settings', 'settings'],
    ],
    [
      'a retention shorter than the refresh window',
      () =>
        jobs(
          `config => config || '{"drop_after": "2 days"}'::jsonb`,
          `hypertable_name = 'sensor_readings' AND config ? 'drop_after'`,
        ),
      ['data_loss_risk | sensor_hourly_agg refresh | unsafe'],
      ['settings', 'settings'],
    ],
    [
      'an uncompressed chunk',
      () =>
        db.sql(`SELECT decompress_chunk(c) FROM show_chunks('sensor_readings', older_than => INTERVAL '20 days',
          newer_than => INTERVAL '22 days') c`),
      ['compression | sensor_readings compression | lagging'],
      ['compress'],
    ],
    [
      'uncompressed late rows of a compressed chunk',
      uncompressedLateRow,
      ['compression | sensor_readings compression | lagging'],
      ['compress'],
    ],
    [
      'a chunk past its retention',
      () =>
        db.sql(
          `INSERT INTO dead_letters (received_at, topic, payload, reason) VALUES (now() - INTERVAL '40 days', 't', '', 'r')`,
        ),
      ['retention | dead_letters retention | lagging'],
      ['drop'],
    ],
    [
      'another chunk interval',
      () => db.sql(`SELECT set_chunk_time_interval('app_metrics', INTERVAL '7 days')`),
      ['chunks | app_metrics | mismatched'],
      ['settings'],
    ],
    [
      'another segmentation',
      () => db.sql(`ALTER TABLE app_metrics SET (timescaledb.segmentby = 'host')`),
      ['columnstore | app_metrics | mismatched'],
      ['settings'],
    ],
  ];
  test.each(byOne)('%s', async (_, spoil, findings, effects) => {
    await spoil();
    expect((await db.lines()).sort()).toEqual(findings);
    const result = await repair();
    expect(result.runs.map(({ step, error }) => error ?? step.effect)).toEqual(effects);
    expect(result.left.findings).toEqual([]);
  });

  test('late rows: their hours, and then their days', async () => {
    await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature)
      VALUES (now() - INTERVAL '12 days', 2, 100), (now() - INTERVAL '5 days 1 hour', 3, 100)`);
    const result = await repair();
    expect(result.runs.map(({ step }) => step.effect)).toContain('compress');
    expect(result.left.findings).toEqual([]);
    const days = await db.sql<{ max: number }>(
      'SELECT max(max_temp) FROM sensor_daily_agg WHERE sensor_id IN (2, 3) GROUP BY day ORDER BY 1 DESC LIMIT 2',
    );
    expect(days.map(({ max }) => max)).toEqual([100, 100]);
  });

  test('a wrong bucket', async () => {
    const [hypertable] = await db.sql<{ name: string }>(
      `SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) AS name
       FROM timescaledb_information.continuous_aggregates WHERE view_name = 'sensor_hourly_agg'`,
    );
    const spoiled = `sensor_id = 1 AND hour = time_bucket('1 hour', now() - INTERVAL '20 hours')`;
    await db.sql(`UPDATE ${hypertable?.name} SET readings = 5 WHERE ${spoiled}`);
    expect(await db.lines()).toEqual(['audit | sensor_hourly_agg | mismatched']);
    expect((await repair()).left.findings).toEqual([]);
    expect(await db.sql(`SELECT readings FROM sensor_hourly_agg WHERE ${spoiled}`)).toEqual([
      { readings: '6' },
    ]);
  });
});

test('what fails until a later step is done is no failure', async () => {
  for (const row of await db.sql<{ chunk: string }>(`SELECT show_chunks('app_metrics')::text AS chunk`))
    await db.sql(`SELECT decompress_chunk('${row.chunk}', true)`);
  await db.sql(`CALL remove_columnstore_policy('app_metrics')`);
  await db.sql(`ALTER TABLE app_metrics SET (timescaledb.enable_columnstore = false)`);
  const { runs, left } = await repair(['settings']);
  expect(runs.filter(({ error }) => error !== undefined)).toEqual([]);
  expect(runs.map(({ step }) => step.about)).toContain('create app_metrics compression');
  expect(left.findings).toEqual([]);
});

test('a chunk past its retention is dropped only where deleting is allowed', async () => {
  await db.sql(
    `INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES (now() - INTERVAL '92 days', 1, 1)`,
  );
  const held = await repair(['settings', 'refresh', 'compress']);
  expect(held.runs).toEqual([]);
  expect(held.left.steps.map(({ effect }) => effect)).toEqual(['drop']);
  const dropped = await repair();
  expect(dropped.runs.map(({ done }) => done)).toEqual([1]);
  expect(await db.lines()).toEqual([]);
});

test('nothing is refreshed where the source was dropped: the history of a hole survives every repair', async () => {
  const before = await hours();
  // A day in the middle was dropped by hand, and late rows came on both sides of it.
  await db.sql(
    `SELECT drop_chunks('sensor_readings', older_than => now() - INTERVAL '15 days', newer_than => now() - INTERVAL '18 days')`,
  );
  await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature) SELECT now() - INTERVAL '1 day' * d, 1, 50
    FROM generate_series(13, 22, 3) d`);
  const result = await repair();
  expect(result.runs.filter(({ error }) => error !== undefined)).toEqual([]);
  expect(result.runs.length).toBeGreaterThan(1);
  expect(await hours()).toBeGreaterThanOrEqual(before);
  // The row that came into the hole cannot be aggregated without deleting what is there: said, and left.
  expect(result.left.findings).toMatchObject([
    { check: 'late', subject: 'sensor_hourly_agg refresh' },
    { check: 'gaps', subject: 'sensor_readings' },
  ]);
  expect(result.left.steps).toEqual([]);
  const fifty = await db.sql(`SELECT 1 FROM sensor_hourly_agg WHERE max_temp = 50`);
  expect(fifty).toHaveLength(3);
  await db.sql(
    `DELETE FROM sensor_readings WHERE time BETWEEN now() - INTERVAL '17 days' AND now() - INTERVAL '15 days'`,
  );
  await repair(['compress']);
  expect(await db.lines()).toEqual(['gaps | sensor_readings | missing']);
});

test('what needs the operator is refused, with what to do', async () => {
  await db.sql('DROP INDEX dead_letters_key');
  await db.sql(`SELECT add_retention_policy('sensors_extra', INTERVAL '1 day')`).catch(() => undefined);
  const result = await repair();
  expect(result.runs).toEqual([]);
  expect(result.left.refused).toMatchObject([
    { check: 'definitions', subject: 'dead_letters' },
    { check: 'gaps', subject: 'sensor_readings' },
  ]);
});
