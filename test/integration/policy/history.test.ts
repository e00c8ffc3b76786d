import { REPAIR_EFFECTS } from '../../../src/core/policy/check.ts';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createPreparedCatalog } from '../../support/prepared-catalog.ts';
import { createStatementExecutor } from '../../../src/adapters/timescale/policy/statement-executor.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import { runRepair } from '../../../src/services/policy/repair-runner.ts';
import { seededRandom } from '../../../src/simulator/random.ts';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';
import { planWith } from '../../support/policy-plan.ts';
import { rounds } from '../../support/rounds.ts';

const PATIENCE_MS = 300_000;
/** Raw rows for 20 days, aggregates for ever: what lies between only the aggregates know. */
const plan = planWith({
  hypertables: { sensor_readings: { retention: { after: '20 days' } } },
});
const RAW_DAYS = 20;
const SENSORS = 4;

interface Bucket {
  readonly hour: string;
  readonly sensor: number;
  readonly readings: number;
}

let db: PolicyDatabase | undefined;
afterEach(async () => {
  await db?.close();
  db = undefined;
});

/** One history: what was raw and young must be there at the end; so must every bucket that ever was. */
class History {
  private readonly db: PolicyDatabase;
  private readonly next: () => number;
  private readonly young = new Set<string>();
  private readonly buckets = new Map<string, number>();
  readonly log: string[] = [];

  constructor(database: PolicyDatabase, seed: number) {
    this.db = database;
    this.next = seededRandom(seed);
  }

  private pick(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from));
  }

  /** Rows of one stretch of hours, every ten minutes, of some sensors. */
  private async insert(hoursAgo: number, hours: number): Promise<void> {
    const sensors = this.pick(1, SENSORS + 1);
    this.log.push(`insert ${sensors} sensors, ${hours} h, ${hoursAgo} h ago`);
    const rows = await this.db.sql<{ time: string; sensor: number; young: boolean }>(
      `INSERT INTO sensor_readings (time, sensor_id, temperature)
       SELECT date_trunc('minute', now()) - make_interval(hours => $1) + make_interval(mins => 10 * n), s, random() * 30
       FROM generate_series(0, 6 * $2 - 1) n, generate_series(1, $3) s
       ON CONFLICT DO NOTHING RETURNING time::text, sensor_id AS sensor, time > now() - INTERVAL '${RAW_DAYS} days' AS young`,
      [hoursAgo, hours, sensors],
    );
    for (const { time, sensor, young } of rows) if (young) this.young.add(`${sensor}@${time}`);
  }

  async step(): Promise<void> {
    const dice = this.next();
    if (dice < 0.3) await this.insert(this.pick(2, 60), this.pick(1, 2));
    else if (dice < 0.5) await this.insert(this.pick(80, RAW_DAYS * 24), this.pick(1, 20));
    else if (dice < 0.6) await this.insert(this.pick(RAW_DAYS * 24 + 30, 40 * 24), this.pick(1, 12));
    else if (dice < 0.85) {
      this.log.push('policies');
      await this.db.runAll();
    } else {
      this.log.push('repair');
      await this.repair();
    }
    await this.check();
  }

  async repair(): Promise<void> {
    const catalog = createPreparedCatalog({ url: this.db.url });
    const executor = createStatementExecutor({ url: this.db.url });
    const signal = new AbortController().signal;
    const { runs } = await runRepair({
      catalog,
      executor,
      plan,
      checks: CHECKS,
      effects: REPAIR_EFFECTS,
      signal,
    });
    expect(runs.filter(({ error }) => error !== undefined)).toEqual([]);
    await executor.close();
    await catalog.close();
  }

  /** No young row and no bucket was lost, and no bucket became poorer. */
  private async check(): Promise<void> {
    const rows = await this.db.sql<{ time: string; sensor: number }>(
      'SELECT time::text, sensor_id AS sensor FROM sensor_readings',
    );
    const stored = new Set(rows.map(({ time, sensor }) => `${sensor}@${time}`));
    expect([...this.young].filter((row) => !stored.has(row))).toEqual([]);
    const buckets = await this.db.sql<Bucket>(
      'SELECT hour::text, sensor_id AS sensor, readings::int FROM sensor_hourly_agg',
    );
    const now = new Map(buckets.map(({ hour, sensor, readings }) => [`${sensor}@${hour}`, readings]));
    expect([...this.buckets].filter(([bucket, readings]) => (now.get(bucket) ?? 0) < readings)).toEqual([]);
    for (const [bucket, readings] of now) this.buckets.set(bucket, readings);
  }

  /** Where the raw rows still are and a policy is due (the last day is so some hours after midnight), both aggregates equal a recomputation, averages to 1e-9. */
  async equalsRaw(): Promise<void> {
    const range = (column: string) =>
      `${column} >= time_bucket('1 day', now() - INTERVAL '${RAW_DAYS - 1} days') AND ${column} < time_bucket('1 day', now() - INTERVAL '6 hours')`;
    for (const [view, column, width] of [
      ['sensor_hourly_agg', 'hour', '1 hour'],
      ['sensor_daily_agg', 'day', '1 day'],
    ] as const) {
      const wrong = await this.db.sql(
        `SELECT bucket, sensor_id, r.n, a.n, r.mean, a.mean FROM
           (SELECT time_bucket('${width}', time) AS bucket, sensor_id, count(*) AS n, avg(temperature) AS mean
            FROM sensor_readings WHERE ${range('time')} GROUP BY 1, 2) r
         FULL JOIN (SELECT ${column} AS bucket, sensor_id, readings AS n, avg_temp AS mean FROM ${view}
            WHERE ${range(column)}) a USING (bucket, sensor_id)
         WHERE r.n IS DISTINCT FROM a.n OR abs(r.mean - a.mean) > 1e-9`,
      );
      expect({ view, wrong }).toEqual({ view, wrong: [] });
    }
  }
}

describe('random histories of ingest, late rows, policies and repairs lose nothing', () => {
  test.each(Array.from({ length: rounds(1, 3) }, (_, n) => n + 1))(
    'seed %i',
    async (seed) => {
      db = await openPolicyDatabase();
      await db.sql(`INSERT INTO sensors (key) SELECT 's' || g FROM generate_series(1, ${SENSORS}) g`);
      await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature)
        SELECT t, s, 20 FROM generate_series(now() - INTERVAL '40 days', now() - INTERVAL '3 days', INTERVAL '1 hour') t,
        generate_series(1, ${SENSORS}) s`);
      // All of it was aggregated when it was young; then retention was shortened.
      for (const view of ['sensor_hourly_agg', 'sensor_daily_agg'])
        await db.sql(
          `CALL refresh_continuous_aggregate('${view}', now() - INTERVAL '41 days', now() - INTERVAL '1 day')`,
        );
      const history = new History(db, seed);
      await history.repair();
      for (let step = 0; step < 14; step++) {
        try {
          await history.step();
        } catch (error) {
          throw new Error(`seed ${seed}: ${history.log.join('; ')}`, { cause: error });
        }
      }
      await history.repair();
      await db.runAll();
      await history.repair();
      await history.equalsRaw();
    },
    PATIENCE_MS,
  );
});
