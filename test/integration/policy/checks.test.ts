import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createCatalog } from '../../../src/adapters/timescale/policy/catalog.ts';
import { refreshedAggregates } from '../../../src/core/policy/aggregate.ts';
import { assess } from '../../../src/core/policy/assess.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import { BUILT_IN } from '../../../src/core/policy/check/overloads.ts';
import { heldQuery } from '../../../src/core/policy/repair/slices.ts';
import { runChecks } from '../../../src/core/policy/run-checks.ts';
import { EXPECTED_SCHEMA } from '../../../src/core/policy/schema/expected-schema.ts';
import { EXTENSION_FUNCTIONS } from '../../../src/core/policy/schema/extension-rights.ts';
import { OUR_TABLES } from '../../../src/core/policy/schema/our-tables.ts';
import { decodeSchema, describeSchema, schemaQueries } from '../../../src/core/policy/schema/schema.ts';
import { readSnapshot } from '../../../src/core/policy/snapshot.ts';
import { describeReal } from '../../support/server-db.ts';
import {
  type TamperedDatabase,
  addDayOfReadings,
  openTamperedDatabase,
} from '../../support/tampered-database.ts';

let db: TamperedDatabase;
beforeAll(async () => {
  db = await openTamperedDatabase();
});
afterAll(() => db.close());

test('a migrated database is as declared by default: sql/ and the configuration agree', async () => {
  expect(await db.verify()).toEqual([]);
});

test('what PostgreSQL says of it is what is expected of it: `npm run sql:expected` after a migration', async () => {
  const names = Object.keys(EXPECTED_SCHEMA.relations);
  const tables = await db.sql<{ name: string }>(
    `SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
     UNION ALL SELECT view_name::text FROM timescaledb_information.continuous_aggregates`,
  );
  expect(tables.map(({ name }) => name).sort()).toEqual([...names].sort());
  const answers = [];
  // A transaction each: they set the search_path.
  for (const { text, values } of schemaQueries('public', names))
    answers.push(await db.sql(text, [...(values ?? [])]));
  const migrations = (await db.sql('SELECT FROM schema_migrations')).length;
  expect(describeSchema(migrations, 'public', decodeSchema(answers))).toEqual(EXPECTED_SCHEMA);
});

test('OUR_TABLES names every table and view of the schema', async () => {
  const rows = await db.sql<{ name: string }>(
    `SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')`,
  );
  expect(rows.map(({ name }) => name).sort()).toEqual([...OUR_TABLES].sort());
});

describe('each change of a policy is reported by name, and nothing else', () => {
  let restore: (() => Promise<unknown>) | undefined;
  afterEach(async () => {
    await restore?.();
    restore = undefined;
  });
  // Each test lists all findings: what the one before it has left would be among them.
  afterAll(async () => expect(await db.verify()).toEqual([]));

  test('removed', async () => {
    await db.sql(`SELECT remove_retention_policy('sensor_hourly_agg')`);
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      check: 'policies',
      subject: 'sensor_hourly_agg retention',
      verdict: 'missing',
      actual: 'no policy_retention job',
    });
    restore = () => db.sql(finding?.remedy ?? '');
  });

  test('another interval', async () => {
    const [id] = await db.jobs('sensor_readings', 'policy_compression');
    await db.sql(
      `SELECT alter_job(job_id, config => config || '{"compress_after": "14 days"}'::jsonb)
       FROM timescaledb_information.jobs WHERE job_id = ${id}`,
    );
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      subject: 'sensor_readings compression',
      verdict: 'mismatched',
      expected: 'compress_after = 7 days',
      actual: `compress_after = 14 days (job ${id})`,
    });
    restore = () => db.sql(finding?.remedy ?? '');
  });

  test('another schedule', async () => {
    const [id] = await db.jobs('sensor_daily_agg', 'policy_refresh_continuous_aggregate');
    await db.sql(`SELECT alter_job(${id}, schedule_interval => INTERVAL '2 hours')`);
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      subject: 'sensor_daily_agg refresh',
      verdict: 'mismatched',
      expected: 'schedule_interval = 1 hour',
      actual: `schedule_interval = 2 hours (job ${id})`,
    });
    restore = () => db.sql(finding?.remedy ?? '');
  });

  test('paused', async () => {
    const [id] = await db.jobs('sensor_metrics', 'policy_retention');
    await db.sql(`SELECT alter_job(${id}, scheduled => false)`);
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ subject: 'sensor_metrics retention', verdict: 'paused' });
    restore = () => db.sql(finding?.remedy ?? '');
  });

  test('a duplicate through add_job(), which the view shows without its hypertable', async () => {
    const [id] = await db.jobs('sensor_readings', 'policy_compression');
    await db.sql(
      `SELECT add_job('_timescaledb_functions.policy_compression', '1 hour', config =>
        (SELECT config FROM timescaledb_information.jobs WHERE job_id = ${id}))`,
    );
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ subject: 'sensor_readings compression', verdict: 'duplicate' });
    restore = () => db.sql(finding?.remedy ?? '');
  });

  test('a second refresh policy on one aggregate', async () => {
    await db.sql(
      `SELECT add_continuous_aggregate_policy('sensor_hourly_agg', start_offset => INTERVAL '30 days',
        end_offset => INTERVAL '5 days', schedule_interval => INTERVAL '1 day')`,
    );
    const [finding, ...others] = await db.verify();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ subject: 'sensor_hourly_agg refresh', verdict: 'duplicate' });
    restore = () => db.sql(finding?.remedy ?? '');
  });
});

describe('overloads of functions of PostgreSQL', () => {
  // A prepared query has looked its functions up before these were there.
  const verifyUnprepared = async () => {
    const catalog = createCatalog({ url: db.url });
    try {
      return (await assess(catalog, db.plan, CHECKS)).findings;
    } finally {
      await catalog.close();
    }
  };

  test('are found where a call may go to them, and by a query of which none can take the place', async () => {
    const body = `LANGUAGE sql IMMUTABLE AS 'SELECT false'`;
    await db.sql(`CREATE FUNCTION public.quote_ident(name) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
      CREATE FUNCTION public.differ(oid, name) RETURNS bool ${body}; CREATE FUNCTION public.differ(name, text) RETURNS bool ${body};
      CREATE OPERATOR public.= (leftarg = oid, rightarg = name, function = public.differ);
      CREATE AGGREGATE public.count(text) (sfunc = textcat, stype = text)`);
    // These take no call away: its own types, the same arguments, another name, another schema.
    await db.sql(`CREATE TYPE public.mine AS (x int);
      CREATE FUNCTION public.lower(public.mine) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
      CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
      CREATE FUNCTION public.round(float8, int) RETURNS float8 LANGUAGE sql AS $$ SELECT $1 $$;
      CREATE SCHEMA aside; CREATE FUNCTION aside.lower(varchar) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$`);
    const findings = (await verifyUnprepared()).filter(({ check }) => check === 'overloads');
    expect(findings.map(({ subject }) => subject)).toEqual([
      'operator public.=(oid, name)',
      'routine public.count(text)',
      'routine public.quote_ident(name)',
    ]);
    for (const finding of findings) await db.applyRemedy(finding);
    await db.sql(`DROP TYPE public.mine CASCADE; DROP FUNCTION public.lower(text), public.round(float8, int),
      public.differ(oid, name), public.differ(name, text); DROP SCHEMA aside CASCADE`);
  });

  test('are named where nothing can be verified for them', async () => {
    await db.sql(
      `CREATE FUNCTION public.quote_ident(name) RETURNS text LANGUAGE sql AS $$ SELECT (1/0)::text $$`,
    );
    await db.sql('CREATE SCHEMA hidden; CREATE TABLE hidden.schema_migrations (x int)');
    const refused: unknown = await verifyUnprepared().catch((error: unknown) => error);
    expect(refused).toMatchObject({ remedy: 'As their owner: DROP ROUTINE public.quote_ident(name);' });
    await db.sql('DROP FUNCTION public.quote_ident(name); DROP SCHEMA hidden CASCADE');
  });

  test('are looked for by the names that the SQL of this program calls', async () => {
    const names = new Set<string>();
    for (const folder of ['src/queries', 'src/core/policy', 'src/adapters/timescale', 'sql'])
      for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        if (!/\.(ts|sql)$/.test(file)) continue;
        const text = readFileSync(join(folder, file), 'utf8');
        const sql = file.endsWith('.sql') ? [text] : text.match(/`[^`]*`|'[^'\n]*'/g);
        for (const part of sql ?? [])
          for (const [, name] of part.matchAll(/(?<![.\w])([a-z_][a-z0-9_]*)\(/g)) names.add(name ?? '');
      }
    // These are known to be called with arguments that nothing fits better, and are common as helpers.
    const exempt = ['round', 'interval'];
    const used = await db.sql<{ name: string }>(
      `SELECT DISTINCT proname::text AS name FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
         AND proname = ANY ($1::text[]) AND proname <> ALL ($2::text[]) ORDER BY 1`,
      [[...names], exempt],
    );
    expect(used.map(({ name }) => name).filter((name) => !BUILT_IN.includes(name))).toEqual([]);
    // So are those of TimescaleDB whose rights are looked at.
    const ofTimescale = await db.sql<{ name: string }>(
      `SELECT DISTINCT p.proname::text AS name FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
       WHERE d.deptype = 'e' AND p.pronamespace = 'public'::regnamespace AND p.proname = ANY ($1::text[])`,
      [[...names]],
    );
    const superusers = ['timescaledb_post_restore', 'timescaledb_pre_restore'];
    const listed = [...EXTENSION_FUNCTIONS, ...superusers];
    expect(ofTimescale.map(({ name }) => name).filter((name) => !listed.includes(name))).toEqual([]);
  });
});

describe('with readings', () => {
  beforeAll(() => addDayOfReadings(db));

  test.each(['infinity', '294200-01-01'])('rows of the time %s', async (time) => {
    await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES ($1, 1, 1)`, [time]);
    const finding = await db.found();
    expect(finding).toMatchObject({ check: 'times', subject: 'sensor_readings', severity: 'warning' });
    // The repairs of other checks read the chunks, too.
    const catalog = createCatalog({ url: db.url });
    expect(
      (await runChecks(catalog, refreshedAggregates(db.plan, await readSnapshot(catalog)).map(heldQuery)))
        .length,
    ).toBe(4);
    await catalog.close();
    await db.applyRemedy(finding);
  });

  test('a dimension that was added divides nothing more after the remedy', async () => {
    await db.sql(`SELECT add_dimension('sensor_metrics', 'sensor_id', number_partitions => 4)`);
    const finding = await db.found();
    expect(finding).toMatchObject({
      ...{ check: 'chunks', subject: 'sensor_metrics dimension sensor_id', severity: 'warning' },
      actual: expect.stringContaining('sensor_id in 4 partitions'),
    });
    await db.applyRemedy(finding);
  });

  test('watermarks that were pushed into the future', async () => {
    await db.sql(
      `UPDATE _timescaledb_catalog.continuous_aggs_watermark SET watermark = watermark + 30 * 86400000000::bigint`,
    );
    const findings = await db.verify();
    expect(findings).toMatchObject(
      ['sensor_hourly_agg', 'sensor_daily_agg'].map((name) => ({
        ...{ check: 'refresh', subject: `${name} refresh`, verdict: 'mismatched', severity: 'warning' },
      })),
    );
    for (const finding of findings) await db.applyRemedy(finding);
  });

  describe('tables that do not survive a crash', () => {
    const unlogged = async (table: string) => {
      await db.sql(`ALTER TABLE ${table} SET UNLOGGED`);
      const finding = await db.found();
      expect(finding).toMatchObject({ check: 'durability', severity: 'critical' });
      await db.applyRemedy(finding);
      return finding;
    };

    test('a plain table that is UNLOGGED', async () => {
      expect(await unlogged('alert_state')).toMatchObject({ subject: 'alert_state' });
    });

    describeReal('where TimescaleDB can', () => {
      test('a hypertable', async () => {
        expect(await unlogged('sensor_metrics')).toMatchObject({ subject: 'sensor_metrics' });
      });

      test('a single chunk', async () => {
        const [chunk] = await db.sql<{ name: string }>(
          `SELECT show_chunks('sensor_readings')::text AS name LIMIT 1`,
        );
        expect(await unlogged(chunk?.name ?? '')).toMatchObject({
          subject: 'sensor_readings',
          actual: expect.stringContaining(`1 chunk of sensor_readings (${chunk?.name}) is UNLOGGED`),
        });
      });
    });
  });
});
