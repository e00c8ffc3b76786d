import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { doctorCommand } from '../../../src/cli/doctor/index.ts';
import type { Diagnosis } from '../../../src/cli/doctor/report.ts';
import { runCli } from '../../support/cli.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { queryOnce } from '../../support/pg-client.ts';

let database: TestDatabase;
let env: Record<string, string>;
beforeAll(async () => {
  // On a real server its own workers run the new jobs while this looks.
  database = await openTestDatabase({ migrated: true, workers: true });
  env = {
    FIELDWATCH_DATABASE_URL: database.url,
    FIELDWATCH_HTTP_ENABLED: 'false',
    FIELDWATCH_EMBEDDED_MQTT_PORT: '9',
    FIELDWATCH_STATE_DIR: '/tmp',
  };
});
afterAll(() => database.close());

const run = (sql: string) => queryOnce(database.url, sql);

async function doctor() {
  const { code, out } = await runCli(doctorCommand, ['--json'], { env });
  return { code, ...(JSON.parse(out) as { ok: boolean; diagnoses: Diagnosis[] }) };
}

test('a healthy database has no fault; a lost policy is one, with its remedy', async () => {
  const healthy = await doctor();
  expect(healthy.diagnoses.filter(({ status }) => status === 'fault')).toEqual([]);
  expect(healthy).toMatchObject({ code: 0, ok: true });
  expect(healthy.diagnoses.map(({ area, subject }) => `${area} ${subject}`)).toEqual(
    expect.arrayContaining(['database server', 'database clock', 'schema version', 'disk state']),
  );
  await run(`SELECT remove_retention_policy('sensor_readings')`);
  const ill = await doctor();
  expect(ill).toMatchObject({ code: 1, ok: false });
  expect(ill.diagnoses.filter(({ status }) => status === 'fault')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        area: 'policies',
        subject: expect.stringContaining('sensor_readings'),
        remedy: expect.stringMatching(/\w/),
      }),
    ]),
  );
});

test('a database without the schema: that comes first', async () => {
  await run('DROP TABLE schema_migrations');
  const { code, diagnoses } = await doctor();
  expect(code).toBe(1);
  expect(diagnoses).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        area: 'schema',
        status: 'fault',
        remedy: expect.stringContaining('fieldwatch migrate'),
      }),
      expect.objectContaining({ area: 'policies', status: 'skipped' }),
    ]),
  );
});
