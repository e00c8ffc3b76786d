import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Finding } from '../../../src/core/policy/finding.ts';
import { eventually } from '../../support/eventually.ts';
import { PgBouncer } from '../../support/pgbouncer.ts';
import { postgresBin } from '../../support/postgres-server.ts';
import {
  type OwnedDatabase,
  TimescaleCluster,
  describeCluster,
  statementsOf,
} from '../../support/timescale-cluster.ts';

/** What is wrong with the server or the database as a whole: one finding, whose remedy is run as it stands. */
describeCluster('a server of its own', () => {
  let cluster: TimescaleCluster;
  let db: OwnedDatabase;
  beforeAll(async () => {
    cluster = await TimescaleCluster.start();
    db = await cluster.database('fieldwatch');
    await db.owner(`INSERT INTO sensors (key) VALUES ('a')`, insert(0), insert(1));
    expect(await db.verify()).toEqual([]);
    // A job that came due while a test has spoiled its rights would fail, and be a finding of the tests that follow.
    await db.owner(
      `SELECT alter_job(job_id, next_start => now() + 0.9 * schedule_interval) FROM timescaledb_information.jobs WHERE job_id >= 1000`,
    );
  }, 180_000);
  afterAll(() => cluster.stop());
  afterEach(async () => expect(await db.verify()).toEqual([]));

  // The hour that is under way: nothing of it is due to be aggregated.
  const hour = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000).toISOString();
  const insert = (second: number, values = '20, NULL') =>
    `INSERT INTO sensor_readings (time, sensor_id, temperature, humidity)
     VALUES (TIMESTAMPTZ '${hour}' - INTERVAL '${second} seconds' + INTERVAL '2 minutes', 1, ${values})`;
  const readings = () =>
    db.owner(`SELECT temperature, humidity FROM sensor_readings ORDER BY time DESC, temperature, humidity`);

  test('a restore that was not ended, and the rows that went to root tables meanwhile', async () => {
    await db.root('SELECT timescaledb_pre_restore()');
    await db.owner(
      ...[insert(2), insert(1, '99, 50')],
      `INSERT INTO dead_letters (received_at, topic, payload, reason) VALUES (now(), 't', '', 'r')`,
      `INSERT INTO app_metrics (time, host, metric_name, value) VALUES (now(), 'h', 'm', 1), (now(), 'h', 'm', 1)`,
    );
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      ...{ check: 'server', severity: 'critical' },
      actual: expect.stringContaining('timescaledb.restoring = on'),
    });
    await applyRemedy(finding as Finding);
    expect(await readings()).toHaveLength(2);
    const lost = await db.verify();
    expect(lost).toMatchObject([
      { check: 'root_rows', subject: 'app_metrics', actual: expect.stringContaining('2 rows in the root') },
      { subject: 'dead_letters', actual: expect.stringContaining('1 row in the root') },
      { subject: 'sensor_readings', actual: expect.stringContaining('2 rows in the root') },
    ]);
    for (const finding of lost) await applyRemedy(finding);
    // What was stored stays, and the value that it lacked is filled in.
    expect(await readings()).toEqual([
      { temperature: 20, humidity: null },
      { temperature: 20, humidity: 50 },
      { temperature: 20, humidity: null },
    ]);
    const [counts] = await db.owner(`SELECT (SELECT count(*)::int FROM dead_letters) AS letters,
      (SELECT count(*)::int FROM app_metrics) AS figures`);
    expect(counts).toEqual({ letters: 1, figures: 2 });
  });

  test('the library is not loaded any more', async () => {
    await cluster.restart({ preload: false });
    const findings = await db.verify();
    expect(findings).toMatchObject([
      {
        ...{ check: 'server', severity: 'critical' },
        actual: expect.stringContaining('not among shared_preload_libraries'),
        remedy: expect.stringContaining(`shared_preload_libraries = 'timescaledb'`),
      },
    ]);
    // The line of the remedy is the one that the server has in its file.
    await cluster.restart({ preload: true });
    // The launcher starts the scheduler of each database a moment after the server takes connections.
    await eventually('the scheduler is back', async () => (await db.verify()).length === 0);
  });

  test.each(['timescaledb.restoring', 'timescaledb.disable_load'])('%s is on for the role', async (name) => {
    await db.root(`ALTER ROLE fieldwatch_owner IN DATABASE fieldwatch SET ${name} = on`);
    const finding = await found();
    expect(finding).toMatchObject({ check: 'server', actual: expect.stringContaining(`${name} = on`) });
    await applyRemedy(finding);
  });

  test('loading it is switched off for the database', async () => {
    await db.root(`ALTER DATABASE fieldwatch SET timescaledb.disable_load = on`);
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ actual: expect.stringContaining('timescaledb.disable_load = on') });
    await applyRemedy(finding as Finding);
  });

  /** The only finding. */
  async function found(using = db): Promise<Finding> {
    const findings = await using.verify();
    expect(findings).toHaveLength(1);
    return findings[0] as Finding;
  }
  const applyRemedy = ({ remedy }: Finding, using = db) => using.root(...statementsOf(remedy));

  describe('owner and rights: the cause, and not what follows from it', () => {
    const faults: [string, string[], object][] = [
      [
        'an owner without LOGIN',
        // The daemon may be a member of the owner: what it says then is the same.
        ['ALTER ROLE fieldwatch_owner NOLOGIN'],
        { subject: 'role fieldwatch_owner', remedy: 'as superuser: ALTER ROLE fieldwatch_owner LOGIN;' },
      ],
      [
        'the owner of one table',
        ['ALTER TABLE sensor_readings OWNER TO stranger'],
        { subject: 'owner', actual: 'stranger owns sensor_readings' },
      ],
      [
        'the owner of an aggregate and a plain table',
        [
          'ALTER MATERIALIZED VIEW sensor_hourly_agg OWNER TO stranger',
          'ALTER TABLE sensors OWNER TO stranger',
        ],
        {
          subject: 'owner',
          actual: expect.stringMatching(
            /^stranger owns (sensors, sensor_hourly_agg|sensor_hourly_agg, sensors)$/,
          ),
        },
      ],
      [
        'INSERT',
        ['REVOKE INSERT ON sensor_readings, dead_letters FROM fieldwatch_owner'],
        {
          subject: 'rights',
          actual: expect.stringMatching(
            /^fieldwatch_owner has no INSERT on (sensor_readings, dead_letters|dead_letters, sensor_readings)$/,
          ),
        },
      ],
      [
        'SELECT of what most checks read',
        ['REVOKE SELECT ON sensor_readings, sensors, sensor_hourly_agg FROM fieldwatch_owner'],
        { subject: 'rights', actual: expect.stringContaining('fieldwatch_owner has no SELECT on') },
      ],
      [
        'everything',
        ['REVOKE ALL ON ALL TABLES IN SCHEMA public FROM fieldwatch_owner'],
        { subject: 'rights' },
      ],
      [
        'USAGE of the schema',
        ['REVOKE USAGE ON SCHEMA public FROM PUBLIC, fieldwatch_owner'],
        {
          subject: 'schema public',
          remedy: 'as superuser: GRANT USAGE ON SCHEMA public TO fieldwatch_owner;',
        },
      ],
      [
        'EXECUTE of all functions of the schema of the extension',
        ['REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA public FROM PUBLIC'],
        {
          subject: 'timescaledb',
          remedy: 'as superuser: GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO fieldwatch_owner;',
        },
      ],
      [
        'EXECUTE of a function that only jobs call',
        [
          'REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA _timescaledb_functions FROM PUBLIC',
          'GRANT EXECUTE ON ALL ROUTINES IN SCHEMA _timescaledb_functions TO fieldwatch_owner',
          'REVOKE EXECUTE ON PROCEDURE _timescaledb_functions.policy_compression(int, jsonb) FROM fieldwatch_owner',
        ],
        {
          subject: 'timescaledb',
          actual: expect.stringMatching(
            /^fieldwatch_owner has no EXECUTE ON ROUTINE _timescaledb_functions.policy_compression/,
          ),
        },
      ],
      [
        'temporary tables',
        ['REVOKE TEMPORARY ON DATABASE fieldwatch FROM PUBLIC, fieldwatch_owner'],
        { subject: 'database fieldwatch' },
      ],
    ];
    let bouncer: PgBouncer;
    beforeAll(async () => {
      await db.root('CREATE ROLE stranger', 'CREATE ROLE member LOGIN SUPERUSER PASSWORD $$member$$');
      bouncer = await PgBouncer.start({ mode: 'session', target: db.url });
    });
    afterAll(() => bouncer.stop());

    test.each(faults)('%s', async (name, spoil, expected) => {
      await db.root(...spoil);
      // A pooler keeps connections that were made when all was well.
      const urls = name.includes('LOGIN')
        ? [db.url.replace(/fieldwatch_owner:[^@]*/, 'member:member')]
        : [db.url, ...(name.startsWith('USAGE') || name === 'INSERT' ? [bouncer.url] : [])];
      let findings: readonly Finding[] = [];
      for (const url of urls) {
        findings = await db.verify(url);
        expect(findings).toMatchObject([{ check: 'rights', severity: 'critical', ...expected }]);
      }
      await applyRemedy(findings[0] as Finding);
      if (urls.includes(bouncer.url)) expect(await db.verify(bouncer.url)).toEqual([]);
      const second = 10 + faults.findIndex(([each]) => each === name);
      await db.owner(
        insert(second),
        `INSERT INTO dead_letters (received_at, topic, payload, reason) VALUES (now(), 't', '', 'r')`,
        'CREATE TEMP TABLE staging (LIKE sensor_readings)',
        `SELECT alter_job(job_id, scheduled => true) FROM timescaledb_information.jobs WHERE job_id >= 1000`,
      );
    });

    test('a setting that makes sessions act as a role without rights', async () => {
      await db.root('CREATE ROLE other', 'GRANT other TO fieldwatch_owner');
      await db.root('ALTER ROLE fieldwatch_owner IN DATABASE fieldwatch SET role = other');
      const finding = await found();
      expect(finding).toMatchObject({
        ...{ check: 'rights', subject: 'role', severity: 'critical' },
        remedy: 'as superuser: ALTER ROLE fieldwatch_owner IN DATABASE fieldwatch RESET role;',
      });
      await applyRemedy(finding);
    });

    test.each([
      'USAGE ON SCHEMA _timescaledb_functions',
      'USAGE ON SCHEMA _timescaledb_catalog, _timescaledb_internal',
      'USAGE ON SCHEMA timescaledb_information',
      'SELECT ON ALL TABLES IN SCHEMA _timescaledb_catalog',
      'SELECT ON timescaledb_information.jobs, timescaledb_information.hypertables',
    ])('%s, taken from everyone', async (right) => {
      await db.root(`REVOKE ${right} FROM PUBLIC`);
      const finding: unknown = await found().catch((error: unknown) => error);
      // Without some of them nothing can be verified: the error has the remedy.
      expect(finding).toMatchObject({
        remedy: expect.stringMatching(/^as superuser: GRANT .* TO fieldwatch_owner;$/i),
      });
      await applyRemedy(finding as Finding);
      expect(await db.verify()).toEqual([]);
      await db.root(`GRANT ${right} TO PUBLIC`);
    });

    const ofOthers: [string, string, object][] = [
      [
        'fieldwatch_dashboard SELECT',
        'SELECT ON sensor_readings, sensor_hourly_agg FROM fieldwatch_dashboard',
        { severity: 'warning' },
      ],
      [
        'fieldwatch_ingest INSERT',
        'INSERT ON sensors, dead_letters FROM fieldwatch_ingest',
        { severity: 'warning' },
      ],
      [
        'fieldwatch_ingest SELECT',
        'SELECT ON sensor_metrics FROM fieldwatch_ingest',
        { severity: 'warning' },
      ],
    ];
    test.each(ofOthers)('%s, as roles.sql gives it', async (subject, revoke, expected) => {
      await db.root(`REVOKE ${revoke}`);
      const finding = await found();
      expect(finding).toMatchObject({ check: 'rights', subject, ...expected });
      await applyRemedy(finding);
    });

    test('USAGE of the schema, of the dashboard', async () => {
      await db.root('REVOKE USAGE ON SCHEMA public FROM PUBLIC, fieldwatch_dashboard');
      const finding = await found();
      expect(finding).toMatchObject({ subject: 'fieldwatch_dashboard SELECT' });
      await applyRemedy(finding);
      await db.root('GRANT USAGE ON SCHEMA public TO PUBLIC');
    });

    test('a restore with --no-owner', async () => {
      const run = promisify(execFile);
      const program = (name: string) => join(postgresBin() ?? '', name);
      const file = join(cluster.server.socketDir, 'dump');
      await run(program('pg_dump'), ['-Fc', '-f', file, '-d', db.rootUrl]);
      const restored = await cluster.emptyDatabase('restored');
      await restored.root('CREATE EXTENSION timescaledb', 'SELECT timescaledb_pre_restore()');
      await run(program('pg_restore'), ['--no-owner', '-d', restored.rootUrl, file]).catch(() => undefined);
      await restored.root('SELECT timescaledb_post_restore()');
      const hasScheduler = async () => (await restored.verify()).every(({ check }) => check !== 'server');
      await eventually('the scheduler of the new database is there', hasScheduler);
      const finding = await found(restored);
      expect(finding).toMatchObject({
        ...{ check: 'rights', subject: 'owner', severity: 'critical' },
        actual: expect.stringMatching(/^postgres owns all \d+ tables and views$/),
      });
      await applyRemedy(finding, restored);
      // Jobs that had failed for it say so until their next run.
      await restored.root(
        `SELECT alter_job(job_id, next_start => now()) FROM timescaledb_information.jobs WHERE job_id >= 1000`,
      );
      await eventually('no finding', async () => (await restored.verify()).length === 0);
      expect(await restored.owner('SELECT count(*)::int AS n FROM sensor_readings')).toEqual(
        await db.owner('SELECT count(*)::int AS n FROM sensor_readings'),
      );
    });
  });

  describe('settings, at whatever level', () => {
    const levels: [string, string][] = [
      [
        'the role fieldwatch_owner in this database',
        'ALTER ROLE fieldwatch_owner IN DATABASE fieldwatch SET',
      ],
      ['the role fieldwatch_owner', 'ALTER ROLE fieldwatch_owner SET'],
      ['the database fieldwatch', 'ALTER DATABASE fieldwatch SET'],
      ['all roles', 'ALTER ROLE ALL SET'],
      ['the server', 'ALTER SYSTEM SET'],
    ];
    const reload = 'SELECT pg_reload_conf()';

    test.each(levels)('read-only by %s', async (where, set) => {
      await db.root(`${set} default_transaction_read_only = on`, reload);
      const finding = await seen('read_only');
      expect(finding).toMatchObject({
        ...{ subject: 'default_transaction_read_only', severity: 'critical' },
        actual: expect.stringContaining(`set for ${where}:`),
      });
      // The session that repairs it is read-only as well; these statements are allowed nevertheless.
      await applyRemedy(finding);
      await settled();
    });

    test.each(levels)('commits that are not waited for, by %s', async (where, set) => {
      await db.root(`${set} synchronous_commit = off`, reload);
      const finding = await seen('durability');
      expect(finding).toMatchObject({
        ...{ subject: 'synchronous_commit', severity: 'warning' },
        actual: expect.stringContaining(`set for ${where}:`),
      });
      await applyRemedy(finding);
      await settled();
    });

    test.each(['fsync', 'full_page_writes'])('%s = off', async (name) => {
      await db.root(`ALTER SYSTEM SET ${name} = off`, reload);
      const finding = await seen('durability');
      expect(finding).toMatchObject({ subject: name, severity: 'critical' });
      await applyRemedy(finding);
      await settled();
    });

    test.each([
      ['session_replication_role', 'replica', 'critical'],
      ['zero_damaged_pages', 'on', 'critical'],
      ['ignore_checksum_failure', 'on', 'critical'],
      ['timescaledb.enable_dml_decompression', 'off', 'critical'],
      ['timescaledb.max_tuples_decompressed_per_dml_transaction', '1', 'warning'],
      ['lock_timeout', '1', 'warning'],
      ['statement_timeout', '1', 'warning'],
      ['timescaledb.skip_cagg_invalidation', 'on', 'critical'],
    ])('%s = %s', async (name, value, severity) => {
      await db.root(`ALTER ROLE fieldwatch_owner IN DATABASE fieldwatch SET ${name} = ${value}`);
      const finding = await found();
      expect(finding).toMatchObject({ check: 'settings', subject: name, severity });
      await applyRemedy(finding);
    });

    // The server takes a new setting over a moment after the reload.
    async function seen(check: string): Promise<Finding> {
      await eventually(`a finding of ${check}`, async () => (await db.verify()).length > 0);
      const finding = await found();
      expect(finding.check).toBe(check);
      return finding;
    }
    const settled = () => eventually('no finding', async () => (await db.verify()).length === 0);
  });

  test.each(['tr-TR', 'de-DE', 'sv-SE'])(
    'no finding on an untouched database of the locale %s with odd settings, directly and through PgBouncer',
    async (locale) => {
      const name = `odd_${locale.slice(0, 2)}`;
      const odd = await cluster.emptyDatabase(
        name,
        `TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE '${locale}' LOCALE 'C.UTF-8'`,
      );
      const settings = {
        TimeZone: `'Asia/Kathmandu'`,
        IntervalStyle: `'sql_standard'`,
        DateStyle: `'SQL, DMY'`,
        search_path: `decoy, public`,
        bytea_output: `'escape'`,
        extra_float_digits: '-15',
        quote_all_identifiers: 'on',
        standard_conforming_strings: 'off',
        default_transaction_isolation: `'serializable'`,
      };
      await odd.root(
        ...['CREATE EXTENSION timescaledb', 'CREATE SCHEMA decoy'],
        ...['sensor_readings', 'sensors', 'job_runs'].map((table) => `CREATE TABLE decoy.${table} (id int)`),
        ...Object.entries(settings).map(([key, value]) => `ALTER DATABASE ${name} SET ${key} = ${value}`),
      );
      await cluster.populate(odd, '?options=-csearch_path%3Dpublic');
      await odd.owner(
        `INSERT INTO public.sensors (key) VALUES ('a')`,
        `INSERT INTO public.sensor_readings (time, sensor_id, temperature)
         SELECT t, 1, 20 FROM generate_series(now() - INTERVAL '0 12:0:0', now(), INTERVAL '0 0:10:0') t`,
        `CALL refresh_continuous_aggregate('public.sensor_hourly_agg', NULL, now() - INTERVAL '0 0:5:0')`,
        `CALL refresh_continuous_aggregate('public.sensor_daily_agg', NULL, now() - INTERVAL '0 0:5:0')`,
      );
      const bouncer = await PgBouncer.start({ mode: 'session', target: odd.url });
      try {
        for (const url of [odd.url, bouncer.url]) expect(await odd.verify(url)).toEqual([]);
      } finally {
        await bouncer.stop();
      }
    },
  );
});
