import { policiesSchema } from '../src/config/schema/policies.ts';
import { type PolicyPlan, planOf } from '../src/core/policy/plan.ts';
import { noteChunks } from '../src/core/policy/seen-chunks.ts';

/** Rows of a statement, on one connection and outside of any transaction. */
export type Sql = <Row = Record<string, unknown>>(text: string, values?: unknown[]) => Promise<Row[]>;

export interface ChunkCounts {
  readonly sensor_readings: number;
  readonly sensor_metrics: number;
}

/** As many of an hour as one table may have by its declaration, and more in another: 2,000 of them are compressed. */
export const CHUNKS: ChunkCounts = { sensor_readings: 1400, sensor_metrics: 1000 };
const SENSORS = 3;

const hourly = {
  chunk_interval: '1 hour',
  compression: { after: '7 days' },
  retention: { after: '60 days' },
};

/** The plan declared then. */
export const manyChunksPlan = (): PolicyPlan =>
  planOf(policiesSchema.parse({ hypertables: { sensor_readings: hourly, sensor_metrics: hourly } }));

/** Makes chunks of an hour, compressed from a week on, aggregated, seen, and with the policies of the plan above. */
export async function makeManyChunks(sql: Sql, counts = CHUNKS): Promise<void> {
  await sql(`INSERT INTO sensors (key) SELECT 'many-' || g FROM generate_series(1, ${SENSORS}) g`);
  await sql(`INSERT INTO metrics (name) VALUES ('many')`);
  // Read once: an hour that ends between two portions would leave a gap.
  // The last hours have none: a range without rows at either end, as of sensors that are silent, and younger than retention.
  const [now] = await sql<{ hour: string }>(
    `SELECT (date_trunc('hour', now()) - INTERVAL '2 hours')::text AS hour`,
  );
  if (now === undefined) throw new Error('the database gave no time');
  await makeChunks(sql, now.hour, counts, 'sensor_readings', 'temperature', '20');
  await makeChunks(sql, now.hour, counts, 'sensor_metrics', 'metric_id, value', '1, 1');
  for (const view of ['hourly', 'daily'].flatMap((each) => [
    `sensor_${each}_agg`,
    `sensor_metrics_${each}_agg`,
  ])) {
    await sql(`CALL refresh_continuous_aggregate('${view}', now() - INTERVAL '61 days', now())`);
  }
  await sql(`SELECT alter_job(job_id, config => config || CASE proc_name WHEN 'policy_retention'
      THEN '{"drop_after": "60 days"}'::jsonb ELSE '{"compress_after": "7 days"}'::jsonb END)
    FROM timescaledb_information.jobs WHERE hypertable_name IN ('sensor_readings', 'sensor_metrics')`);
  // One transaction each, as the policy does it.
  const old = await sql<{ chunk: string }>(
    `SELECT format('%I.%I', chunk_schema, chunk_name) AS chunk FROM timescaledb_information.chunks
     WHERE hypertable_name = ANY ($1) AND range_end <= now() - INTERVAL '7 days'`,
    [Object.keys(CHUNKS)],
  );
  for (const { chunk } of old) await sql(`SELECT compress_chunk('${chunk}', if_not_compressed => true)`);
  await sql(noteChunks(manyChunksPlan()));
}

/** A trigger as another program may have added it: verification tries such a trigger out. */
export async function addForeignTrigger(sql: Sql): Promise<void> {
  await sql(`CREATE FUNCTION passed_on() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$`);
  await sql(`CREATE TRIGGER passed_on AFTER INSERT OR UPDATE OR DELETE ON sensor_readings FOR EACH ROW
    EXECUTE FUNCTION passed_on()`);
}

async function makeChunks(
  sql: Sql,
  hour: string,
  counts: ChunkCounts,
  table: keyof ChunkCounts,
  columns: string,
  values: string,
): Promise<void> {
  await sql(`SELECT set_chunk_time_interval('${table}', INTERVAL '1 hour')`);
  // In portions: creating them all in one transaction would run out of locks.
  for (let from = 0; from < counts[table]; from += 100) {
    await sql(`INSERT INTO ${table} (time, sensor_id, ${columns}) SELECT
      '${hour}'::timestamptz - INTERVAL '1 hour' * n, s, ${values}
      FROM generate_series(${from}, ${from + 99}) n, generate_series(1, ${SENSORS}) s`);
  }
}
