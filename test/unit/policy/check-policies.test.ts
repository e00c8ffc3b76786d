import { describe, expect, test } from '@jest/globals';
import type { CatalogRow } from '../../../src/core/policy/catalog.ts';
import { dataLossRiskCheck } from '../../../src/core/policy/check/data-loss-risk.ts';
import { policiesCheck } from '../../../src/core/policy/check/policies.ts';
import { rightsCheck } from '../../../src/core/policy/check/rights.ts';
import { type PolicyPlan, declaredPolicies } from '../../../src/core/policy/plan.ts';
import type { CatalogSnapshot } from '../../../src/core/policy/snapshot.ts';
import { factsOf, planWith } from '../../support/policy-plan.ts';

const plan = planWith();

/** The catalog's rows where everything is as declared, one per policy. */
function rowsOf(declared: PolicyPlan = plan): Record<string, unknown>[] {
  return declaredPolicies(declared).map((policy, index) => ({
    job_id: 1000 + index,
    proc: policy.proc,
    relation: policy.relation,
    owner: 'fieldwatch',
    scheduled: true,
    fixed_schedule: true,
    every: policy.every,
    max_runtime: policy.maxRuntime,
    retry_period: policy.retryPeriod,
    checked_by: `_timescaledb_functions.${policy.proc}_check`,
    config: { ...policy.config, hypertable_id: 1 },
  }));
}

function evaluate(
  rows: readonly CatalogRow[],
  declared = plan,
  snapshot: CatalogSnapshot = factsOf(declared),
) {
  return policiesCheck.evaluate(declared, snapshot, [rows]);
}

/** The index of one policy's row, to spoil it. */
function rowOf(rows: Record<string, unknown>[], relation: string, proc: string): Record<string, unknown> {
  const row = rows.find((candidate) => candidate['relation'] === relation && candidate['proc'] === proc);
  if (row === undefined) throw new Error(`no ${proc} of ${relation}`);
  return row;
}

describe('policies as declared', () => {
  test('have no finding', () => {
    expect(evaluate(rowsOf())).toEqual([]);
  });

  test('also when PostgreSQL spells the intervals otherwise', () => {
    const rows = rowsOf();
    Object.assign(rowOf(rows, 'sensor_hourly_agg', 'policy_refresh_continuous_aggregate'), {
      every: '00:10:00',
      max_runtime: '00:00:00',
      config: { start_offset: '3 days', end_offset: '00:05:00' },
    });
    rowOf(rows, 'sensor_hourly_agg', 'policy_retention')['config'] = { drop_after: '12 mons' };
    expect(evaluate(rows)).toEqual([]);
  });
});

describe('each fault is found by name, and nothing else', () => {
  const table: [string, (rows: Record<string, unknown>[]) => unknown, object][] = [
    [
      'a removed policy',
      (rows) => rows.splice(rows.indexOf(rowOf(rows, 'sensor_readings', 'policy_retention')), 1),
      {
        subject: 'sensor_readings retention',
        verdict: 'missing',
        severity: 'critical',
        actual: 'no policy_retention job',
        remedy:
          "SELECT add_retention_policy('public.sensor_readings', drop_after => INTERVAL '90 days', schedule_interval => INTERVAL '1 hour', initial_start => '2000-01-01 00:15:00+00'); -- drops what is due: `fieldwatch policies plan --only policies` says how much",
      },
    ],
    [
      'a changed interval that deletes too early',
      (rows) => (rowOf(rows, 'sensor_readings', 'policy_retention')['config'] = { drop_after: '30 days' }),
      {
        subject: 'sensor_readings retention',
        verdict: 'mismatched',
        severity: 'critical',
        expected: 'drop_after = 90 days',
        actual: expect.stringMatching(/^drop_after = 30 days \(job \d+\)$/),
      },
    ],
    [
      'a changed interval that does not',
      (rows) =>
        (rowOf(rows, 'sensor_readings', 'policy_compression')['config'] = { compress_after: '14 days' }),
      {
        subject: 'sensor_readings compression',
        verdict: 'mismatched',
        severity: 'warning',
        expected: 'compress_after = 7 days',
      },
    ],
    [
      'a changed schedule',
      (rows) => (rowOf(rows, 'sensor_daily_agg', 'policy_refresh_continuous_aggregate')['every'] = '1 day'),
      {
        subject: 'sensor_daily_agg refresh',
        verdict: 'mismatched',
        expected: 'schedule_interval = 1 hour',
        actual: expect.stringMatching(/^schedule_interval = 1 day /),
      },
    ],
    [
      'a schedule that slips',
      (rows) => (rowOf(rows, 'sensor_metrics', 'policy_retention')['fixed_schedule'] = false),
      { subject: 'sensor_metrics retention', verdict: 'mismatched', expected: 'fixed_schedule = true' },
    ],
    [
      'a time limit on compression',
      (rows) => (rowOf(rows, 'sensor_metrics', 'policy_compression')['max_runtime'] = '00:01:00'),
      { subject: 'sensor_metrics compression', verdict: 'mismatched', expected: 'max_runtime = 0 seconds' },
    ],
    [
      'a paused job',
      (rows) =>
        (rowOf(rows, 'sensor_hourly_agg', 'policy_refresh_continuous_aggregate')['scheduled'] = false),
      {
        subject: 'sensor_hourly_agg refresh',
        verdict: 'paused',
        severity: 'critical',
        remedy: expect.stringMatching(/^SELECT alter_job\(\d+, scheduled => true\);$/),
      },
    ],
    [
      'a duplicate',
      (rows) => rows.push({ ...rowOf(rows, 'sensor_readings', 'policy_compression'), job_id: 2000 }),
      {
        subject: 'sensor_readings compression',
        verdict: 'duplicate',
        actual: expect.stringMatching(/^jobs \d+, 2000$/),
        remedy: 'SELECT delete_job(2000);',
      },
    ],
    [
      'a duplicate that differs: the one that does not is kept',
      (rows) =>
        rows.unshift({
          ...rowOf(rows, 'sensor_readings', 'policy_compression'),
          job_id: 999,
          config: { compress_after: '1 day' },
        }),
      { subject: 'sensor_readings compression', verdict: 'duplicate', remedy: 'SELECT delete_job(999);' },
    ],
    [
      'a wrong owner',
      (rows) => (rowOf(rows, 'app_metrics', 'policy_retention')['owner'] = 'postgres'),
      {
        subject: 'app_metrics retention',
        verdict: 'mismatched',
        expected: 'owner = fieldwatch',
        remedy: expect.stringMatching(
          /^SELECT delete_job\(\d+\); SELECT add_retention_policy\('public\.app_metrics'/,
        ),
      },
    ],
    [
      'wrong owners, however many, of jobs that this role may not alter',
      (rows) => rows.forEach((row) => Object.assign(row, { owner: 'postgres', manageable: false })),
      {
        subject: 'job owners',
        actual: expect.stringMatching(/^owner = postgres \(jobs (\d+(, )?)+\)$/),
        remedy: expect.stringMatching(/^as superuser: SELECT delete_job\(\d+\); /),
      },
    ],
    [
      'a duplicate that this role may not delete',
      (rows) =>
        rows.push({
          ...rowOf(rows, 'sensor_readings', 'policy_retention'),
          ...{ job_id: 2000, owner: 'postgres', manageable: false },
        }),
      { verdict: 'duplicate', remedy: 'as superuser: SELECT delete_job(2000);' },
    ],
    [
      'a policy that lost its configuration',
      (rows) =>
        Object.assign(rowOf(rows, 'dead_letters', 'policy_retention'), { config: {}, hypertable_id: 7 }),
      {
        subject: 'dead_letters retention',
        severity: 'critical',
        expected: 'drop_after = 30 days, hypertable_id = 7',
        actual: expect.stringContaining('hypertable_id = none'),
        remedy: expect.stringContaining(`config => '{"hypertable_id":7,"drop_after":"30 days"}'`),
      },
    ],
  ];

  test.each(table)('%s', (_, spoil, expected) => {
    const rows = rowsOf();
    spoil(rows);
    const findings = evaluate(rows);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ check: 'policies', ...expected });
  });
});

test('a paused job with another interval is both', () => {
  const rows = rowsOf();
  Object.assign(rowOf(rows, 'sensor_readings', 'policy_retention'), { scheduled: false, every: '1 day' });
  expect(evaluate(rows).map(({ verdict }) => verdict)).toEqual(['paused', 'mismatched']);
});

test('what is not declared is extra, and critical where it deletes', () => {
  const declared = planWith({ hypertables: { sensor_alerts: { retention: { enabled: false } } } });
  expect(evaluate(rowsOf(declared), declared)).toEqual([]);
  expect(evaluate(rowsOf(), declared)).toMatchObject([
    { subject: 'sensor_alerts retention', verdict: 'extra', severity: 'critical' },
  ]);
});

test('an owner that may not log in cannot be run by a background worker, but by the embedded engine', () => {
  const snapshot = factsOf(plan);
  const relations = new Map(snapshot.relations);
  const readings = relations.get('sensor_readings');
  if (readings === undefined) throw new Error('no facts');
  relations.set('sensor_readings', { ...readings, ownerCanLogin: false });
  const spoiled = { ...snapshot, relations };
  expect(evaluate(rowsOf(), plan, spoiled)).toEqual([]);
  expect(rightsCheck.evaluate(plan, spoiled, [])).toMatchObject([
    { subject: 'role fieldwatch', remedy: 'as superuser: ALTER ROLE fieldwatch LOGIN;' },
  ]);
  const embedded = { relations, server: { ...snapshot.server, hasWorkers: false } };
  expect([...evaluate(rowsOf(), plan, embedded), ...rightsCheck.evaluate(plan, embedded, [])]).toEqual([]);
});

test('of a relation that is not there no policy is missed', () => {
  const snapshot = factsOf(plan);
  const relations = new Map(snapshot.relations);
  relations.delete('sensor_metrics');
  const rows = rowsOf().filter((row) => row['relation'] !== 'sensor_metrics');
  expect(evaluate(rows, plan, { ...snapshot, relations })).toEqual([]);
});

describe('policies that destroy what another one keeps are one finding, and of the data_loss_risk check', () => {
  const table: [string, (rows: Record<string, unknown>[]) => unknown, object][] = [
    [
      'an open start_offset',
      (rows) => {
        const row = rowOf(rows, 'sensor_daily_agg', 'policy_refresh_continuous_aggregate');
        row['config'] = { start_offset: null, end_offset: '01:00:00' };
      },
      {
        subject: 'sensor_daily_agg refresh',
        actual: expect.stringMatching(/^an open start_offset \(job \d+\)/),
      },
    ],
    [
      'a window that reaches beyond retention',
      (rows) => {
        const row = rowOf(rows, 'sensor_hourly_agg', 'policy_refresh_continuous_aggregate');
        row['config'] = { start_offset: '90 days', end_offset: '00:05:00' };
      },
      {
        subject: 'sensor_hourly_agg refresh',
        expected: 'start_offset + 1 hour <= the 90 days that sensor_readings is kept',
      },
    ],
    [
      'a retention shorter than the window',
      (rows) => (rowOf(rows, 'sensor_readings', 'policy_retention')['config'] = { drop_after: '2 days' }),
      { subject: 'sensor_hourly_agg refresh', actual: expect.stringContaining('drop_after = 2 days') },
    ],
  ];

  test.each(table)('%s', (_, spoil, expected) => {
    const rows = rowsOf();
    expect(dataLossRiskCheck.evaluate(plan, factsOf(plan), [rows])).toEqual([]);
    spoil(rows);
    expect(evaluate(rows)).toEqual([]);
    const findings = dataLossRiskCheck.evaluate(plan, factsOf(plan), [rows]);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({
      check: 'data_loss_risk',
      verdict: 'unsafe',
      severity: 'critical',
      ...expected,
    });
  });

  test('without retention an open window is no finding', () => {
    const declared = planWith({ hypertables: { sensor_readings: { retention: { enabled: false } } } });
    const rows = rowsOf(declared);
    rowOf(rows, 'sensor_hourly_agg', 'policy_refresh_continuous_aggregate')['config'] = {
      end_offset: '00:05:00',
    };
    expect(dataLossRiskCheck.evaluate(declared, factsOf(declared), [rows])).toEqual([]);
    expect(evaluate(rows, declared)).toMatchObject([
      { verdict: 'mismatched', expected: 'start_offset = 3 days' },
    ]);
  });
});
