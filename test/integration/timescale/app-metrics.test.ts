import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { createMetrics } from '../../../src/adapters/http/metrics.ts';
import { TimescaleAppMetricsStore } from '../../../src/adapters/timescale/policy/app-metrics-store.ts';
import { measureStorage } from '../../../src/adapters/timescale/policy/storage-metrics.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';

let database: TestDatabase;
let db: pg.Client;

beforeAll(async () => {
  database = await openTestDatabase({ migrated: true });
  db = new pg.Client({ connectionString: database.url });
  // The server may end the session before the connection is closed.
  db.on('error', () => undefined);
  await db.connect();
});

afterAll(async () => {
  await db?.end();
  await database?.close();
});

test('counters and gauges of the daemon become rows of app_metrics, with their labels', async () => {
  const metrics = createMetrics();
  metrics.counter('fieldwatch_things_total', 'things', ['kind']).inc(3, { kind: 'small' });
  metrics.gauge('fieldwatch_level', 'level').set(1.5);
  metrics.histogram('fieldwatch_seconds', 'seconds', [1]).observe(0.5);
  const at = new Date('2026-11-01T12:00:00Z');
  await new TimescaleAppMetricsStore(db, 'station-1').write(at.getTime(), await metrics.figures());
  const { rows } = await db.query('SELECT * FROM app_metrics ORDER BY metric_name');
  expect(rows).toEqual([
    { time: at, host: 'station-1', metric_name: 'fieldwatch_level', value: 1.5, tags: {} },
    {
      time: at,
      host: 'station-1',
      metric_name: 'fieldwatch_things_total',
      value: 3,
      tags: { kind: 'small' },
    },
  ]);
});

const names = { size: 'fieldwatch_size', free: 'fieldwatch_free' };
const figures = async (dataDir: string | undefined) => {
  const metrics = createMetrics();
  expect(await metrics.figures()).toEqual([]);
  await measureStorage({ db, metrics, dataDir, names });
  return new Map((await metrics.figures()).map(({ name, value }) => [name, value]));
};

test('the size of the database, and the room on the disk of its folder', async () => {
  const before = await figures(tmpdir());
  expect(before.get('fieldwatch_size')).toBeGreaterThan(5e6);
  expect(before.get('fieldwatch_free')).toBeGreaterThan(0);
  await db.query(`INSERT INTO app_metrics (time, host, metric_name, value)
    SELECT now() - INTERVAL '1 second' * n, 'h', 'a name of some length', n FROM generate_series(1, 50000) n`);
  const after = await figures(undefined);
  expect(after.get('fieldwatch_size')).toBeGreaterThan((before.get('fieldwatch_size') ?? 0) + 1e6);
  expect(after.has('fieldwatch_free')).toBe(false);
});
