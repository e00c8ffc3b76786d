import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { simulateCommand } from '../../../src/cli/simulate.ts';
import { runCli } from '../../support/cli.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';

let db: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  db = await openTestDatabase({ migrated: true });
  client = new pg.Client({ connectionString: db.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await db.close();
});

test('a simulated past is stored through the store, aggregated, and the same for a seed', async () => {
  const run = () =>
    runCli(
      simulateCommand,
      ['--since', '20d', '--until', '1d', '--sensors', '3', '--every', '30m', '--seed', '7', '--json'],
      {
        env: { FIELDWATCH_DATABASE_URL: db.url, NO_COLOR: '1' },
      },
    );
  const { code, out, err } = await run();
  expect({ code, err }).toMatchObject({ code: 0 });
  const { stored } = JSON.parse(out) as { stored: number };
  expect(stored).toBeGreaterThan(2000);
  const { rows } = await client.query(`SELECT (SELECT count(*)::int FROM sensor_readings) AS raw,
    (SELECT sum(readings)::int FROM sensor_daily_agg WHERE day < now() - INTERVAL '6 days') AS daily,
    (SELECT count(*)::int FROM sensor_readings WHERE time < time_bucket('1 day', now() - INTERVAL '6 days') + INTERVAL '1 day') AS due,
    (SELECT count(*)::int FROM sensor_metrics_daily_agg) > 0 AS further,
    (SELECT max(gap) > INTERVAL '1 hour' FROM (SELECT time - lag(time) OVER (PARTITION BY sensor_id ORDER BY time) AS gap FROM sensor_readings) g) AS gaps,
    (SELECT kind FROM metrics WHERE name = 'energy') AS kind`);
  expect(rows).toEqual([
    { raw: stored, daily: rows[0].due, due: expect.any(Number), further: true, gaps: true, kind: 'counter' },
  ]);
  const { rows: rhythm } =
    await client.query(`SELECT avg(value) FILTER (WHERE extract(hour FROM time) BETWEEN 10 AND 15) - avg(value) FILTER (WHERE extract(hour FROM time) BETWEEN 0 AND 4) AS apart
    FROM sensor_metrics WHERE metric_id = (SELECT id FROM metrics WHERE name = 'co2')`);
  expect(rhythm[0].apart).toBeGreaterThan(200);
}, 120_000);
