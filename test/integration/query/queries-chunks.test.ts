import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { pastEpisodesSql as listedAlerts } from '../../../src/queries/alert-episodes.ts';
import { alertEpisodesSql as alertEpisodes } from '../../../src/queries/alerts.ts';
import {
  anomaliesSql as anomalies,
  dailySql as daily,
  hourlySql as hourly,
  movingAverageSql as movingAverage,
} from '../../../src/queries/statistics.ts';
import { correlateSql } from '../../../src/queries/analyze/correlate.ts';
import { describeSql } from '../../../src/queries/analyze/describe.ts';
import { daysSql, gapsSql } from '../../../src/queries/analyze/missing.ts';
import { madSql, rollingSql } from '../../../src/queries/analyze/outliers.ts';
import { patternSql } from '../../../src/queries/analyze/pattern.ts';
import { sizeSql } from '../../../src/queries/analyze/size.ts';
import { bucketStatisticsSql } from '../../../src/queries/bucket-statistics.ts';
import { gapfillSql, resampleSql } from '../../../src/queries/gapfill.ts';
import { deadLettersSql as deadLetters } from '../../../src/queries/dead-letters.ts';
import {
  latestMetricSql as latestMetric,
  recentMetricSql as recentMetric,
  recentSql as recent,
} from '../../../src/queries/readings.ts';
import { locationsSql as locations, sensorsSql as sensors } from '../../../src/queries/sensors.ts';
import { hourlyTrendsSql as hourlyTrends } from '../../../src/queries/trends.ts';
import { readingsInOrderSql as readingsInOrder } from '../../../src/queries/readings-in-order.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';

const DAY_MS = 86_400_000;
const DAYS = 20;
/** Noon, so that six hours on either side are in one chunk. */
const NOON = Math.floor(Date.now() / DAY_MS) * DAY_MS - DAY_MS / 2;

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await openTestDatabase({ migrated: true });
  client = new pg.Client({ connectionString: database.url });
  client.on('error', () => {});
  await client.connect();
  await client.query(
    `INSERT INTO sensors (id, key, location) SELECT i, 's' || i, 'here' FROM generate_series(1, 5) i`,
  );
  await client.query(`INSERT INTO metrics (id, name) VALUES (1, 'co2')`);
  // One chunk a day in each of the tables that have chunks of a day.
  const days = `generate_series(0, ${DAYS - 1}) d, generate_series(1, 5) i`;
  const time = `$1::timestamptz - d * INTERVAL '1 day' - i * INTERVAL '1 minute'`;
  const noon = [new Date(NOON)];
  await client.query(
    `INSERT INTO sensor_readings (time, sensor_id, temperature) SELECT ${time}, i, i FROM ${days}`,
    noon,
  );
  await client.query(
    `INSERT INTO sensor_metrics (time, sensor_id, metric_id, value) SELECT ${time}, i, 1, i FROM ${days}`,
    noon,
  );
  await client.query(
    `INSERT INTO dead_letters (received_at, topic, payload, reason) SELECT ${time}, 't', '', 'r' FROM ${days}`,
    noon,
  );
  await client.query(
    `INSERT INTO sensor_alerts (time, sensor_id, alert_type) SELECT ${time}, i, 't' FROM ${days}`,
    noon,
  );
});
afterAll(async () => {
  await client.end();
  await database.close();
});

interface Plan {
  readonly 'Relation Name'?: string;
  readonly 'Actual Loops'?: number;
  readonly Plans?: readonly Plan[];
}

/** Chunks that the executed plan has read from. */
function chunksOf(plan: Plan): Set<string> {
  const name = plan['Relation Name'];
  const own =
    name !== undefined && /^_hyper_\d+_\d+_chunk$/.test(name) && (plan['Actual Loops'] ?? 0) > 0
      ? [name]
      : [];
  return new Set([...own, ...(plan.Plans ?? []).flatMap((child) => [...chunksOf(child)])]);
}

async function chunksRead(text: string, values: unknown[]): Promise<number> {
  const { rows } = await client.query<{ 'QUERY PLAN': readonly { Plan: Plan }[] }>(
    `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
    values,
  );
  return chunksOf(rows[0]?.['QUERY PLAN'][0]?.Plan ?? {}).size;
}

const FROM = new Date(NOON - 6 * 3_600_000);
const TO = new Date(NOON + 3_600_000);
const TEN = { unit: 'ms', count: 600_000 } as const;
const DAY = { unit: 'days', count: 1 } as const;
const metric = (name: string, ...more: unknown[]) => [name, FROM, TO, null, null, ...more];

test.each<[string, string, unknown[]]>([
  ['recent', recent, [FROM, TO, null, null, 100]],
  ['recent metric', recentMetric, metric('temperature', 100)],
  ['recent metric, narrow', recentMetric, metric('co2', 100)],
  ['latest metric', latestMetric, ['co2', FROM, null, null, 100]],
  ['hourly', hourly, metric('temperature', 100)],
  ['hourly trends', hourlyTrends, [1, FROM, TO, null]],
  ['daily', daily, metric('temperature', 100)],
  ['gapfill', gapfillSql(TEN), metric('temperature', '10 minutes', 'UTC', 100)],
  ['resample', resampleSql(DAY, 'median', 'linear'), metric('co2', '1 day', 'Europe/Berlin', 100)],
  [
    'statistics of hours',
    bucketStatisticsSql(DAY, 'hours'),
    metric('temperature', '1 day', 'Europe/Berlin', 100),
  ],
  ['statistics of readings', bucketStatisticsSql(TEN, 'readings'), metric('co2', '10 minutes', 'UTC', 100)],
  ['describe', describeSql(true), [null, FROM, TO, null, null]],
  ['correlate', correlateSql('sensors', TEN, 'spearman'), [null, FROM, TO, null, null, '10 minutes', 'UTC']],
  ['pattern', patternSql('week', false), metric('temperature', 'Europe/Berlin')],
  ['gaps', gapsSql, [null, FROM, TO, null, null, 3]],
  ['days', daysSql, [null, FROM, TO, null, null, 'UTC']],
  ['rolling outliers', rollingSql, metric('temperature', 3, 2, 100, '10 minutes', FROM)],
  ['MAD outliers', madSql, metric('co2', 3, 2, 100)],
  ['size', sizeSql, [FROM, TO, null, null, 100]],
  ['moving average', movingAverage, metric('temperature', '10 minutes', FROM, 100)],
  ['anomalies', anomalies, metric('temperature', 3, 2, 100)],
  ['locations', locations, metric('temperature', 100)],
  ['sensors', sensors, [FROM, null, null, null, null, 100]],
  ['readings in order', readingsInOrder, [FROM, TO, null, 100]],
  ['alert episodes', alertEpisodes, [FROM, TO, null, null, 100]],
  ['alerts', listedAlerts, [...Array<null>(11).fill(null), 100, FROM, TO, true]],
  ['dead letters', deadLetters, [FROM, TO, null, null, 100]],
])('%s reads the chunks of its range only', async (_, text, values) => {
  const count = await chunksRead(text, values);
  expect(count).toBeGreaterThan(0);
  // The day itself in one table; with alerts by the week, or a table of each kind, two.
  expect(count).toBeLessThanOrEqual(2);
});

test('the measure itself: a range of all days reads a chunk a day', async () => {
  const all = await chunksRead(recent, [new Date(NOON - DAYS * DAY_MS), TO, null, null, 100]);
  expect(all).toBeGreaterThanOrEqual(DAYS - 1);
});
