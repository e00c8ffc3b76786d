import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { createCatalog, type ClosableCatalog } from '../../src/adapters/timescale/catalog.ts';
import { CHECKS } from '../../src/core/policy/check/index.ts';
import { verify } from '../../src/core/policy/verify.ts';
import { openPolicyDatabase, type PolicyDatabase } from '../support/policy-db.ts';
import { planWith } from '../support/policy-plan.ts';

const PATIENCE_MS = 300_000;
/** An hour a chunk: as many as a table may have by its declaration, and what is missing to 2,000 in another. */
const CHUNKS = { sensor_readings: 1400, sensor_metrics: 600 };
const hourly = {
  chunk_interval: '1 hour',
  compression: { after: '30 days' },
  retention: { after: '60 days' },
};
const plan = planWith({ hypertables: { sensor_readings: hourly, sensor_metrics: hourly } });
/** A refresh window of three days, and the rest of one: what has to be read, whatever else there is. */
const MOST_PLANNED = 100;
/** On a quiet machine it takes less than a second (npm run bench -- --only g); this is for one that is not. */
const MOST_MS = 15_000;
const NEW_CHUNKS = 24;

let db: PolicyDatabase;
let catalog: ClosableCatalog;
beforeAll(async () => {
  db = await openPolicyDatabase();
  catalog = createCatalog({ url: db.url });
  await db.sql(`INSERT INTO sensors (key) SELECT 's' || g FROM generate_series(1, 3) g`);
  for (const [table, chunks] of Object.entries(CHUNKS)) {
    await db.sql(`SELECT set_chunk_time_interval('${table}', INTERVAL '1 hour')`);
    const metric = table === 'sensor_metrics' ? ['metric_id, value', '1, 1'] : ['temperature', '20'];
    // In portions: creating them all in one transaction would run out of locks.
    for (let from = 0; from < chunks; from += 100) {
      await db.sql(`INSERT INTO ${table} (time, sensor_id, ${metric[0]}) SELECT
        date_trunc('hour', now()) - INTERVAL '1 hour' * n, s, ${metric[1]}
        FROM generate_series(${from}, ${from + 99}) n, generate_series(1, 3) s`);
    }
  }
  for (const view of ['sensor_hourly_agg', 'sensor_daily_agg']) {
    await db.sql(
      `CALL refresh_continuous_aggregate('${view}', now() - INTERVAL '61 days', now() - INTERVAL '1 hour')`,
    );
  }
  await db.sql(`SELECT alter_job(job_id, config => config || CASE proc_name WHEN 'policy_retention'
      THEN '{"drop_after": "60 days"}'::jsonb ELSE '{"compress_after": "30 days"}'::jsonb END)
    FROM timescaledb_information.jobs WHERE hypertable_name IN ('sensor_readings', 'sensor_metrics')`);
  // One transaction each, and left where it is when it is interrupted: as the policy does it.
  const old = await db.sql<{ chunk: string }>(
    `SELECT format('%I.%I', chunk_schema, chunk_name) AS chunk
    FROM timescaledb_information.chunks WHERE hypertable_name = ANY ($1) AND range_end <= now() - INTERVAL '30 days'`,
    [Object.keys(CHUNKS)],
  );
  for (const { chunk } of old) await db.sql(`SELECT compress_chunk('${chunk}')`);
}, PATIENCE_MS);
afterAll(async () => {
  await catalog.close();
  await db.close();
});

interface Asked {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** What a verification found, what it asked, and how long it took. */
async function verified() {
  const asked: Asked[] = [];
  const recording = {
    select: (text: string, values: readonly unknown[] = []) => {
      asked.push({ text, values });
      return catalog.select(text, values);
    },
  };
  const startedAt = performance.now();
  const { findings } = await verify(recording, plan, CHECKS);
  const faults = findings.filter(({ severity }) => severity !== 'info');
  return { faults, asked, ms: performance.now() - startedAt };
}

interface Plan {
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly Plan[];
}
const chunksIn = ({ 'Relation Name': name, Plans = [] }: Plan): string[] => [
  ...(name !== undefined && /^_hyper_\d+_\d+_chunk$/.test(name) ? [name] : []),
  ...Plans.flatMap(chunksIn),
];

test(
  '2,000 chunks are verified without planning them: few questions, each about few of them',
  async () => {
    await verified();
    const { faults, asked, ms } = await verified();
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
    expect(ms).toBeLessThan(MOST_MS);
  },
  PATIENCE_MS,
);

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

test(
  'too many of one table: said, and that alone',
  async () => {
    await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature)
      SELECT now() + INTERVAL '1 hour' * (${NEW_CHUNKS} + n), 1, 1 FROM generate_series(1, 120) n`);
    expect((await verified()).faults).toMatchObject([
      { check: 'chunks', subject: 'sensor_readings', verdict: 'danger', expected: 'at most 1500 chunks' },
    ]);
    await db.sql(
      `SELECT drop_chunks('sensor_readings', newer_than => now() + INTERVAL '${NEW_CHUNKS + 1} hours')`,
    );
    expect((await verified()).faults).toEqual([]);
  },
  PATIENCE_MS,
);

test(
  'a late row among them is found all the same, by a look at its chunk alone',
  async () => {
    await db.sql(
      `INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES (now() - INTERVAL '20 days 7 minutes', 1, 99)`,
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
