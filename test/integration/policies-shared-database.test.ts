import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createCatalog, type ClosableCatalog } from '../../src/adapters/timescale/catalog.ts';
import { columnstoreCheck } from '../../src/core/policy/check/columnstore.ts';
import { verify } from '../../src/core/policy/verify.ts';
import { openPolicyDatabase, type PolicyDatabase } from '../support/policy-db.ts';
import { describeReal } from '../support/server-db.ts';

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
    const { findings, answered } = await verify(catalog, db.plan, [columnstoreCheck]);
    expect(findings).toEqual([]);
    expect(answered).toContain('columnstore');
  });
});
