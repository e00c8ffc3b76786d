import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { findBadRows } from '../../../src/adapters/timescale/ingest/find-bad-row.ts';
import { MetricIds, type MetricNameLimits } from '../../../src/adapters/timescale/ingest/metric-ids.ts';
import type { Work } from '../../../src/adapters/timescale/connection/session.ts';
import type { ReadingStore, StorableReading } from '../../../src/ports/store.ts';
import {
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
afterAll(() => db.close());

/** Commits as the writer does: refused rows are taken out and the rest sent again. */
async function commitRest(store: ReadingStore, readings: readonly StorableReading[], retry = false) {
  let rest = [...readings];
  const refused = [];
  for (let passes = 1; ; passes++) {
    const result = await store.commit(batchOf(rest, { retry }));
    if (result.kind === 'committed') return { refused, result, passes };
    const found = [result, ...(result.others ?? [])];
    refused.push(...found.map(({ index, sqlstate }) => ({ sqlstate, reading: rest[index] })));
    const indexes = new Set(found.map(({ index }) => index));
    rest = rest.filter((_, index) => !indexes.has(index));
  }
}

describe('statement 6: one bad row in a thousand costs one row', () => {
  const bad = {
    'rssi beyond an integer': [reading(1, 5, { temperature: 20, rssi: 3e9 }), '22003'],
    'not a finite number': [reading(1, 5, { temperature: Infinity }), '22003'],
    'a time beyond all clocks': [reading(1, 2 ** 53, { temperature: 1 }), '22008'],
    'a metric name with a NUL byte': [reading(1, 5, { 'co\u00002': 1 }), '22021'],
    'a metric name with half a surrogate pair': [reading(1, 5, { 'co\ud8002': 1 }), '22021'],
    'an endless metric name': [reading(1, 5, { ['x'.repeat(300)]: 1 }), '22001'],
    'a value that is text': [reading(1, 5, { temperature: '21.5' as unknown as number }), '22003'],
    'no metric at all': [reading(1, 5, {}), '22004'],
  } as const;

  test.each(Object.entries(bad))('%s', async (_name, [row, sqlstate]) => {
    await clear(db);
    const batch = [...series(700, 100), row, ...series(299, 5000)];
    const { refused, result } = await commitRest(db.store, batch);
    expect(refused).toEqual([{ sqlstate, reading: row }]);
    expect(result).toMatchObject({ kind: 'committed', stored: 999 });
    expect(await db.rows('SELECT count(*)::int AS n FROM sensor_readings')).toEqual([{ n: 999 }]);
  });
});

describe('statement 6: rows that only the server refuses', () => {
  const constraints = ['hot', 'loud', 'odd', 'dry'];
  beforeEach(() => clear(db));
  afterEach(async () => {
    for (const name of constraints) {
      await db.rows(`ALTER TABLE sensor_readings DROP CONSTRAINT IF EXISTS ${name}`);
      await db.rows(`ALTER TABLE sensor_metrics DROP CONSTRAINT IF EXISTS ${name}`);
    }
  });
  const hot = reading(1, 5, { temperature: 2000, co2: 1 });
  const loud = reading(1, 5, { temperature: 1, noise: 2000 });
  const odd = reading(1, 5, { temperature: 13 });
  // Readings without core metrics write no line in the first COPY: lines and readings do not match one to one.
  const around = Array.from({ length: 50 }, (_, i) =>
    reading(100 + i, i, i % 3 === 0 ? { co2: i } : { humidity: i }),
  );

  test.each([
    ['sensor_readings', 'hot', 'temperature < 1000', '23514', hot, false],
    ['sensor_readings', 'hot', 'temperature < 1000', '23514', hot, true],
    ['sensor_metrics', 'loud', 'value < 1000', '23514', loud, false],
    ['sensor_metrics', 'loud', 'value < 1000', '23514', loud, true],
    ['sensor_readings', 'odd', '1 / (temperature - 13) < 1000', '22012', odd, false],
    ['sensor_readings', 'odd', '1 / (temperature - 13) < 1000', '22012', odd, true],
  ] as const)('%s, %s: all found in one pass', async (table, name, check, sqlstate, row, retry) => {
    await db.rows(`ALTER TABLE ${table} ADD CONSTRAINT ${name} CHECK (${check})`);
    const batch = [
      ...around.slice(0, 20),
      row,
      ...around.slice(20, 40),
      { ...row, sensorId: 2 },
      ...around.slice(40),
    ];
    const { refused, result, passes } = await commitRest(db.store, batch, retry);
    expect(refused).toEqual([
      { sqlstate, reading: row },
      { sqlstate, reading: { ...row, sensorId: 2 } },
    ]);
    expect(result).toMatchObject({ stored: 50 });
    expect(passes).toBe(2);
  });

  test.each([false, true])('thousands among thousands cost one pass, too (retry: %s)', async (retry) => {
    await db.rows('ALTER TABLE sensor_readings ADD CONSTRAINT hot CHECK (temperature < 1000)');
    const batch = Array.from({ length: 3000 }, (_, i) =>
      reading(1 + (i % 7), i, { temperature: i % 3 === 0 ? 20 : 2000, co2: i }),
    );
    const { refused, result, passes } = await commitRest(db.store, batch, retry);
    expect(refused).toEqual(
      batch.filter((_, i) => i % 3 !== 0).map((row) => ({ sqlstate: '23514', reading: row })),
    );
    expect(result).toMatchObject({ stored: 1000 });
    expect(passes).toBe(2);
    expect(await db.rows('SELECT count(*)::int AS n FROM sensor_readings')).toEqual([{ n: 1000 }]);
  });

  test('where none of them is stored, their chunk is made a few times, and not once for each', async () => {
    await db.rows('ALTER TABLE sensor_readings ADD CONSTRAINT hot CHECK (temperature < 1000)');
    await db.rows('ALTER TABLE sensor_metrics ADD CONSTRAINT loud CHECK (value < 1000)');
    // Taken from a sequence, so what is rolled back counts, too.
    const chunks = async () =>
      (await db.rows<{ n: number }>('SELECT last_value::int AS n FROM _timescaledb_catalog.chunk_id_seq'))[0]
        ?.n ?? 0;
    await db.store.commit(batchOf([reading(1, 0, { noise: 1 })]));
    const before = await chunks();
    const years = 40_000_000_000_000;
    const batch = Array.from({ length: 200 }, (_, i) =>
      reading(1, years + i, i % 2 === 0 ? { temperature: 2000 } : { noise: 2000 }),
    );
    const { refused, passes } = await commitRest(db.store, batch);
    expect([refused.length, passes]).toEqual([200, 2]);
    expect((await chunks()) - before).toBeLessThan(30);
  });

  test('a value that the merge would fill in, where the whole row is refused', async () => {
    await db.store.commit(batchOf([reading(1, 0, { temperature: 50 })]));
    await db.rows('ALTER TABLE sensor_readings ADD CONSTRAINT dry CHECK (temperature < humidity)');
    const batch = [reading(1, 0, { humidity: 40 }), reading(2, 0, { temperature: 1, humidity: 2 })];
    const { refused, result } = await commitRest(db.store, batch);
    expect(refused).toEqual([{ sqlstate: '23514', reading: batch[0] }]);
    expect(result).toMatchObject({ stored: 1 });
  });
});

test('statement 6: refused rows are found with the rights to add rows alone, and without temporary tables', async () => {
  await clear(db);
  await db.rows('ALTER TABLE sensor_readings ADD CONSTRAINT hot CHECK (temperature < 1000)');
  await db.store.commit(batchOf([reading(1, 0, { temperature: 20 })]));
  const client = new pg.Client({ connectionString: db.url });
  await client.connect();
  const role = 'fieldwatch_only_adds';
  try {
    await client.query(`CREATE ROLE ${role} NOSUPERUSER`);
    await client.query(`GRANT SELECT, INSERT ON sensor_readings, sensor_metrics TO ${role}`);
    await client.query(
      `DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$`,
    );
    await client.query(`SET ROLE ${role}`);
    const work = {
      query: (text: string, values?: unknown[]) => client.query(text, values),
      script: async (text: string) => [await client.query(text)].flat(),
    } as unknown as Work;
    const session = { run: <T>(run: (work: Work) => Promise<T>) => run(work) };
    // The first is stored already, the last is refused.
    const batch = [
      reading(1, 0, { temperature: 20 }),
      ...series(3, 10),
      reading(2, 0, { temperature: 2000 }),
    ];
    expect(await findBadRows(session, batch, new Map())).toMatchObject([{ index: 4, sqlstate: '23514' }]);
    expect(await findBadRows(session, batch.slice(0, 4), new Map())).toEqual([]);
  } finally {
    await client.query('RESET ROLE');
    await client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await client.end();
    await db.rows('ALTER TABLE sensor_readings DROP CONSTRAINT hot');
    await db.rows(
      `DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$`,
    );
  }
});

test('statement 6: all rows that need no server to be refused are found in one pass', async () => {
  await clear(db);
  const readings = [
    ...series(2),
    reading(1, 10, { rssi: 3e9 }),
    reading(1, 11, { [`n${'x'.repeat(300)}`]: 1, co2: 1 }),
    reading(1, 12, { temperature: NaN }),
  ];
  const refused = await db.store.commit(batchOf(readings));
  expect(refused).toMatchObject({ kind: 'row_refused', index: 2, others: [{ index: 3 }, { index: 4 }] });
});

describe('names of narrow metrics', () => {
  const dropped = (reason: string) =>
    db.metrics.scrape().get(`fieldwatch_metric_values_dropped_total{reason=${reason}}`) ?? 0;
  const limits = { max: 10_000, maxNewPerSensor: 1000, allow: ['*'] };
  const idsOf = (own: MetricNameLimits) => new MetricIds(own, () => performance.now());

  test.each([false, true])(
    'are bounded in all: values of further names are dropped and counted, readings and known names stay (retry: %s)',
    async (retry) => {
      await clear(db);
      await db.store.commit(batchOf([reading(1, 0, { known: 1 })]));
      const [{ n }] = (await db.rows('SELECT count(*)::int AS n FROM metrics')) as [{ n: number }];
      const store = db.another({ metricIds: idsOf({ ...limits, max: n }) });
      const before = dropped('limit');
      const { refused, result } = await commitRest(
        store,
        [
          reading(1, 1, { temperature: 1, brand_new: 1, other_new: 2 }),
          reading(1, 2, { known: 2, brand_new: 1 }),
          reading(1, 3, { brand_new: 1 }),
        ],
        retry,
      );
      // Nothing is left of the last one: it alone is a dead letter.
      expect(refused).toMatchObject([
        { sqlstate: '54000', reading: { metrics: new Map([['brand_new', 1]]) } },
      ]);
      expect(result).toMatchObject({ stored: 2 });
      expect(dropped('limit') - before).toBe(3);
      expect(await db.rows(`SELECT name FROM metrics WHERE name LIKE '%new'`)).toEqual([]);
    },
  );

  test('are bounded by sensor and day, so one sensor does not take the names of all', async () => {
    await clear(db);
    const store = db.another({ metricIds: idsOf({ ...limits, maxNewPerSensor: 2 }) });
    const before = dropped('sensor_rate');
    await store.commit(
      batchOf([reading(1, 0, { temperature: 1, flood_1: 1, flood_2: 1, flood_3: 1, flood_4: 1 })]),
    );
    await store.commit(batchOf([reading(2, 0, { temperature: 1, honest_1: 1 })]));
    expect(await db.rows(`SELECT name FROM metrics WHERE name ~ 'flood|honest' ORDER BY 1`)).toEqual([
      { name: 'flood_1' },
      { name: 'flood_2' },
      { name: 'honest_1' },
    ]);
    expect(dropped('sensor_rate') - before).toBe(2);
  });

  test('are bounded for all stores of a daemon together: what drains does not bring as many again', async () => {
    await clear(db);
    const metricIds = idsOf({ ...limits, maxNewPerSensor: 2 });
    const [live, drain] = [db.another({ metricIds }), db.another({ metricIds })];
    await Promise.all([
      live.commit(batchOf([reading(1, 0, { temperature: 1, live_1: 1, live_2: 1, live_3: 1 })])),
      drain.commit(batchOf([reading(1, 1, { temperature: 1, drain_1: 1, drain_2: 1, drain_3: 1 })])),
    ]);
    await drain.commit(batchOf([reading(1, 2, { temperature: 1, late_1: 1 })]));
    expect(await db.rows(`SELECT name FROM metrics WHERE name ~ 'live|drain|late'`)).toHaveLength(2);
  });

  test('may be restricted to patterns', async () => {
    const store = db.another({ metricIds: idsOf({ ...limits, allow: ['co?', 'pm*'] }) });
    await store.commit(batchOf([reading(3, 0, { temperature: 1, co2: 1, pm2_5: 1, soil: 1 })]));
    expect(
      await db.rows(`SELECT name FROM metrics WHERE name IN ('co2', 'pm2_5', 'soil') ORDER BY 1`),
    ).toEqual([{ name: 'co2' }, { name: 'pm2_5' }]);
  });

  test('a row that the server refuses is found among values that were dropped', async () => {
    await clear(db);
    await db.rows('ALTER TABLE sensor_metrics ADD CONSTRAINT odd_value CHECK (value < 1000)');
    await db.store.commit(batchOf([reading(1, 0, { known: 1 })]));
    const store = db.another({ metricIds: idsOf({ ...limits, max: 0 }) });
    const { refused, result } = await commitRest(store, [
      reading(1, 1, { known: 1, brand_new: 1 }),
      reading(1, 2, { known: 5000 }),
      reading(1, 3, { known: 1 }),
    ]);
    expect(refused).toMatchObject([{ sqlstate: '23514', reading: { metrics: new Map([['known', 5000]]) } }]);
    expect(result).toMatchObject({ stored: 2 });
    await db.rows('ALTER TABLE sensor_metrics DROP CONSTRAINT odd_value');
  });

  test('two daemons that meet the same new names at once agree on their ids', async () => {
    await clear(db);
    const names = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`shared_${i}`, i]));
    const stores = [db.another(), db.another(), db.another()];
    await Promise.all(stores.map((store, n) => store.commit(batchOf([reading(n, 7, names)]))));
    expect(await db.rows(`SELECT count(*)::int AS n FROM metrics WHERE name LIKE 'shared_%'`)).toEqual([
      { n: 200 },
    ]);
    expect(
      await db.rows('SELECT count(DISTINCT metric_id)::int AS ids, count(*)::int AS n FROM sensor_metrics'),
    ).toEqual([{ ids: 200, n: 600 }]);
  });
});

test('statement 25: text from the network never becomes SQL', async () => {
  await clear(db);
  const name = `x"; DROP TABLE sensors; --'`;
  const letter = {
    receivedAtMs: 1_767_225_600_000, topic: `a/${name}`, payload: Buffer.from(name), reason: 'parse_error', detail: name,
  }; // prettier-ignore
  await db.store.commit(batchOf([reading(1, 0, { [name]: 1 })], { deadLetters: [letter] }));
  expect(await db.rows('SELECT name FROM metrics WHERE name = $1', [name])).toEqual([{ name }]);
  expect(await db.rows('SELECT topic, detail FROM dead_letters')).toEqual([
    { topic: letter.topic, detail: name },
  ]);
  expect(await db.rows('SELECT count(*)::int AS n FROM sensors')).toEqual([{ n: 0 }]);
});
