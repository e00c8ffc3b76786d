import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import {
  CHUNKS,
  type ChunkCounts,
  addForeignTrigger,
  makeManyChunks,
  manyChunksPlan,
} from '../../../bench/many-chunks.ts';
import { type ClosableCatalog, createCatalog } from '../../../src/adapters/timescale/policy/catalog.ts';
import { assess } from '../../../src/core/policy/assess.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import { trialWrite } from '../../../src/core/policy/trial-write.ts';
import { isNightly } from '../../support/rounds.ts';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';

const PATIENCE_MS = 300_000;
const plan = manyChunksPlan();
/** A refresh window of three days, and the rest of one: what has to be read, whatever else there is. */
const MOST_PLANNED = 100;
const NEW_CHUNKS = 24;
/** Several times what may be planned, and in the nightly run as many as are allowed. */
const COUNTS: ChunkCounts = isNightly ? CHUNKS : { sensor_readings: 450, sensor_metrics: 300 };
const ALL_CHUNKS = COUNTS.sensor_readings + COUNTS.sensor_metrics;
/** Rows of all nodes of a plan, for each chunk: what grows faster than the number of chunks has some thousand. */
const MOST_ROWS_PER_CHUNK = 250;
/** For the newest chunk, and whatever else a search of the newest row names. */
const MOST_LOCKS = 100;

let db: PolicyDatabase;
let catalog: ClosableCatalog;
beforeAll(async () => {
  db = await openPolicyDatabase();
  catalog = createCatalog({ url: db.url });
  await makeManyChunks((text, values) => db.sql(text, values), COUNTS);
}, PATIENCE_MS);
afterAll(async () => {
  await catalog.close();
  await db.close();
});

interface Asked {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** What a verification found, and what it asked. */
async function verified() {
  const asked: Asked[] = [];
  const recording = {
    select: (text: string, values: readonly unknown[] = []) => {
      asked.push({ text, values });
      return catalog.select(text, values);
    },
  };
  const { findings } = await assess(recording, plan, CHECKS);
  const faults = findings.filter(({ severity }) => severity !== 'info');
  return { faults, asked };
}

interface Plan {
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows'?: number;
  readonly 'Actual Loops'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Join Filter'?: number;
  readonly Plans?: readonly Plan[];
}
const chunksIn = ({ 'Relation Name': name, Plans = [] }: Plan): string[] => [
  ...(name !== undefined && /^_hyper_\d+_\d+_chunk$/.test(name) ? [name] : []),
  ...Plans.flatMap(chunksIn),
];

test(
  'many chunks, most of them compressed, are verified without planning them: few questions, each about few of them',
  async () => {
    await verified();
    const { faults, asked } = await verified();
    expect(faults).toEqual([]);
    expect(asked.length).toBeLessThan(2 * CHECKS.length);
    for (const { text, values } of asked) {
      const [row] = await db.sql<{ 'QUERY PLAN': readonly { Plan: Plan }[] }>(
        `EXPLAIN (FORMAT JSON) ${text}`,
        [...values],
      );
      const planned = new Set(chunksIn(row?.['QUERY PLAN'][0]?.Plan ?? {}));
      expect({ text, chunks: planned.size > MOST_PLANNED ? planned.size : 'few' }).toEqual({
        text,
        chunks: 'few',
      });
    }
  },
  PATIENCE_MS,
);

/** What a query read and compared, whatever it answered. */
const rowsIn = (plan: Plan): number =>
  ((plan['Actual Rows'] ?? 0) +
    (plan['Rows Removed by Filter'] ?? 0) +
    (plan['Rows Removed by Join Filter'] ?? 0)) *
    (plan['Actual Loops'] ?? 0) +
  (plan.Plans ?? []).reduce((sum, each) => sum + rowsIn(each), 0);

test(
  'what is read grows with the number of chunks, and not faster',
  async () => {
    const { asked } = await verified();
    for (const { text, values } of asked.filter((each) => !each.text.startsWith('COPY'))) {
      const [row] = await db.sql<{ 'QUERY PLAN': readonly { Plan: Plan }[] }>(
        `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
        [...values],
      );
      const rows = rowsIn(row?.['QUERY PLAN'][0]?.Plan ?? {});
      expect({ text, rows: rows > MOST_ROWS_PER_CHUNK * ALL_CHUNKS ? rows : 'few' }).toEqual({
        text,
        rows: 'few',
      });
    }
  },
  PATIENCE_MS,
);

test(
  'a trigger of another program is tried out next to the newest row, without a lock on every chunk',
  async () => {
    await addForeignTrigger((text, values) => db.sql(text, values));
    await db.sql('BEGIN');
    await db.sql(trialWrite('public', 'sensor_readings', ['INSERT']).text);
    const [held] = await db.sql<{ locks: number }>(
      `SELECT count(*)::int AS locks FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'`,
    );
    await db.sql('ROLLBACK');
    expect(held?.locks).toBeLessThan(MOST_LOCKS);
    const { findings } = await assess(catalog, plan, CHECKS);
    expect(findings.filter(({ check }) => check === 'withheld')).toMatchObject([{ severity: 'info' }]);
    await db.sql('DROP FUNCTION passed_on() CASCADE');
  },
  PATIENCE_MS,
);

test('what is read is not compiled first', async () => {
  await db.sql(
    `DO $do$ BEGIN EXECUTE format('ALTER DATABASE %I SET jit = on', current_database()); END $do$`,
  );
  const fresh = createCatalog({ url: db.url });
  expect(await fresh.select(`SELECT current_setting('jit') AS jit`)).toEqual([{ jit: 'off' }]);
  await fresh.close();
});

test(
  'readings are written meanwhile, into chunks that are there and into new ones',
  async () => {
    const writer = new pg.Client({ connectionString: db.url });
    await writer.connect();
    await writer.query(`SET lock_timeout = '2s'`);
    let verifying = true;
    const rounds = (async () => {
      for (let round = 0; round < 3; round++) expect((await verified()).faults).toEqual([]);
    })().finally(() => (verifying = false));
    let written = 0;
    while (verifying) {
      await writer.query(
        `INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES (clock_timestamp(), 1, 1),
          (clock_timestamp() + INTERVAL '1 hour' * $1, 2, 1)`,
        [(written % NEW_CHUNKS) + 1],
      );
      written += 1;
    }
    await rounds;
    await writer.end();
    expect(written).toBeGreaterThan(3);
  },
  PATIENCE_MS,
);

(isNightly ? test : test.skip)(
  'too many of one table: said, and that alone (nightly)',
  async () => {
    await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature)
      SELECT now() + INTERVAL '1 hour' * (${NEW_CHUNKS} + n), 1, 1 FROM generate_series(1, 120) n`);
    expect((await verified()).faults).toMatchObject([
      { check: 'chunks', subject: 'sensor_readings', verdict: 'unsafe', expected: 'at most 1500 chunks' },
    ]);
    await db.sql(
      `SELECT drop_chunks('sensor_readings', newer_than => now() + INTERVAL '${NEW_CHUNKS + 1} hours')`,
    );
    expect((await verified()).faults).toEqual([]);
  },
  PATIENCE_MS,
);

test(
  'a late row among them is found all the same, by reading its chunk alone',
  async () => {
    await db.sql(
      `INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES (now() - INTERVAL '10 days 7 minutes', 1, 99)`,
    );
    const { faults, asked } = await verified();
    expect(faults).toMatchObject([{ check: 'late', subject: 'sensor_hourly_agg refresh' }]);
    const again = asked.find(({ values }) => values.length === 4);
    const [row] = await db.sql<{ 'QUERY PLAN': readonly { Plan: Plan }[] }>(
      `EXPLAIN (FORMAT JSON) ${again?.text ?? ''}`,
      [...(again?.values ?? [])],
    );
    expect(new Set(chunksIn(row?.['QUERY PLAN'][0]?.Plan ?? {})).size).toBeLessThanOrEqual(2);
  },
  PATIENCE_MS,
);
