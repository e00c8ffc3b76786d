import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { assess } from '../../src/core/policy/assess.ts';
import { CHECKS } from '../../src/core/policy/check/index.ts';
import type { Finding } from '../../src/core/policy/finding.ts';
import type { PolicyPlan } from '../../src/core/policy/plan.ts';
import { type TestDatabaseOptions, openTestDatabase } from './embedded-db.ts';
import { planWith } from './policy-plan.ts';
import { createPreparedCatalog } from './prepared-catalog.ts';

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
  /** Gives the jobs of a relation to an unrelated role; the returned function gives them back. */
  giveAway(relation: string): Promise<() => Promise<unknown>>;
  /** Runs every policy job now, in an order that does no harm. */
  runAll(): Promise<void>;
  close(): Promise<void>;
}

export async function openPolicyDatabase(
  options: Pick<TestDatabaseOptions, 'workers'> = {},
): Promise<PolicyDatabase> {
  const database = await openTestDatabase({ migrated: true, ...options });
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const catalog = createPreparedCatalog({ url: database.url });
  const plan = planWith();
  const stranger = `stranger_${randomBytes(6).toString('hex')}`;

  const sql = async <Row>(text: string, values?: unknown[]): Promise<Row[]> =>
    (values === undefined ? await client.query(text) : await client.query(text, values)).rows as Row[];
  const run = async (using = plan): Promise<readonly Finding[]> =>
    (await assess(catalog, using, CHECKS)).findings;
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
    async giveAway(relation) {
      // No function does it: what this looks for comes from dumps and from changes of a role.
      const [catalogs] = await sql<{ jobs: string }>(
        `SELECT coalesce(to_regclass('_timescaledb_catalog.bgw_job'), '_timescaledb_config.bgw_job')::text AS jobs`,
      );
      const own = (role: string) =>
        sql(`UPDATE ${catalogs?.jobs} SET owner = '${role}'::regrole WHERE id IN (SELECT job_id
          FROM timescaledb_information.jobs WHERE hypertable_name = '${relation}')`);
      await sql(`CREATE ROLE ${stranger} LOGIN`);
      await own(stranger);
      return () => own('postgres');
    },
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
      // Roles are the server's, not the database's.
      await sql(`DROP ROLE IF EXISTS ${stranger}`);
      await catalog.close();
      await client.end();
      await database.close();
    },
  };
}
