import { REPAIR_EFFECTS } from '../../../src/core/policy/check.ts';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ClosableCatalog, createCatalog } from '../../../src/adapters/timescale/policy/catalog.ts';
import { migrateDatabase } from '../../../src/adapters/timescale/migrate/migrate.ts';
import { createStatementExecutor } from '../../../src/adapters/timescale/policy/statement-executor.ts';
import { assess } from '../../../src/core/policy/assess.ts';
import { columnstoreCheck } from '../../../src/core/policy/check/columnstore.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';

import { runRepair } from '../../../src/services/policy/repair-runner.ts';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';
import { describeReal } from '../../support/server-db.ts';

describeReal('a database that another application has tables in', () => {
  const role = `reader_${randomBytes(6).toString('hex')}`;
  let db: PolicyDatabase;
  let catalog: ClosableCatalog;

  beforeAll(async () => {
    db = await openPolicyDatabase();
    await db.sql(`CREATE SCHEMA other;
      CREATE TABLE other.sensor_readings (time timestamptz NOT NULL, value int);
      SELECT create_hypertable('other.sensor_readings', 'time');
      ALTER TABLE other.sensor_readings SET (timescaledb.enable_columnstore, timescaledb.orderby = 'time');
      CREATE ROLE ${role} LOGIN PASSWORD 'only-for-this-test';
      GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
    const url = new URL(db.url);
    url.username = role;
    url.password = 'only-for-this-test';
    catalog = createCatalog({ url: url.href });
  });
  afterAll(async () => {
    await catalog.close();
    await db.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await db.close();
  });

  test('its columnstore, in a schema without USAGE, does not make ours unsupported', async () => {
    const { findings, answered } = await assess(catalog, db.plan, [columnstoreCheck]);
    expect(findings).toEqual([]);
    expect(answered).toContain('columnstore');
  });

  test('two fieldwatch in one database: what is wrong with one is found there, and repaired there alone', async () => {
    await db.sql('CREATE SCHEMA second');
    const second = { url: db.url, schema: 'second' };
    await migrateDatabase(second);
    const own = createCatalog(second);
    const executor = createStatementExecutor(second);
    const state = () =>
      db.sql(`SELECT job_id, schedule_interval, scheduled, config FROM timescaledb_information.jobs
        WHERE hypertable_schema = 'public' ORDER BY 1`);
    const before = await state();
    await db.sql(`SELECT remove_retention_policy('second.sensor_alerts')`);
    await db.sql(`SELECT alter_job(job_id, schedule_interval => INTERVAL '9 days') FROM timescaledb_information.jobs
      WHERE hypertable_schema = 'second' AND hypertable_name = 'sensor_readings'`);
    await db.sql('ALTER TABLE second.sensor_readings RENAME COLUMN humidity TO wet');
    const { findings } = await assess(own, db.plan, CHECKS);
    expect(findings.map(({ check, subject }) => `${check} ${subject}`).sort()).toEqual([
      'definitions sensor_readings',
      'policies sensor_alerts retention',
      'policies sensor_readings compression',
      'policies sensor_readings retention',
    ]);
    expect(await db.lines()).toEqual([]);
    const { left } = await runRepair({
      ...{ catalog: own, executor, plan: db.plan, checks: CHECKS, effects: REPAIR_EFFECTS },
      signal: new AbortController().signal,
    });
    expect(left.findings).toMatchObject([
      { remedy: 'ALTER TABLE second.sensor_readings RENAME COLUMN wet TO humidity' },
    ]);
    expect(await state()).toEqual(before);
    expect(await db.lines()).toEqual([]);
    await executor.close();
    await own.close();
  });
});
