import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { createCatalog } from '../../../src/adapters/timescale/policy/catalog.ts';
import { doctorCommand } from '../../../src/cli/doctor/index.ts';
import type { Diagnosis } from '../../../src/cli/doctor/report.ts';
import { assess } from '../../../src/core/policy/assess.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import { runCli } from '../../support/cli.ts';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';
import { describeReal } from '../../support/server-db.ts';

/** The embedded server has one session: no other session can hold a lock against the verification. */
describeReal('verifying while others hold locks', () => {
  let db: PolicyDatabase;
  beforeAll(async () => {
    db = await openPolicyDatabase();
    await db.sql(`INSERT INTO sensors (key) VALUES ('s1')`);
    await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature) SELECT t, 1, 20
      FROM generate_series(now() - INTERVAL '2 days', now(), INTERVAL '1 minute') t`);
    await db.runAll();
    expect(await faults()).toEqual([]);
  });
  afterAll(() => db?.close());

  /** Findings but for notes, as `policies verify` counts them, and how long it took. */
  async function faults(limits: { statementTimeoutMs?: number; lockTimeoutMs?: number } = {}) {
    const catalog = createCatalog({ url: db.url, ...limits });
    const { findings } = await assess(catalog, db.plan, CHECKS);
    await catalog.close();
    return findings.filter(({ severity }) => severity !== 'info');
  }

  async function whileHeld(statements: readonly string[], look: () => Promise<void>): Promise<void> {
    const holder = new pg.Client({ connectionString: db.url, application_name: 'holder' });
    await holder.connect();
    try {
      await holder.query('BEGIN');
      for (const statement of statements) await holder.query(statement);
      await look();
    } finally {
      await holder.query('ROLLBACK');
      await holder.end();
    }
  }

  const COMPRESSING = [
    `SELECT compress_chunk(c) FROM (SELECT show_chunks('sensor_readings') AS c ORDER BY 1 DESC LIMIT 1 OFFSET 1) newest`,
  ];

  test('a chunk that is being compressed: one finding of the checks that waited in vain, and the others answer', async () => {
    await whileHeld(COMPRESSING, async () => {
      const findings = await faults({ lockTimeoutMs: 200 });
      expect(findings).toMatchObject([
        {
          check: 'unanswered',
          ...{ verdict: 'stalled', severity: 'warning' },
          actual: expect.stringContaining('55P03'),
        },
      ]);
      const waited = findings[0]?.checks ?? [];
      expect(waited.length).toBeGreaterThan(0);
      expect(waited.length).toBeLessThan(CHECKS.length / 2);
      for (const check of waited) expect(findings[0]?.actual).toContain(check);
    });
    expect(await faults()).toEqual([]);
  });

  test('the limit of a statement, where that of a lock does not come first', async () => {
    await whileHeld(COMPRESSING, async () => {
      const findings = await faults({ statementTimeoutMs: 300, lockTimeoutMs: 0 });
      expect(findings).toMatchObject([{ verdict: 'stalled', actual: expect.stringContaining('57014') }]);
    });
    expect(await faults()).toEqual([]);
  });

  test('a migration that holds a whole table is waited for no longer than the limits allow', async () => {
    await whileHeld(['LOCK TABLE sensor_readings IN ACCESS EXCLUSIVE MODE'], async () => {
      const findings = await faults();
      expect(findings.map(({ verdict }) => verdict)).toContain('stalled');
      const lock = findings.find(({ check }) => check === 'unanswered');
      // The limit of a lock ended the wait, not that of a statement.
      expect(lock?.actual).toContain('55P03');
      expect(lock?.actual).toMatch(
        /; pid \d+ of postgres \(holder\) locks sensor_readings in a transaction since \d/,
      );
      const [, pid] = /if it stays: SELECT pg_terminate_backend\((\d+)\);$/.exec(lock?.remedy ?? '') ?? [];
      expect(
        await db.sql(`SELECT application_name AS name FROM pg_stat_activity WHERE pid = ${pid}`),
      ).toEqual([{ name: 'holder' }]);
    });
    expect(await faults()).toEqual([]);
  });

  test('doctor does not wait for it either: a fault of the policies, with the lock as its reason', async () => {
    const env = {
      FIELDWATCH_DATABASE_URL: db.url,
      FIELDWATCH_HTTP_ENABLED: 'false',
      FIELDWATCH_EMBEDDED_MQTT_PORT: '9',
      FIELDWATCH_STATE_DIR: '/tmp',
    };
    await whileHeld(['LOCK TABLE sensor_readings IN ACCESS EXCLUSIVE MODE'], async () => {
      const { code, out } = await runCli(doctorCommand, ['--json'], { env });
      const { diagnoses } = JSON.parse(out) as { diagnoses: Diagnosis[] };
      expect(code).toBe(1);
      expect(diagnoses.filter(({ status }) => status === 'fault')).toMatchObject([
        { area: 'policies', subject: 'verification', detail: expect.stringContaining('55P03') },
      ]);
    });
  });
});
