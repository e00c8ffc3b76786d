import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { EXPECTED_SCHEMA } from '../../../src/core/policy/schema/expected-schema.ts';
import { decodeSchema, describeSchema, schemaQueries } from '../../../src/core/policy/schema/schema.ts';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';

let db: PolicyDatabase;
beforeAll(async () => {
  db = await openPolicyDatabase();
});
afterAll(() => db.close());

test('a migrated database is as declared by default: sql/ and the configuration agree', async () => {
  expect(await db.verify()).toEqual([]);
});

test('what PostgreSQL says of it is what is expected of it: `npm run sql:expected` after a migration', async () => {
  const names = Object.keys(EXPECTED_SCHEMA.relations);
  const tables = await db.sql<{ name: string }>(
    `SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
     UNION ALL SELECT view_name::text FROM timescaledb_information.continuous_aggregates`,
  );
  expect(tables.map(({ name }) => name).sort()).toEqual([...names].sort());
  const answers = [];
  // A transaction each: they set the search_path.
  for (const { text, values } of schemaQueries('public', names))
    answers.push(await db.sql(text, [...(values ?? [])]));
  const migrations = (await db.sql('SELECT FROM schema_migrations')).length;
  expect(describeSchema(migrations, 'public', decodeSchema(answers))).toEqual(EXPECTED_SCHEMA);
});

describe('each change of a policy is reported by name, and nothing else', () => {
  let restore: (() => Promise<unknown>) | undefined;
  afterEach(async () => {
    await restore?.();
    restore = undefined;
  });
  // Each test lists all findings: what the one before it has left would be among them.
  afterAll(async () => expect(await db.verify()).toEqual([]));

  test('removed', async () => {
    await db.sql(`SELECT remove_retention_policy('sensor_hourly_agg')`);
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      check: 'policies',
      subject: 'sensor_hourly_agg retention',
      verdict: 'missing',
      actual: 'no policy_retention job',
    });
    restore = () => db.sql(finding?.remedy ?? '');
  });

  test('another interval', async () => {
    const [id] = await db.jobs('sensor_readings', 'policy_compression');
    await db.sql(
      `SELECT alter_job(job_id, config => config || '{"compress_after": "14 days"}'::jsonb)
       FROM timescaledb_information.jobs WHERE job_id = ${id}`,
    );
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      subject: 'sensor_readings compression',
      verdict: 'mismatched',
      expected: 'compress_after = 7 days',
      actual: `compress_after = 14 days (job ${id})`,
    });
    restore = () => db.sql(finding?.remedy ?? '');
  });

  test('another schedule', async () => {
    const [id] = await db.jobs('sensor_daily_agg', 'policy_refresh_continuous_aggregate');
    await db.sql(`SELECT alter_job(${id}, schedule_interval => INTERVAL '2 hours')`);
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      subject: 'sensor_daily_agg refresh',
      verdict: 'mismatched',
      expected: 'schedule_interval = 1 hour',
      actual: `schedule_interval = 2 hours (job ${id})`,
    });
    restore = () => db.sql(finding?.remedy ?? '');
  });

  test('paused', async () => {
    const [id] = await db.jobs('sensor_metrics', 'policy_retention');
    await db.sql(`SELECT alter_job(${id}, scheduled => false)`);
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ subject: 'sensor_metrics retention', verdict: 'paused' });
    restore = () => db.sql(finding?.remedy ?? '');
  });

  test('a duplicate through add_job(), which the view shows without its hypertable', async () => {
    const [id] = await db.jobs('sensor_readings', 'policy_compression');
    await db.sql(
      `SELECT add_job('_timescaledb_functions.policy_compression', '1 hour', config =>
        (SELECT config FROM timescaledb_information.jobs WHERE job_id = ${id}))`,
    );
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ subject: 'sensor_readings compression', verdict: 'duplicate' });
    restore = () => db.sql(finding?.remedy ?? '');
  });

  test('a second refresh policy on one aggregate', async () => {
    await db.sql(
      `SELECT add_continuous_aggregate_policy('sensor_hourly_agg', start_offset => INTERVAL '30 days',
        end_offset => INTERVAL '5 days', schedule_interval => INTERVAL '1 day')`,
    );
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ subject: 'sensor_hourly_agg refresh', verdict: 'duplicate' });
    restore = () => db.sql(finding?.remedy ?? '');
  });
});
