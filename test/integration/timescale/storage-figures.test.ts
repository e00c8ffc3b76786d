import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { createMetrics } from '../../../src/adapters/http/metrics.ts';
import { measureStorage } from '../../../src/adapters/timescale/policy/storage-metrics.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';

const names = { size: 'fieldwatch_size', free: 'fieldwatch_free' };
let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await openTestDatabase({ migrated: true });
  pool = new pg.Pool({ connectionString: database.url, max: 1 });
  pool.on('error', () => undefined);
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

const figures = async (dataDir: string | undefined) => {
  const metrics = createMetrics();
  expect(await metrics.figures()).toEqual([]);
  await measureStorage({ db: pool, metrics, dataDir, names });
  return new Map((await metrics.figures()).map(({ name, value }) => [name, value]));
};

test('the size of the database, and the room on the disk of its folder', async () => {
  const before = await figures(tmpdir());
  expect(before.get('fieldwatch_size')).toBeGreaterThan(5e6);
  expect(before.get('fieldwatch_free')).toBeGreaterThan(0);
  await pool.query(`INSERT INTO app_metrics (time, host, metric_name, value)
    SELECT now() - INTERVAL '1 second' * n, 'h', 'a name of some length', n FROM generate_series(1, 50000) n`);
  const after = await figures(undefined);
  expect(after.get('fieldwatch_size')).toBeGreaterThan((before.get('fieldwatch_size') ?? 0) + 1e6);
  expect(after.has('fieldwatch_free')).toBe(false);
});
