import pg from 'pg';
import { createCatalog } from '../../src/adapters/timescale/catalog.ts';
import { CHECKS } from '../../src/core/policy/check/index.ts';
import type { Finding } from '../../src/core/policy/finding.ts';
import type { PolicyPlan } from '../../src/core/policy/plan.ts';
import { verify } from '../../src/core/policy/verify.ts';
import { openTestDatabase } from './embedded-db.ts';
import { planWith } from './policy-plan.ts';

/** A migrated database, a connection to spoil it, and the checks' view of it. */
export interface PolicyDatabase {
  readonly url: string;
  readonly plan: PolicyPlan;
  /** Rows of a statement, outside of any transaction. */
  sql<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
  verify(plan?: PolicyPlan): Promise<readonly Finding[]>;
  /** `check | subject | verdict`, one line per finding. */
  lines(plan?: PolicyPlan): Promise<string[]>;
  /** Ids of the jobs of a policy. */
  jobs(relation: string, proc: string): Promise<number[]>;
  /** Runs every policy job now, in an order that does no harm. */
  runAll(): Promise<void>;
  close(): Promise<void>;
}

export async function openPolicyDatabase(): Promise<PolicyDatabase> {
  const database = await openTestDatabase({ migrated: true });
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const catalog = createCatalog({ url: database.url });
  const plan = planWith();

  const sql = async <Row>(text: string, values?: unknown[]): Promise<Row[]> =>
    (values === undefined ? await client.query(text) : await client.query(text, values)).rows as Row[];
  const run = async (using = plan): Promise<readonly Finding[]> =>
    (await verify(catalog, using, CHECKS)).findings;
  const jobs = async (relation: string, proc: string): Promise<number[]> => {
    const rows = await sql<{ id: number }>(
      `SELECT job_id AS id FROM timescaledb_information.jobs WHERE hypertable_name = $1 AND proc_name = $2 ORDER BY 1`,
      [relation, proc],
    );
    return rows.map(({ id }) => id);
  };

  return {
    url: database.url,
    plan,
    sql,
    verify: run,
    lines: async (using) =>
      (await run(using)).map(({ check, subject, verdict }) => `${check} | ${subject} | ${verdict}`),
    jobs,
    async runAll() {
      for (const [relation, proc] of [
        ['sensor_hourly_agg', 'policy_refresh_continuous_aggregate'],
        ['sensor_daily_agg', 'policy_refresh_continuous_aggregate'],
        ['sensor_readings', 'policy_compression'],
        ['sensor_readings', 'policy_retention'],
      ] as const) {
        for (const id of await jobs(relation, proc)) await sql(`CALL run_job(${id})`);
      }
    },
    async close() {
      await catalog.close();
      await client.end();
      await database.close();
    },
  };
}
