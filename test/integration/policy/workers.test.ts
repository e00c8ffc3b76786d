import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { policiesCommand } from '../../../src/cli/policies/index.ts';
import { runCli } from '../../support/cli.ts';
import { eventually } from '../../support/eventually.ts';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';
import { describeReal } from '../../support/server-db.ts';

describeReal('with background workers', () => {
  let db: PolicyDatabase;
  beforeAll(async () => {
    db = await openPolicyDatabase({ workers: true });
  });
  afterAll(() => db?.close());

  const unrun = async (): Promise<number> => {
    const [jobs] = await db.sql<{ n: number }>(`SELECT count(*)::int AS n FROM timescaledb_information.jobs j
      LEFT JOIN _timescaledb_internal.bgw_job_stat s ON s.job_id = j.job_id
      WHERE j.job_id >= 1000 AND (s.last_finish IS NULL OR s.last_finish = '-infinity')`);
    return jobs?.n ?? -1;
  };
  const wake = async (relation: string, proc: string) => {
    for (const id of await db.jobs(relation, proc))
      await db.sql(`SELECT alter_job(${id}, next_start => now())`);
  };

  test('all is well right after migrating, while the jobs run for the first time, and when they have', async () => {
    const seen: string[] = [...(await db.lines())];
    await eventually('every job has run', async () => {
      seen.push(...(await db.lines()));
      return (await unrun()) === 0;
    });
    // Some versions record every run as failed although its work is done: nothing to report either.
    seen.push(...(await db.lines()));
    expect(seen).toEqual([]);
  });

  test('a run whose effect is unknown is shown as neither ok nor failed', async () => {
    const { out } = await runCli(policiesCommand, ['show', '--json'], {
      env: { FIELDWATCH_DATABASE_URL: db.url, NO_COLOR: '1' },
    });
    const rows = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows).toHaveLength(16);
    expect(rows.filter(({ lastRun }) => lastRun === null)).toEqual([]);
    expect(rows.filter(({ lastRunOk }) => lastRunOk === false)).toEqual([]);
  });

  test('they do what the policies say, and the findings pass', async () => {
    await db.sql(`SELECT _timescaledb_functions.stop_background_workers()`);
    await db.sql(`INSERT INTO sensors (key) VALUES ('s1')`);
    await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature) SELECT now() - INTERVAL '1 day' * d, 1, 20
      FROM unnest(ARRAY[95, 10]) d`);
    expect(await db.lines()).toEqual(
      expect.arrayContaining([
        'server | server | stalled',
        'retention | sensor_readings retention | lagging',
        'compression | sensor_readings compression | lagging',
      ]),
    );
    await wake('sensor_readings', 'policy_retention');
    await wake('sensor_readings', 'policy_compression');
    await db.sql(`SELECT _timescaledb_functions.start_background_workers()`);
    const about = async () =>
      (await db.lines()).filter((line) => /^(server|retention|compression)/.test(line));
    await eventually('dropped and compressed', async () => (await about()).length === 0);
    const chunks = await db.sql(`SELECT is_compressed FROM timescaledb_information.chunks
      WHERE hypertable_name = 'sensor_readings'`);
    expect(chunks).toEqual([{ is_compressed: true }]);
    for (const view of ['sensor_hourly_agg', 'sensor_daily_agg']) {
      await db.sql(
        `CALL refresh_continuous_aggregate('${view}', now() - INTERVAL '12 days', now() - INTERVAL '1 day')`,
      );
    }
    await eventually('all is well', async () => (await db.lines()).length === 0);
  });

  test('a stopped scheduler is one finding, critical, and passes when it is started as the remedy says', async () => {
    await db.sql(`SELECT _timescaledb_functions.stop_background_workers()`);
    const findings = await db.verify();
    expect(findings).toMatchObject([{ check: 'server', verdict: 'stalled', severity: 'critical' }]);
    const [, statement] = /(SELECT [^;]+);/.exec(findings[0]?.remedy ?? '') ?? [];
    await db.sql(statement ?? '');
    await eventually('the scheduler is back', async () => (await db.lines()).length === 0);
  });

  test('a job that really fails is reported with its message; when it can run again, no more', async () => {
    await db.sql(`INSERT INTO dead_letters (received_at, topic, payload, reason)
      VALUES (now() - INTERVAL '40 days', 't', '', 'r')`);
    const [chunk] = await db.sql<{ name: string }>(`SELECT format('%I.%I', chunk_schema, chunk_name) AS name
      FROM timescaledb_information.chunks WHERE hypertable_name = 'dead_letters'`);
    // What people do with a chunk they want to look at: it then cannot be dropped.
    await db.sql(`CREATE VIEW somebodys AS SELECT * FROM ${chunk?.name}`);
    await wake('dead_letters', 'policy_retention');
    await eventually('its failure is seen', async () =>
      (await db.lines()).some((line) => line.startsWith('runs')),
    );
    const run = (await db.verify()).find(({ check }) => check === 'runs');
    expect(run).toMatchObject({ subject: 'dead_letters retention', verdict: 'lagging' });
    expect(run?.actual).toMatch(/^job \d+ failed \d+ times? in a row: .*depend.* \(2BP01\)$/s);
    await db.sql('DROP VIEW somebodys');
    await wake('dead_letters', 'policy_retention');
    await eventually('it ran', async () => (await db.lines()).length === 0);
  });
});

describeReal('what the server says of its jobs', () => {
  let db: PolicyDatabase;
  let id: number | undefined;
  beforeAll(async () => {
    db = await openPolicyDatabase();
    [id] = await db.jobs('sensor_readings', 'policy_retention');
  });
  afterAll(() => db?.close());

  const history = (started: string, next: string) =>
    db.sql(`UPDATE _timescaledb_internal.bgw_job_stat SET last_start = ${started}, last_finish = ${started},
      next_start = ${next} WHERE job_id = ${id}`);

  describe.each([
    ['overdue', `now() - INTERVAL '3 hours'`, 'lagging', /^job \d+ was due 3 hours ago$/],
    ['stuck since a failover', `'-infinity'`, 'stalled', /^job \d+ has no next start/],
  ])('%s', (_, next, verdict, actual) => {
    test('is reported, and woken as the remedy says', async () => {
      await history(`now() - INTERVAL '4 hours'`, next);
      const [finding, ...others] = await db.verify();
      expect(others).toEqual([]);
      expect(finding).toMatchObject({ subject: 'sensor_readings retention', verdict });
      expect(finding?.actual).toMatch(actual);
      await db.sql(/SELECT alter_job\([^;]+/.exec(finding?.remedy ?? '')?.[0] ?? '');
      expect(await db.lines()).toEqual([]);
    });
  });

  test('failures that pass by themselves are reported when three in a row did not, whatever else is counted', async () => {
    const ended = (minutesAgo: number, code: string) =>
      db.sql(`INSERT INTO _timescaledb_internal.bgw_job_stat_history
          (job_id, pid, execution_start, execution_finish, succeeded, data)
        SELECT ${id}, 1, t, t, false, '{"error_data": {"sqlerrcode": "${code}", "message": "m"}}'
        FROM (SELECT now() - INTERVAL '${minutesAgo} minutes' AS t) at`);
    await history(`now() - INTERVAL '1 minute'`, `now() + INTERVAL '1 hour'`);
    await db.sql(
      `UPDATE _timescaledb_internal.bgw_job_stat SET consecutive_failures = 57 WHERE job_id = ${id}`,
    );
    await ended(9, '40001');
    await ended(8, '24000');
    await ended(7, '40001');
    await ended(6, '57014');
    expect(await db.lines()).toEqual([]);
    await ended(5, '40P01');
    expect(await db.verify()).toMatchObject([
      { check: 'runs', actual: expect.stringContaining('failed 3 times in a row: m (40P01)') },
    ]);
  });
});
