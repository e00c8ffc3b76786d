import { expect } from '@jest/globals';
import type { Finding } from '../../src/core/policy/finding.ts';
import { type PolicyDatabase, openPolicyDatabase } from './policy-db.ts';
import { statementsOf } from './timescale-cluster.ts';

/** A database that the tests of a file change by hand, one after the other: each puts right what it has changed. */
export interface TamperedDatabase extends PolicyDatabase {
  /** The only finding. */
  found(): Promise<Finding>;
  /** Runs the remedy of a finding as it stands. */
  applyRemedy(finding: Finding): Promise<void>;
}

export async function openTamperedDatabase(): Promise<TamperedDatabase> {
  const db = await openPolicyDatabase();
  return {
    ...db,
    async found() {
      const findings = await db.verify();
      expect(findings).toHaveLength(1);
      return findings[0] as Finding;
    },
    async applyRemedy({ remedy }) {
      for (const statement of statementsOf(remedy)) await db.sql(statement);
    },
    /** Each test lists all findings: what the one before it has left would be among them. */
    async close() {
      const left = await db.lines();
      await db.close();
      expect(left).toEqual([]);
    },
  };
}

/** A sensor with a reading an hour for a day, aggregated. */
export async function addDayOfReadings(db: PolicyDatabase): Promise<void> {
  await db.sql(`INSERT INTO sensors (key) VALUES ('a')`);
  await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature) SELECT t, 1, 20
    FROM generate_series(now() - INTERVAL '1 day', now(), INTERVAL '1 hour') t`);
  for (const view of ['sensor_hourly_agg', 'sensor_daily_agg'])
    await db.sql(`CALL refresh_continuous_aggregate('${view}', NULL, now() - INTERVAL '5 minutes')`);
}
