import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { createMetrics } from '../../../src/adapters/http/metrics.ts';
import { TimescaleAppMetricsStore } from '../../../src/adapters/timescale/policy/app-metrics-store.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';

let database: TestDatabase;
let db: pg.Client;

beforeAll(async () => {
  database = await openTestDatabase({ migrated: true });
  db = new pg.Client({ connectionString: database.url });
  // The server may say goodbye before the connection is closed.
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
