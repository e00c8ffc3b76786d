import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type SQL,
  and,
  desc,
  eq,
  getTableColumns,
  getViewSelectedFields,
  gte,
  is,
  sql as drizzleSql,
} from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { PgColumn, PgTable, PgView, getTableConfig, getViewConfig } from 'drizzle-orm/pg-core';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { openMonitor } from '../../../src/index.ts';
import * as schema from '../../../src/orm/drizzle.ts';
import * as k from '../../../src/orm/kysely.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';

let db: TestDatabase;
let pool: pg.Pool;
const HOUR_MS = 3_600_000;
const start = new Date(Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 4 * HOUR_MS);
const end = new Date(start.getTime() + 3 * HOUR_MS);
beforeAll(async () => {
  db = await openTestDatabase({ migrated: true });
  pool = new pg.Pool({ connectionString: db.url, max: 1 });
  await using monitor = await openMonitor({ database: db.url });
  await monitor.registerSensor({ sensor: 'o-1', location: 'hall' });
  // Nothing in the second hour.
  for (const [minutes, temperature] of [
    [0, 10],
    [30, 20],
    [120, 30],
    [150, 50],
  ] as const)
    await monitor.recordReading({
      sensor: 'o-1',
      time: new Date(start.getTime() + minutes * 60_000),
      metrics: { temperature },
    });
});
afterAll(async () => {
  await pool.end();
  await db.close();
});

/** The columns of every table and aggregate, as the migrations make them. */
async function stored(): Promise<ReadonlyMap<string, ReadonlyMap<string, boolean>>> {
  const { rows } = await pool.query<{ relation: string; column: string; required: boolean }>(
    `SELECT c.relname AS relation, a.attname AS column, a.attnotnull AS required
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE c.relnamespace = current_schema()::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
        AND (c.relkind = 'r' OR (c.relkind = 'v' AND c.relname LIKE 'sensor_%_agg'))`,
  );
  const found = new Map<string, Map<string, boolean>>();
  for (const { relation, column, required } of rows)
    found.set(relation, (found.get(relation) ?? new Map<string, boolean>()).set(column, required));
  return found;
}
const sorted = (all: Iterable<readonly [string, Iterable<string>]>) =>
  [...all]
    .map(([name, columns]) => [name, [...columns].sort()] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));

describe('the tables are those of the schema: run scripts/orm-schema.js after a migration', () => {
  test('kysely', async () => {
    const real = sorted([...(await stored())].map(([name, columns]) => [name, columns.keys()]));
    expect(sorted(Object.entries(k.COLUMNS))).toEqual(real);
  });

  test('drizzle, with what may be null', async () => {
    const real = await stored();
    const declared = new Map<string, Map<string, boolean>>();
    for (const each of Object.values(schema)) {
      if (is(each, PgTable))
        declared.set(
          getTableConfig(each).name,
          new Map(Object.values(getTableColumns(each)).map(({ name, notNull }) => [name, notNull])),
        );
      else if (is(each, PgView)) {
        const columns = Object.values(getViewSelectedFields(each)).filter((column): column is PgColumn =>
          is(column, PgColumn),
        );
        declared.set(getViewConfig(each).name, new Map(columns.map(({ name, notNull }) => [name, notNull])));
      }
    }
    const plain = (all: ReadonlyMap<string, ReadonlyMap<string, boolean>>) =>
      sorted(
        [...all].map(([name, columns]) => [
          name,
          [...columns].map(([column, required]) => `${column} ${required}`),
        ]),
      );
    expect(plain(declared)).toEqual(plain(real));
  });
});

describe('drizzle', () => {
  const { sensorReadings, sensors } = schema;
  const orm = () => drizzle(pool, { schema });
  const bucket: SQL<Date> = schema.timeBucket('1 hour', sensorReadings.time);

  test('recent readings, joined with their sensors', async () => {
    const rows = await orm()
      .select({ time: sensorReadings.time, key: sensors.key, temperature: sensorReadings.temperature })
      .from(sensorReadings)
      .innerJoin(sensors, eq(sensors.id, sensorReadings.sensorId))
      .where(and(gte(sensorReadings.time, start), eq(sensors.location, 'hall')))
      .orderBy(desc(sensorReadings.time))
      .limit(2);
    expect(rows).toEqual([
      { time: new Date(start.getTime() + 150 * 60_000), key: 'o-1', temperature: 50 },
      { time: new Date(start.getTime() + 120 * 60_000), key: 'o-1', temperature: 30 },
    ]);
    const [sensor] = await orm().query.sensors.findMany({ with: { readings: { limit: 1 } } });
    expect(sensor?.readings).toHaveLength(1);
  });

  test('hourly statistics', async () => {
    const { temperature, time } = sensorReadings;
    const rows = await orm()
      .select({
        hour: bucket,
        first: schema.first(temperature, time),
        last: schema.last(temperature, time),
        median: schema.percentileCont(0.5, temperature),
      })
      .from(sensorReadings)
      .where(gte(time, start))
      .groupBy(bucket)
      .orderBy(bucket);
    expect(rows).toEqual([
      { hour: start, first: 10, last: 20, median: 15 },
      { hour: new Date(start.getTime() + 2 * HOUR_MS), first: 30, last: 50, median: 40 },
    ]);
  });

  test('gaps are filled', async () => {
    const hour = schema.timeBucketGapfill('1 hour', sensorReadings.time, start, end);
    const mean = drizzleSql`avg(${sensorReadings.temperature})`;
    const rows = await orm()
      .select({ hour, carried: schema.locf(mean), straight: schema.interpolate(mean) })
      .from(sensorReadings)
      .groupBy(hour)
      .orderBy(hour);
    expect(rows.map(({ carried, straight }) => [carried, straight])).toEqual([
      [15, 15],
      [15, 27.5],
      [40, 40],
    ]);
  });

  test('an INSERT keeps the uniqueness of sensor and time', async () => {
    const [sensor] = await orm().select().from(sensors).where(eq(sensors.key, 'o-1'));
    const row = { sensorId: sensor!.id, time: start, temperature: 99 };
    await orm().insert(sensorReadings).values(row).onConflictDoNothing();
    const [kept] = await orm().select().from(sensorReadings).where(eq(sensorReadings.time, start));
    expect(kept?.temperature).toBe(10);
  });

  test('policies and counts', async () => {
    const [counted] = await orm()
      .select({ rows: schema.approxRowCount('sensor_readings') })
      .from(drizzleSql`(SELECT 1) one`);
    expect(counted?.rows).toBeGreaterThanOrEqual(0);
    await orm().execute(drizzleSql`SELECT ${schema.removeRetentionPolicy('app_metrics')}`);
    await orm().execute(drizzleSql`SELECT ${schema.addRetentionPolicy('app_metrics', '30 days')}`);
    expect(() => schema.timeBucket("1 hour'; DROP", sensorReadings.time)).toThrow(RangeError);
  });
});

describe('kysely', () => {
  // The pool is closed by the test file.
  const orm = () => new Kysely<k.Database>({ dialect: new PostgresDialect({ pool }) });

  test('hourly statistics, joined with sensors', async () => {
    const rows = await orm()
      .selectFrom('sensor_readings as r')
      .innerJoin('sensors as s', 's.id', 'r.sensor_id')
      .select((eb) => [
        's.key',
        k.timeBucket('1 hour', eb.ref('r.time')).as('hour'),
        eb.fn.avg<number>('r.temperature').as('mean'),
        k.last(eb.ref('r.temperature'), eb.ref('r.time')).as('last'),
        k.percentileCont(0.5, eb.ref('r.temperature')).as('median'),
      ])
      .where('r.time', '>=', start)
      .groupBy((eb) => ['s.key', k.timeBucket('1 hour', eb.ref('r.time'))])
      .orderBy('hour')
      .execute();
    expect(rows).toEqual([
      { key: 'o-1', hour: start, mean: 15, last: 20, median: 15 },
      { key: 'o-1', hour: new Date(start.getTime() + 2 * HOUR_MS), mean: 40, last: 50, median: 40 },
    ]);
  });

  test('gaps are filled', async () => {
    const rows = await orm()
      .selectFrom('sensor_readings')
      .select((eb) => [
        k.timeBucketGapfill('1 hour', eb.ref('time'), start, end).as('hour'),
        k.locf(eb.fn.avg('temperature')).as('carried'),
        k.interpolate(eb.fn.avg('temperature')).as('straight'),
      ])
      .groupBy('hour')
      .orderBy('hour')
      .execute();
    expect(rows.map(({ carried, straight }) => [carried, straight])).toEqual([
      [15, 15],
      [15, 27.5],
      [40, 40],
    ]);
  });

  test('an INSERT keeps the uniqueness of sensor and time', async () => {
    const { id } = await orm()
      .selectFrom('sensors')
      .select('id')
      .where('key', '=', 'o-1')
      .executeTakeFirstOrThrow();
    const row = {
      sensor_id: id,
      time: start,
      temperature: 99,
      humidity: null,
      pressure: null,
      battery: null,
      rssi: null,
    };
    await orm()
      .insertInto('sensor_readings')
      .values(row)
      .onConflict((on) => on.doNothing())
      .execute();
    const kept = await orm()
      .selectFrom('sensor_readings')
      .select('temperature')
      .where('time', '=', start)
      .execute();
    expect(kept).toEqual([{ temperature: 10 }]);
  });
});
