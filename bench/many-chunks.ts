import { policiesSchema } from '../src/config/schema/policies.ts';
import { type PolicyPlan, planOf } from '../src/core/policy/plan.ts';

/** Rows of a statement, on one connection and outside of any transaction. */
export type Sql = <Row = Record<string, unknown>>(text: string, values?: unknown[]) => Promise<Row[]>;

/** 2,000 in all: as many of an hour as one table may have by its declaration, and the rest in another. */
export const CHUNKS = { sensor_readings: 1400, sensor_metrics: 600 } as const;
const SENSORS = 3;

const hourly = {
  chunk_interval: '1 hour',
  compression: { after: '30 days' },
  retention: { after: '60 days' },
};

/** What then is declared. */
export const manyChunksPlan = (): PolicyPlan =>
  planOf(policiesSchema.parse({ hypertables: { sensor_readings: hourly, sensor_metrics: hourly } }));

/** Makes 2,000 chunks of an hour, the older half compressed, aggregated, and with the policies of the plan above. */
export async function makeManyChunks(sql: Sql): Promise<void> {
  await sql(`INSERT INTO sensors (key) SELECT 'many-' || g FROM generate_series(1, ${SENSORS}) g`);
  await makeChunks(sql, 'sensor_readings', 'temperature', '20');
  await makeChunks(sql, 'sensor_metrics', 'metric_id, value', '1, 1');
  for (const view of ['sensor_hourly_agg', 'sensor_daily_agg']) {
    await sql(`CALL refresh_continuous_aggregate('${view}', now() - INTERVAL '61 days', now())`);
  }
  await sql(`SELECT alter_job(job_id, config => config || CASE proc_name WHEN 'policy_retention'
      THEN '{"drop_after": "60 days"}'::jsonb ELSE '{"compress_after": "30 days"}'::jsonb END)
    FROM timescaledb_information.jobs WHERE hypertable_name IN ('sensor_readings', 'sensor_metrics')`);
  // One transaction each, as the policy does it.
  const old = await sql<{ chunk: string }>(
    `SELECT format('%I.%I', chunk_schema, chunk_name) AS chunk FROM timescaledb_information.chunks
     WHERE hypertable_name = ANY ($1) AND range_end <= now() - INTERVAL '30 days'`,
    [Object.keys(CHUNKS)],
  );
  for (const { chunk } of old) await sql(`SELECT compress_chunk('${chunk}', if_not_compressed => true)`);
}

async function makeChunks(
  sql: Sql,
  table: keyof typeof CHUNKS,
  columns: string,
  values: string,
): Promise<void> {
  await sql(`SELECT set_chunk_time_interval('${table}', INTERVAL '1 hour')`);
  // In portions: creating them all in one transaction would run out of locks.
  for (let from = 0; from < CHUNKS[table]; from += 100) {
    await sql(`INSERT INTO ${table} (time, sensor_id, ${columns}) SELECT
      date_trunc('hour', now()) - INTERVAL '1 hour' * n, s, ${values}
      FROM generate_series(${from}, ${from + 99}) n, generate_series(1, ${SENSORS}) s`);
  }
}
