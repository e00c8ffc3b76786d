import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { migrate } from '../../../src/adapters/timescale/migrate/migrate.ts';
import { assess } from '../../../src/core/policy/assess.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import { catalogOf } from '../../../src/queries/policies.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { planWith } from '../../support/policy-plan.ts';

const root = join(import.meta.dirname, '../../..');
const roles = readFileSync(join(root, 'sql/roles/roles.sql'), 'utf8');

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await openTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.close();
});

/** Runs statements with the rights of a role, and of no other. */
async function as<T>(role: string, run: () => Promise<T>): Promise<T> {
  await client.query(`SET ROLE ${role}`);
  try {
    return await run();
  } finally {
    await client.query('RESET ROLE');
  }
}
const refused = (sql: string) => expect(client.query(sql)).rejects.toMatchObject({ code: '42501' });

test('the owner, who is no superuser, creates the schema and maintains the policies', async () => {
  await client.query(roles);
  await as('fieldwatch_owner', async () => {
    await migrate(client);
    await client.query(`INSERT INTO sensors (key) VALUES ('a')`);
    await client.query(`INSERT INTO sensor_readings (time, sensor_id, temperature)
      SELECT t, 1, 20 FROM generate_series(now() - INTERVAL '10 days', now(), INTERVAL '1 hour') t`);
    const { rows } = await client.query<{ id: number }>(
      'SELECT job_id AS id FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY 1',
    );
    for (const { id } of rows) await client.query(`CALL run_job(${id})`);
    await client.query(`SELECT alter_job(${rows[0]?.id}, scheduled => false)`);
    await client.query(`SELECT alter_job(${rows[0]?.id}, scheduled => true)`);
    await client.query(`SELECT drop_chunks('sensor_readings', older_than => INTERVAL '9 days')`);
    await client.query(
      `CALL refresh_continuous_aggregate('sensor_hourly_agg', now() - INTERVAL '10 days', now() - INTERVAL '1 hour')`,
    );
    await client.query(
      `CALL refresh_continuous_aggregate('sensor_daily_agg', now() - INTERVAL '10 days', now() - INTERVAL '1 day')`,
    );
    const { findings } = await assess(catalogOf(client), planWith(), CHECKS);
    expect(findings.filter(({ severity }) => severity !== 'info')).toEqual([]);
  });
});

describe.each([
  ['the grants that were run once, before there were tables', 7, undefined],
  ['the same, run again', 8, roles],
])('%s', (_, sensor, again) => {
  beforeAll(async () => {
    if (again !== undefined) await client.query(again);
  });

  test('ingest adds readings, twice the same is once, and may do nothing else', async () => {
    await as('fieldwatch_ingest', async () => {
      const insert = `INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES ('2026-01-01', ${sensor}, 1)
        ON CONFLICT (sensor_id, time) DO NOTHING`;
      expect((await client.query(insert)).rowCount).toBe(1);
      expect((await client.query(insert)).rowCount).toBe(0);
      await client.query('CREATE TEMP TABLE staging (LIKE sensor_readings) ON COMMIT DROP');
      await refused('UPDATE sensor_readings SET temperature = 2');
      await refused('DELETE FROM sensor_readings');
      await refused('SELECT * FROM sensor_alerts');
      await expect(
        client.query(`SELECT drop_chunks('sensor_readings', older_than => INTERVAL '1 day')`),
      ).rejects.toThrow(/must be owner/);
    });
  });

  test('a dashboard reads tables, aggregates and the catalog, and writes nothing', async () => {
    await as('fieldwatch_dashboard', async () => {
      for (const relation of [
        'sensor_readings',
        'sensor_hourly_agg',
        'sensor_daily_agg',
        'sensor_alerts',
        'sensors',
        'alert_outbox',
      ])
        await client.query(`SELECT * FROM ${relation} LIMIT 1`);
      await client.query('SELECT count(*) FROM timescaledb_information.chunks');
      await refused('INSERT INTO sensor_readings (time, sensor_id) VALUES (now(), 1)');
      await refused('CREATE TABLE mine (id int)');
    });
  });
});
