import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { StorableReading } from '../../../src/ports/store.ts';
import {
  START_US,
  type StoreFixture,
  batchOf,
  clear,
  openStore,
  reading,
  series,
} from '../../support/store-fixtures.ts';

let db: StoreFixture;
beforeAll(async () => {
  db = await openStore();
});
beforeEach(() => clear(db));
afterAll(() => db.close());

const outcome = (stored: number, duplicate = 0, merged = 0, conflict = 0) => ({
  kind: 'committed', stored, duplicate, merged, conflict,
}); // prettier-ignore
const commit = (readings: readonly StorableReading[], retry = false) =>
  db.store.commit(batchOf(readings, { retry }));

const readings = () =>
  db.rows(`SELECT (extract(epoch FROM time) * 1000000)::int8 - ${START_US} AS us, sensor_id, temperature, humidity,
    pressure, battery, rssi FROM sensor_readings ORDER BY sensor_id, time`);
const narrow = () =>
  db.rows(`SELECT r.sensor_id, m.name, r.value FROM sensor_metrics r JOIN metrics m ON m.id = r.metric_id
    ORDER BY r.sensor_id, m.name`);

describe('a batch that is new', () => {
  test('every column arrives, to the microsecond; rssi is rounded; other metrics go to the narrow table', async () => {
    const all = { temperature: 21.25, humidity: 40, pressure: 1013.5, battery: 99, rssi: -70.4 };
    const batch = [
      reading(1, 123_456, all),
      reading(2, 1, { co2: 412, temperature: -1 }),
      reading(3, 2, { noise: 61.5 }),
    ];
    expect(await commit(batch)).toEqual(outcome(3));
    expect((await readings()).map((row) => ({ ...row, us: Number(row['us']) }))).toEqual([
      { us: 123_456, sensor_id: 1, ...all, rssi: -70 },
      { us: 1, sensor_id: 2, temperature: -1, humidity: null, pressure: null, battery: null, rssi: null },
    ]);
    expect(await narrow()).toEqual([
      { sensor_id: 2, name: 'co2', value: 412 },
      { sensor_id: 3, name: 'noise', value: 61.5 },
    ]);
  });

  test('ten thousand rows over several chunks, in one transaction', async () => {
    const batch = Array.from({ length: 10_000 }, (_, i) =>
      reading(i % 100, i * 30_000_000, { temperature: i }),
    );
    expect(await commit(batch)).toEqual(outcome(10_000));
    expect(await db.rows('SELECT count(*)::int AS n, sum(temperature) AS sum FROM sensor_readings')).toEqual([
      { n: 10_000, sum: 49_995_000 },
    ]);
  });

  test('a batch of several parts of which the last reading is stored already, with narrow metrics', async () => {
    const batch = Array.from({ length: 3500 }, (_, i) =>
      reading(i % 100, i * 30_000_000, { temperature: i, co2: 400 + i }),
    );
    await commit(batch.slice(-1));
    expect(await commit(batch)).toEqual(outcome(3499, 1));
    expect(await db.rows('SELECT count(*)::int AS n, sum(temperature) AS sum FROM sensor_readings')).toEqual([
      { n: 3500, sum: 6_123_250 },
    ]);
    expect(await db.rows('SELECT count(*)::int AS n, sum(value) AS sum FROM sensor_metrics')).toEqual([
      { n: 3500, sum: 7_523_250 },
    ]);
  });

  test('nothing at all is committed too', async () => {
    expect(await commit([])).toEqual(outcome(0));
    expect(await commit([], true)).toEqual(outcome(0));
  });

  test('batches of one caller go one after the other, also when it does not wait', async () => {
    const results = await Promise.all([1, 2, 3, 4].map((n) => commit(series(50, n * 100))));
    expect(results).toEqual(results.map(() => outcome(50)));
  });
});

describe('statement 5: what is stored already', () => {
  const first = [
    reading(1, 0, { temperature: 20, humidity: 50 }),
    reading(2, 0, { temperature: 5, co2: 400 }),
  ];

  test.each([
    ['the same batch again', first, outcome(0, 2)],
    ['a metric that was missing', [reading(1, 0, { battery: 90 })], outcome(0, 0, 1)],
    ['a part of it, and one more', [reading(1, 0, { temperature: 20, battery: 90 })], outcome(0, 0, 1)],
    ['a part of it', [reading(1, 0, { temperature: 20 })], outcome(0, 1)],
    ['another value', [reading(1, 0, { temperature: 21 })], outcome(0, 0, 0, 1)],
    ['another value beside a missing metric', [reading(1, 0, { temperature: 21, battery: 90 })], outcome(0, 0, 0, 1)],
    ['a narrow metric again', [reading(2, 0, { co2: 400, temperature: 5 })], outcome(0, 1)],
    ['another narrow value', [reading(2, 0, { co2: 401, temperature: 5 })], outcome(0, 0, 0, 1)],
    ['one more narrow metric', [reading(2, 0, { temperature: 5, co2: 400, voc: 3 })], outcome(0, 0, 1)],
    ['new, identical, filled in and contradicting together',
      [reading(9, 0, { temperature: 1 }), ...first.slice(1), reading(1, 0, { rssi: -60 }), reading(1, 0, { humidity: 51 })],
      outcome(1, 1, 1, 1)],
  ])('%s', async (_name, batch, expected) => {
    await commit(first);
    expect(await commit(batch)).toEqual(expected);
    expect(await commit(batch)).toMatchObject({ stored: 0, merged: 0 });
  }); // prettier-ignore

  test('the first value stays, and what was missing is filled in', async () => {
    await commit(first);
    await commit([reading(1, 0, { temperature: 99, pressure: 1000 }), reading(2, 0, { co2: 999 })]);
    expect(await readings()).toMatchObject([
      { sensor_id: 1, temperature: 20, humidity: 50, pressure: 1000, battery: null },
      { sensor_id: 2, temperature: 5 },
    ]);
    expect(await narrow()).toEqual([{ sensor_id: 2, name: 'co2', value: 400 }]);
  });

  test('rounding is not a contradiction: rssi comes again with its fraction', async () => {
    expect(await commit([reading(1, 0, { rssi: -70.4 })])).toEqual(outcome(1));
    expect(await commit([reading(1, 0, { rssi: -70.4 })])).toEqual(outcome(0, 1));
  });

  test('a retry goes straight to the merge and counts the same', async () => {
    expect(await commit(series(100), true)).toEqual(outcome(100));
    expect(await commit(series(150), true)).toEqual(outcome(50, 100));
    const paths = [...db.metrics.values].filter(([name]) =>
      name.startsWith('fieldwatch_store_batches_total'),
    );
    expect(new Map(paths).get('fieldwatch_store_batches_total{path=merge}')).toBeGreaterThanOrEqual(2);
  });
});

describe('duplicates within one batch', () => {
  test('the first counts as stored, the rest by what they bring', async () => {
    const batch = [
      reading(1, 0, { temperature: 1 }),
      reading(1, 0, { temperature: 1 }),
      reading(1, 0, { temperature: 1, humidity: 2 }),
      reading(1, 0, { humidity: 3 }),
      reading(2, 0, { co2: 1 }),
      reading(2, 0, { co2: 1 }),
      reading(2, 0, { co2: 2 }),
    ];
    expect(await commit(batch)).toEqual(outcome(2, 2, 1, 2));
    expect(await readings()).toMatchObject([{ sensor_id: 1, temperature: 1, humidity: 2 }]);
    expect(await narrow()).toEqual([{ sensor_id: 2, name: 'co2', value: 1 }]);
  });

  test('every message delivered twice in one batch: exact counts', async () => {
    const twice = series(500).flatMap((one) => [one, one]);
    expect(await commit(twice)).toEqual(outcome(500, 500));
    expect(await db.rows('SELECT count(*)::int AS n FROM sensor_readings')).toEqual([{ n: 500 }]);
  });
});
