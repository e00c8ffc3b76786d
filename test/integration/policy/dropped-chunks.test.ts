import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ClosableCatalog, createCatalog } from '../../../src/adapters/timescale/policy/catalog.ts';
import { createStatementExecutor } from '../../../src/adapters/timescale/policy/statement-executor.ts';
import { assess } from '../../../src/core/policy/assess.ts';
import { REPAIR_EFFECTS } from '../../../src/core/policy/check.ts';
import { historyCheck } from '../../../src/core/policy/check/history.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import { noteDropped, noteHorizons } from '../../../src/core/policy/horizons.ts';
import type { PolicyPlan } from '../../../src/core/policy/plan.ts';
import { noteChunks } from '../../../src/core/policy/seen-chunks.ts';
import { runRepair } from '../../../src/services/policy/repair-runner.ts';
import { planWith } from '../../support/policy-plan.ts';
import { describeReal } from '../../support/server-db.ts';
import {
  type TamperedDatabase,
  addDayOfReadings,
  openTamperedDatabase,
} from '../../support/tampered-database.ts';

let db: TamperedDatabase;
beforeAll(async () => {
  db = await openTamperedDatabase();
  await addDayOfReadings(db);
}, 180_000);
afterAll(() => db.close());

/** Rows come with long pauses, and no aggregate says what there was: only the chunks that were seen do. */
describe('chunks of tables that nothing is built on', () => {
  const day = (daysAgo: number) => `date_trunc('day', now()) - INTERVAL '${daysAgo} days'`;
  const rows: Readonly<Record<string, (at: string) => string>> = {
    app_metrics: (at) =>
      `INSERT INTO app_metrics (time, host, metric_name, value) VALUES (${at}, 'h', 'spoiled', 5)`,
    sensor_alerts: (at) =>
      `INSERT INTO sensor_alerts (time, sensor_id, alert_type, message, value, threshold) VALUES (${at}, 1, 'temperature_high', '', 1, 1)`,
    dead_letters: (at) =>
      `INSERT INTO dead_letters (received_at, topic, payload, reason) VALUES (${at}, 't', '', 'r')`,
  };
  const fill = (relation: string, daysAgo: number) => db.sql(rows[relation]?.(day(daysAgo)) ?? '');
  const chunk = async (relation: string, daysAgo: number) => {
    const [row] = await db.sql<{ name: string; lo: Date; hi: Date }>(
      `SELECT format('%I.%I', chunk_schema, chunk_name) AS name, range_start AS lo, range_end AS hi
       FROM timescaledb_information.chunks c LEFT JOIN timescaledb_information.continuous_aggregates a
         ON a.materialization_hypertable_name = c.hypertable_name WHERE coalesce(a.view_name, c.hypertable_name) = $1
         AND range_start <= ${day(daysAgo)} AND range_end > ${day(daysAgo)}`,
      [relation],
    );
    return row as { name: string; lo: Date; hi: Date };
  };
  const time = (at: Date) => at.toISOString().replace('.000Z', 'Z');

  beforeAll(async () => {
    await db.sql('TRUNCATE app_metrics, sensor_alerts, dead_letters');
    for (const daysAgo of [2, 1, 0]) await fill('app_metrics', daysAgo);
    for (const daysAgo of [300, 150, 40]) await fill('sensor_alerts', daysAgo);
    for (const daysAgo of [25, 12, 11]) await fill('dead_letters', daysAgo);
    await db.sql(noteChunks(db.plan));
  });
  afterAll(() => db.sql('DELETE FROM storage_chunks'));

  test.each([
    ['app_metrics', 1],
    ['sensor_alerts', 150],
    ['dead_letters', 25],
  ] as const)('%s', async (relation, daysAgo) => {
    const gone = await chunk(relation, daysAgo);
    await db.sql(`DROP TABLE ${gone.name}`);
    const finding = await db.found();
    expect(finding).toMatchObject({
      ...{ check: 'gaps', subject: relation, verdict: 'missing', severity: 'warning' },
      actual: expect.stringContaining(`: ${time(gone.lo)} to ${time(gone.hi)}`),
    });
    // What is restored is found no more, and what is gone for good can be said to be.
    await fill(relation, daysAgo);
    expect(await db.lines()).toEqual([]);
    await db.sql(`DROP TABLE ${(await chunk(relation, daysAgo)).name}`);
    await db.applyRemedy(await db.found());
    await db.sql(noteChunks(db.plan));
  });

  test.each([
    ['that was emptied', false],
    ['whose compressed rows were', true],
  ])('a chunk %s, by TRUNCATE', async (_, compressed) => {
    const emptied = await chunk('app_metrics', 2);
    if (compressed) await db.sql(`SELECT compress_chunk('${emptied.name}')`);
    const [behind] = await db.sql<{ name: string | null }>(
      `SELECT compress_relid::text AS name FROM _timescaledb_catalog.compression_settings WHERE relid = '${emptied.name}'::regclass`,
    );
    const before = await db.sql('SELECT * FROM app_metrics ORDER BY 1');
    await db.sql(`TRUNCATE ${behind?.name ?? emptied.name}`);
    // What the daemon notes meanwhile takes nothing away.
    await db.sql(noteChunks(db.plan));
    const finding = await db.found();
    expect(finding).toMatchObject({
      ...{ check: 'gaps', subject: 'app_metrics', verdict: 'missing', severity: 'warning' },
      actual: expect.stringContaining(`: ${time(emptied.lo)} to ${time(emptied.hi)}`),
    });
    await db.applyRemedy(finding);
    await db.sql(noteChunks(db.plan));
    expect(await db.lines()).toEqual([]);
    await fill('app_metrics', 2);
    if (compressed) await db.sql(`SELECT decompress_chunk('${emptied.name}')`);
    expect(await db.sql('SELECT * FROM app_metrics ORDER BY 1')).toEqual(before);
    await db.sql(noteChunks(db.plan));
  });

  // The embedded server counts no rows.
  describeReal('after VACUUM', () => {
    test.each([false, true])(
      'one whose rows were deleted one by one (compressed: %s)',
      async (compressed) => {
        const emptied = await chunk('app_metrics', 0);
        if (compressed) await db.sql(`SELECT compress_chunk('${emptied.name}')`);
        await db.sql('DELETE FROM app_metrics WHERE time >= $1 AND time < $2', [emptied.lo, emptied.hi]);
        await db.sql('SELECT pg_stat_force_next_flush()');
        await db.sql('VACUUM app_metrics');
        expect(await db.lines()).toEqual([]);
        await db.sql(noteChunks(db.plan));
        expect(await db.sql(`SELECT FROM storage_chunks WHERE relation = 'app_metrics'`)).toHaveLength(1);
        if (compressed) await db.sql(`SELECT decompress_chunk('${emptied.name}')`);
        await fill('app_metrics', 0);
        await db.sql(noteChunks(db.plan));
      },
    );
  });

  test('a chunk that was detached', async () => {
    const detached = await chunk('dead_letters', 12);
    await db.sql(`CALL detach_chunk('${detached.name}')`);
    const finding = await db.found();
    expect(finding.remedy).toMatch(/^CALL attach_chunk\(/);
    await db.applyRemedy(finding);
    expect((await chunk('dead_letters', 12)).name).toBe(detached.name);
  });

  test('all of a table, by TRUNCATE, are one range for each that adjoins', async () => {
    await db.sql('TRUNCATE dead_letters');
    const finding = await db.found();
    expect(finding.actual).toMatch(/^1 range without/);
    await fill('dead_letters', 12);
    await fill('dead_letters', 11);
  });

  test('what is dropped on purpose is no finding: by retention, by `storage drop`, row by row', async () => {
    const longer = planWith({ hypertables: { dead_letters: { retention: { after: '60 days' } } } });
    await fill('dead_letters', 50);
    await db.sql(noteHorizons(longer));
    await db.sql(noteChunks(longer));
    await db.sql(`SELECT drop_chunks('dead_letters', older_than => INTERVAL '30 days')`);
    expect((await db.lines(longer)).filter((line) => line.startsWith('gaps'))).toHaveLength(1);
    expect(await db.lines()).toEqual([]);
    await db.sql(noteChunks(db.plan));
    const [left] = await db.sql<{ n: number }>(
      `SELECT count(*)::int AS n FROM storage_chunks WHERE relation = 'dead_letters'`,
    );
    expect(left?.n).toBe(2);
    await db.sql(`DELETE FROM dead_letters WHERE received_at < ${day(11)}`);
    expect(await db.lines()).toEqual([]);
    await db.sql(noteDropped('sensor_alerts', '45 days').sql);
    await db.sql(`SELECT drop_chunks('sensor_alerts', older_than => INTERVAL '45 days')`);
    expect(await db.lines()).toEqual([]);
    await db.sql(noteHorizons(db.plan));
    await db.sql(noteChunks(db.plan));
  });
});

/** Twenty days of an hour each, and what is gone of them. */
describe('chunks that were dropped before their time', () => {
  let plan: PolicyPlan;
  let repair: (only: string) => Promise<unknown>;
  let catalog: ClosableCatalog;
  let close: () => Promise<void>;
  const history = () =>
    db.sql(`SELECT (SELECT md5(string_agg(h::text, ',' ORDER BY h)) FROM sensor_hourly_agg h) AS hours,
      (SELECT md5(string_agg(d::text, ',' ORDER BY d)) FROM sensor_daily_agg d) AS days`);
  const chunk = async (daysAgo: number) => {
    const [row] = await db.sql<{ name: string; lo: Date; hi: Date }>(
      `SELECT format('%I.%I', chunk_schema, chunk_name) AS name, range_start AS lo, range_end AS hi
       FROM timescaledb_information.chunks WHERE hypertable_name = 'sensor_readings'
         AND range_start <= now() - INTERVAL '${daysAgo} days' AND range_end > now() - INTERVAL '${daysAgo} days'`,
    );
    return row as { name: string; lo: Date; hi: Date };
  };
  const span = ({ lo, hi }: { lo: Date; hi: Date }) =>
    [lo, hi].map((time) => time.toISOString().replace('.000Z', 'Z')).join(' to ');
  const fill = (from: string, until: string) =>
    db.sql(
      `INSERT INTO sensor_readings (time, sensor_id, temperature) SELECT t, 1, 20
       FROM generate_series($1::timestamptz, $2::timestamptz - INTERVAL '1 microsecond', INTERVAL '10 minutes') t
       ON CONFLICT DO NOTHING`,
      [from, until],
    );

  beforeAll(async () => {
    plan = db.plan;
    catalog = createCatalog({ url: db.url });
    const executor = createStatementExecutor({ url: db.url });
    repair = (only) =>
      runRepair({
        ...{ catalog, executor, plan, checks: CHECKS, only: [only], effects: REPAIR_EFFECTS },
        signal: new AbortController().signal,
      });
    close = async () => {
      await executor.close();
      await catalog.close();
    };
    const [span] = await db.sql<{ lo: string; hi: string }>(
      `SELECT date_trunc('day', now() - INTERVAL '20 days')::text AS lo, date_trunc('day', now())::text AS hi`,
    );
    await fill(span?.lo ?? '', span?.hi ?? '');
    for (const view of ['sensor_hourly_agg', 'sensor_daily_agg'])
      await db.sql(`CALL refresh_continuous_aggregate('${view}', NULL, now() - INTERVAL '5 minutes')`);
    await db.sql(
      `SELECT compress_chunk(c) FROM show_chunks('sensor_readings', older_than => INTERVAL '7 days') c`,
    );
    expect(await db.lines()).toEqual([]);
  });
  afterAll(() => close());

  test.each([
    ['one in the middle, by DROP TABLE', 10, ({ name }: { name: string }) => `DROP TABLE ${name}`, 'warning'],
    ['one that is there and empty', 9, ({ name }: { name: string }) => `TRUNCATE ${name}`, 'warning'],
    [
      'one in the refresh window',
      2,
      ({ lo, hi }: { lo: Date; hi: Date }) =>
        `SELECT drop_chunks('sensor_readings', newer_than => '${lo.toISOString()}'::timestamptz, older_than => '${hi.toISOString()}'::timestamptz)`,
      'critical',
    ],
  ])('%s', async (_, daysAgo, drop, severity) => {
    const before = await history();
    const gone = await chunk(daysAgo);
    await db.sql(drop(gone));
    const finding = await db.found();
    expect(finding).toMatchObject({
      ...{ check: 'gaps', subject: 'sensor_readings', verdict: 'missing', severity },
      actual: expect.stringContaining(gone.lo.toISOString().slice(0, 13)),
    });
    // No repair of ours refreshes there.
    for (const only of ['late', 'refresh', 'audit']) await repair(only);
    expect(await history()).toEqual(before);
    if (severity === 'critical') {
      // Another program may have an aggregate of that name.
      expect(finding.remedy).toContain(`hypertable_schema = 'public' AND hypertable_name`);
      await db.applyRemedy(finding);
      expect(await db.lines()).toContain('policies | sensor_hourly_agg refresh | paused');
    }
    // Restored from a backup, and the job resumed: all is as it was.
    await fill(gone.lo.toISOString(), gone.hi.toISOString());
    if (daysAgo > 7) await db.sql(`SELECT compress_chunk('${(await chunk(daysAgo)).name}')`);
    for (const only of ['policies', 'late']) await repair(only);
    expect(await history()).toEqual(before);
  });

  test('a chunk that was detached', async () => {
    const before = await history();
    const detached = await chunk(2);
    await db.sql(`CALL detach_chunk('${detached.name}')`);
    const finding = await db.found();
    expect(finding).toMatchObject({
      check: 'gaps',
      severity: 'critical',
      actual: expect.stringContaining(`: ${span(detached)}`),
    });
    expect(finding.remedy).toMatch(/^at once, .*: CALL attach_chunk\(/);
    await db.applyRemedy(finding);
    expect(await history()).toEqual(before);
  });

  // The embedded server counts no rows.
  describeReal('before VACUUM', () => {
    test('one whose rows were deleted', async () => {
      const before = await history();
      const emptied = await chunk(4);
      const range = [emptied.lo, emptied.hi];
      await db.sql(
        'CREATE TABLE kept AS SELECT * FROM sensor_readings WHERE time >= $1 AND time < $2',
        range,
      );
      await db.sql(`DELETE FROM sensor_readings WHERE time >= $1 AND time < $2`, range);
      await db.sql('SELECT pg_stat_force_next_flush()');
      expect(await db.found()).toMatchObject({
        check: 'gaps',
        actual: expect.stringContaining(`: ${span(emptied)}`),
      });
      await db.sql('INSERT INTO sensor_readings SELECT * FROM kept; DROP TABLE kept');
      await repair('late');
      expect(await history()).toEqual(before);
    });
  });

  test('hours of history that a forced refresh took, when their readings were gone', async () => {
    const before = await history();
    const old = `date_trunc('day', now()) - INTERVAL '100 days'`;
    await db.sql(
      `INSERT INTO sensor_readings (time, sensor_id, temperature) SELECT t, 1, 20 FROM generate_series(${old}, ${old} + INTERVAL '47 hours', INTERVAL '1 hour') t`,
    );
    for (const view of ['sensor_hourly_agg', 'sensor_daily_agg'])
      await db.sql(`CALL refresh_continuous_aggregate('${view}', ${old}, ${old} + INTERVAL '2 days')`);
    await db.sql(`SELECT drop_chunks('sensor_readings', older_than => INTERVAL '97 days')`);
    expect(await db.lines()).toEqual([]);
    await db.sql(
      `CALL refresh_continuous_aggregate('sensor_hourly_agg', ${old}, ${old} + INTERVAL '2 days', force => true)`,
    );
    const [gone] = await db.sql<{ lo: Date; hi: Date }>(
      `SELECT ${old} AS lo, ${old} + INTERVAL '2 days' AS hi`,
    );
    const [first, second] = [await db.found(), await db.found()];
    expect(first).toMatchObject({
      check: 'gaps',
      subject: 'sensor_hourly_agg',
      severity: 'warning',
      actual: expect.stringContaining(`: ${gone && span(gone)}`),
    });
    // The readings are gone: no refresh is proposed. What is said stays the same.
    expect(first.remedy).toMatch(/^restore the rows/);
    expect(second).toEqual(first);
    await db.sql(
      `CALL refresh_continuous_aggregate('sensor_daily_agg', ${old}, ${old} + INTERVAL '2 days', force => true)`,
    );
    expect(await history()).toEqual(before);
  });

  describe('rows that were deleted by hand from an aggregate', () => {
    const materialized = async (view: string) => {
      const [row] = await db.sql<{ name: string }>(
        `SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) AS name
         FROM timescaledb_information.continuous_aggregates WHERE view_name = '${view}'`,
      );
      return row?.name ?? '';
    };
    /** As `fieldwatch storage refresh … --force` does it: in whole buckets. */
    const refreshed = async (remedy: string) => {
      const commands = [...remedy.matchAll(/storage refresh (\w+) --from (\S+) --to (\S+) --force/g)];
      for (const [, view, from, to] of commands)
        await db.sql(
          `CALL refresh_continuous_aggregate('${view}', '${from}'::timestamptz, '${to}'::timestamptz, force => true)`,
        );
      return commands.map(([, view]) => view);
    };

    test.each([
      ['sensor_hourly_agg', 'hour'],
      ['sensor_daily_agg', 'day'],
    ])('%s', async (view, time) => {
      const before = await history();
      await db.sql(
        `DELETE FROM ${await materialized(view)} WHERE ${time} BETWEEN now() - INTERVAL '12 days' AND now() - INTERVAL '9 days'`,
      );
      const finding = await db.found();
      expect(finding).toMatchObject({ check: 'audit', subject: view, severity: 'critical' });
      // Where the audit does not look, the counts of the two differ.
      const counts = await assess(catalog, plan, [historyCheck]);
      expect(counts.findings).toMatchObject([{ check: 'history', subject: view, severity: 'critical' }]);
      for (const only of ['late', 'refresh']) await repair(only);
      expect(await refreshed(finding.remedy)).toEqual([view]);
      // Before 2.28 a forced refresh leaves what it covered in the log of the aggregate above it.
      await repair('late');
      expect(await history()).toEqual(before);
    });
  });

  test('figures of the hourly aggregate that were changed by hand stay out of the daily one', async () => {
    const before = await history();
    const [hourly] = await db.sql<{ name: string }>(
      `SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) AS name
       FROM timescaledb_information.continuous_aggregates WHERE view_name = 'sensor_hourly_agg'`,
    );
    await db.sql(
      `UPDATE ${hourly?.name} SET max_temp = 99, last_battery = 3 WHERE hour BETWEEN now() - INTERVAL '13 days' AND now() - INTERVAL '10 days'`,
    );
    const finding = await db.found();
    expect(finding).toMatchObject({
      ...{ check: 'audit', subject: 'sensor_hourly_agg', severity: 'critical' },
      actual: expect.stringMatching(/differ in last_battery, max_temp, from /),
    });
    await repair('late');
    const [daily] = await db.sql<{ max: number }>('SELECT max(max_temp) FROM sensor_daily_agg');
    expect(daily?.max).toBe(20);
    for (let round = 0; round < 3; round++) for (const only of ['audit', 'late']) await repair(only);
    expect(await history()).toEqual(before);
    // Readings that are corrected later, in compressed chunks, are no change by hand of the aggregate.
    await db.sql(
      `UPDATE sensor_readings SET temperature = 20.5 WHERE time BETWEEN now() - INTERVAL '13 days' AND now() - INTERVAL '12 days'`,
    );
    expect((await db.lines()).filter((line) => line.startsWith('audit'))).toEqual([]);
    for (const only of ['late', 'late']) await repair(only);
    expect((await db.lines()).filter((line) => !line.startsWith('compression'))).toEqual([]);
    await db.sql(`UPDATE sensor_readings SET temperature = 20 WHERE temperature = 20.5`);
    for (const only of ['late', 'late', 'compression']) await repair(only);
    expect(await history()).toEqual(before);
  });

  test('all but the youngest', async () => {
    const before = await history();
    await db.sql(`SELECT drop_chunks('sensor_readings', older_than => INTERVAL '8 days')`);
    const finding = await db.found();
    expect(finding).toMatchObject({ check: 'gaps', subject: 'sensor_readings', severity: 'warning' });
    for (const only of ['late', 'refresh', 'audit']) await repair(only);
    expect(await history()).toEqual(before);
    // Dropped on purpose, which is noted: by `storage drop`, or by a retention that was shorter until now.
    const gaps = async () => (await db.lines()).filter((line) => line.startsWith('gaps'));
    const shorter = planWith({
      hypertables: { sensor_readings: { retention: { after: '8 days' }, compression: { after: '6 days' } } },
    });
    for (const note of [noteDropped('sensor_readings', '8 days').sql, noteHorizons(shorter)]) {
      await db.sql('DELETE FROM storage_horizons');
      expect(await gaps()).toHaveLength(1);
      await db.sql(noteHorizons(planWith({})));
      expect(await gaps()).toHaveLength(1);
      await db.sql(note);
      await db.sql(noteHorizons(planWith({})));
      expect(await gaps()).toEqual([]);
    }
    await db.sql('DELETE FROM storage_horizons');
    // Where no retention is declared nothing is known of what should be there; what is older than it is gone rightly.
    const kept = planWith({
      hypertables: { sensor_readings: { retention: { after: '8 days' }, compression: { after: '6 days' } } },
    });
    expect((await db.lines(kept)).filter((line) => line.startsWith('gaps'))).toEqual([]);
    await db.sql(`DELETE FROM sensor_readings`);
    await db.sql(`SELECT drop_chunks('sensor_readings', older_than => now() + INTERVAL '10 days')`);
    for (const view of ['sensor_hourly_agg', 'sensor_daily_agg'])
      await db.sql(`CALL refresh_continuous_aggregate('${view}', NULL, now() + INTERVAL '5 days')`);
  });
});
