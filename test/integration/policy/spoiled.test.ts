import { REPAIR_EFFECTS } from '../../../src/core/policy/check.ts';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type ClosableCatalog, createCatalog } from '../../../src/adapters/timescale/policy/catalog.ts';
import { createStatementExecutor } from '../../../src/adapters/timescale/policy/statement-executor.ts';
import { refreshedAggregates } from '../../../src/core/policy/aggregate.ts';
import { assess } from '../../../src/core/policy/assess.ts';
import { historyCheck } from '../../../src/core/policy/check/history.ts';
import { CHECKS } from '../../../src/core/policy/check/index.ts';
import { BUILT_IN } from '../../../src/core/policy/check/overloads.ts';
import { EXTENSION_FUNCTIONS } from '../../../src/core/policy/schema/extension-rights.ts';
import type { Finding } from '../../../src/core/policy/finding.ts';
import { noteDropped, noteHorizons } from '../../../src/core/policy/horizons.ts';
import { OUR_TABLES } from '../../../src/core/policy/schema/our-tables.ts';
import type { PolicyPlan } from '../../../src/core/policy/plan.ts';

import { runChecks } from '../../../src/core/policy/run-checks.ts';
import { noteChunks } from '../../../src/core/policy/seen-chunks.ts';
import { heldQuery } from '../../../src/core/policy/repair/slices.ts';
import { readSnapshot } from '../../../src/core/policy/snapshot.ts';
import { trialWrite } from '../../../src/core/policy/trial-write.ts';
import { runRepair } from '../../../src/services/policy/repair-runner.ts';
import { type PolicyDatabase, openPolicyDatabase } from '../../support/policy-db.ts';
import { planWith } from '../../support/policy-plan.ts';
import { describeReal } from '../../support/server-db.ts';
import { statementsOf } from '../../support/timescale-cluster.ts';

/** What is found in a database that was changed by hand; each remedy is run as it stands. */
let db: PolicyDatabase;
beforeAll(async () => {
  db = await openPolicyDatabase();
  await db.sql(`INSERT INTO sensors (key) VALUES ('a')`);
  await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature) SELECT t, 1, 20
    FROM generate_series(now() - INTERVAL '1 day', now(), INTERVAL '1 hour') t`);
  for (const view of ['sensor_hourly_agg', 'sensor_daily_agg'])
    await db.sql(`CALL refresh_continuous_aggregate('${view}', NULL, now() - INTERVAL '5 minutes')`);
  await db.sql(`CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$`);
  await db.sql(`CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$`);
}, 180_000);
// Each test lists all findings: what the one before it has left would be among them.
afterAll(async () => {
  const left = await db.lines();
  await db.close();
  expect(left).toEqual([]);
});

/** The only finding. */
async function found(): Promise<Finding> {
  const findings = await db.verify();
  expect(findings).toHaveLength(1);
  return findings[0] as Finding;
}
const applyRemedy = async ({ remedy }: Finding) => {
  for (const statement of statementsOf(remedy)) await db.sql(statement);
};

test('the tables that are looked at are those that there are', async () => {
  const rows = await db.sql<{ name: string }>(
    `SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')`,
  );
  expect(rows.map(({ name }) => name).sort()).toEqual([...OUR_TABLES].sort());
});

describe('overloads of what PostgreSQL has', () => {
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
    for (const finding of findings) await applyRemedy(finding);
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

describe('what takes rows away without an error', () => {
  test.each(['sensor_readings', 'dead_letters', 'sensors', 'alert_state'])(
    'a trigger of %s that returns NULL',
    async (table) => {
      await db.sql(`CREATE TRIGGER lose BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION lose()`);
      const finding = await found();
      expect(finding).toMatchObject({
        ...{ check: 'withheld', subject: `${table} trigger lose`, severity: 'critical' },
        remedy: `DROP TRIGGER lose ON public.${table};`,
      });
      await applyRemedy(finding);
    },
  );

  test('one on a single chunk', async () => {
    const [chunk] = await db.sql<{ name: string }>(
      `SELECT show_chunks('sensor_readings')::text AS name LIMIT 1`,
    );
    await db.sql(
      `CREATE TRIGGER "Lose" BEFORE UPDATE ON ${chunk?.name} FOR EACH ROW EXECUTE FUNCTION lose()`,
    );
    const finding = await found();
    expect(finding).toMatchObject({ subject: `${chunk?.name} trigger Lose` });
    await applyRemedy(finding);
  });

  test('one that keeps them is a note', async () => {
    await db.sql('CREATE TRIGGER keep BEFORE INSERT ON sensor_readings FOR EACH ROW EXECUTE FUNCTION keep()');
    const finding = await found();
    expect(finding).toMatchObject({ check: 'withheld', severity: 'info' });
    await applyRemedy(finding);
  });

  test('one after the row and one of the statement are notes, one that is disabled is no matter', async () => {
    await db.sql(`CREATE TRIGGER later AFTER INSERT ON sensors FOR EACH ROW EXECUTE FUNCTION lose()`);
    await db.sql(`CREATE TRIGGER whole BEFORE INSERT ON sensors EXECUTE FUNCTION lose()`);
    await db.sql(`CREATE TRIGGER off BEFORE INSERT ON sensors FOR EACH ROW EXECUTE FUNCTION lose()`);
    await db.sql(`ALTER TABLE sensors DISABLE TRIGGER off`);
    await db.sql(`CREATE TRIGGER copied BEFORE INSERT ON sensors FOR EACH ROW EXECUTE FUNCTION lose()`);
    await db.sql(`ALTER TABLE sensors ENABLE REPLICA TRIGGER copied`);
    // Where it fails, every write does.
    expect(await db.verify()).toMatchObject(
      ['later', 'whole'].map((name) => ({
        check: 'withheld',
        subject: `sensors trigger ${name}`,
        severity: 'info',
      })),
    );
    for (const name of ['later', 'whole', 'off', 'copied']) await db.sql(`DROP TRIGGER ${name} ON sensors`);
  });

  describe('triggers whose function fails, and each write with it', () => {
    const failing = (body: string) =>
      `CREATE OR REPLACE FUNCTION failing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body}; RETURN NEW; END $$`;
    const elsewhere = 'INSERT INTO team.last_value VALUES (NEW.sensor_id)';
    const raised = `RAISE EXCEPTION 'no'`;
    const rows = () =>
      db.sql(`SELECT (SELECT json_agg(s) FROM sensors s) AS sensors, (SELECT count(*)::int FROM sensor_readings) AS readings,
        (SELECT json_agg(a) FROM sensor_alerts a) AS alerts,
        (SELECT last_value FROM pg_sequences WHERE sequencename = 'sensors_id_seq') AS next_sensor,
        (SELECT last_value FROM pg_sequences WHERE sequencename = 'sensor_changes_seq_seq') AS next_change`);

    test.each([
      ['AFTER INSERT ON sensor_readings FOR EACH ROW', elsewhere, 'INSERT', '42P01', 'critical'],
      ['BEFORE INSERT ON sensors FOR EACH ROW', raised, 'INSERT', 'P0001', 'critical'],
      ['AFTER UPDATE ON sensors FOR EACH ROW', 'ASSERT false', 'UPDATE', 'P0004', 'critical'],
      ['AFTER DELETE ON sensors', raised, 'DELETE', 'P0001', 'critical'],
      ['AFTER INSERT ON sensor_alerts FOR EACH ROW', elsewhere, 'INSERT', '42P01', 'warning'],
      ['AFTER INSERT ON alert_state FOR EACH STATEMENT', raised, 'INSERT', 'P0001', 'warning'],
      [
        'CONSTRAINT AFTER INSERT ON sensors DEFERRABLE INITIALLY DEFERRED FOR EACH ROW',
        raised,
        'INSERT',
        'P0001',
        'critical',
      ],
    ])('%s', async (when, body, event, code, severity) => {
      const before = await rows();
      await db.sql(failing(body));
      const kind = when.startsWith('CONSTRAINT ') ? 'CONSTRAINT TRIGGER' : 'TRIGGER';
      await db.sql(`CREATE ${kind} failing ${when.replace('CONSTRAINT ', '')} EXECUTE FUNCTION failing()`);
      const finding = await found();
      expect(finding).toMatchObject({ check: 'withheld', verdict: 'extra', severity });
      expect(finding.actual).toContain(`calls failing(), which fails, and each ${event} with it: `);
      expect(finding.actual).toContain(`(${code})`);
      expect(await rows()).toEqual(before);
      await applyRemedy(finding);
    });

    test('every table can be tried', async () => {
      await db.sql(failing('PERFORM 1'));
      const [tables] = await db.sql<{ names: string[] }>(
        `SELECT array_agg(relname::text) AS names FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`,
      );
      const catalog = createCatalog({ url: db.url });
      for (const name of tables?.names ?? []) {
        const { text } = trialWrite('public', name, ['INSERT', 'UPDATE', 'DELETE']);
        // A row that is made up may be none that a constraint of the table lets pass.
        for (const { code } of (await catalog.tryOut?.(text)) ?? [])
          expect([name, code]).toEqual([name, '23514']);
      }
      await catalog.close();
    });

    test('those that do not fail, or may do what is not undone, are notes', async () => {
      for (const body of ['PERFORM 1', `PERFORM dblink_exec('x', 'y')`, `PERFORM nextval('nowhere')`]) {
        await db.sql(failing(body));
        await db.sql(
          'CREATE TRIGGER failing AFTER INSERT ON sensors FOR EACH ROW EXECUTE FUNCTION failing()',
        );
        const finding = await found();
        expect(finding).toMatchObject({ check: 'withheld', severity: 'info' });
        await applyRemedy(finding);
      }
    });
  });

  test('triggers after the row that delete', async () => {
    const bodies: [string, string][] = [
      ['DELETE FROM public.sensor_alerts WHERE time = NEW.time', 'critical'],
      ['delete from only "sensor_alerts"', 'critical'],
      ['EXECUTE format($f$TRUNCATE %I$f$, TG_TABLE_NAME)', 'critical'],
      ['DELETE FROM plant.sensor_alerts', 'info'],
    ];
    for (const [index, [body]] of bodies.entries()) {
      await db.sql(
        `CREATE FUNCTION clear_${index}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body}; RETURN NULL; END $$`,
      );
      await db.sql(
        `CREATE TRIGGER clear_${index} AFTER INSERT ON sensor_alerts FOR EACH ROW EXECUTE FUNCTION clear_${index}()`,
      );
    }
    const findings = await db.verify();
    expect(findings).toMatchObject(
      bodies.map(([, severity], index) => ({
        ...{ check: 'withheld', subject: `sensor_alerts trigger clear_${index}`, severity },
      })),
    );
    for (const finding of findings) await applyRemedy(finding);
  });

  test('jobs of an operator that delete, and those that are no matter', async () => {
    const jobs: [string, string][] = [
      [`PERFORM drop_chunks('public.sensor_readings', older_than => INTERVAL '1 day')`, '{}'],
      [
        `PERFORM drop_chunks(config ->> 'table', older_than => INTERVAL '1 day')`,
        '{"table": "sensor_metrics"}',
      ],
      ['DELETE FROM sensor_alerts', '{}'],
      ['EXECUTE $q$TRUNCATE "dead_letters"$q$', '{}'],
      ['PERFORM public.sweep()', '{}'],
      [`PERFORM public.clear('sensor_alerts')`, '{}'],
      [`PERFORM drop_chunks(h, INTERVAL '1 day') FROM timescaledb_information.hypertables h`, '{}'],
      [
        `PERFORM drop_chunks(h, INTERVAL '1 day') FROM timescaledb_information.hypertables h WHERE hypertable_schema = 'plant'`,
        '{}',
      ],
      ['DELETE FROM plant.sensor_readings', '{}'],
      ['PERFORM count(*) FROM sensor_readings', '{}'],
      [`PERFORM drop_chunks(config ->> 'table', INTERVAL '1 day')`, '{"table": "others"}'],
      [`PERFORM drop_chunks('others', INTERVAL '1 day')`, '{}'],
      [`EXECUTE format('DELETE FROM plant.%I', 'others')`, '{}'],
      // Which tables these are about is known when they run.
      [
        `PERFORM drop_chunks(format('%I.%I', chunk_schema, chunk_name)::regclass, INTERVAL '1 day') FROM timescaledb_information.chunks`,
        '{}',
      ],
      [`EXECUTE format('SELECT drop_chunks(%L, now())', relname) FROM pg_class`, '{"after": "1 day"}'],
      [`EXECUTE format('TRUNCATE TABLE %s', 'x')`, '{}'],
      [`EXECUTE 'DELETE FROM ' || 'x'`, '{}'],
    ];
    await db.sql(
      `CREATE TABLE others (time timestamptz NOT NULL); SELECT create_hypertable('others', by_range('time'))`,
    );
    await db.sql(`CREATE FUNCTION public.sweep() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM public.deeper(); END $$;
      CREATE FUNCTION public.deeper() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM sensor_metrics; END $$;
      CREATE FUNCTION public.clear(t text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'TRUNCATE ' || t; END $$`);
    const ids: number[] = [];
    for (const [index, [body, config]] of jobs.entries()) {
      await db.sql(
        `CREATE PROCEDURE tidy_${index}(job_id int, config jsonb) LANGUAGE plpgsql AS $$ BEGIN ${body}; END $$`,
      );
      const [job] = await db.sql<{ id: number }>(
        `SELECT add_job('tidy_${index}', '1 day', config => '${config}', initial_start => now() + INTERVAL '1 day') AS id`,
      );
      ids.push(job?.id ?? 0);
    }
    const findings = await db.verify();
    expect(findings).toMatchObject(
      [...ids.slice(0, 7), ...ids.slice(-4)].map((id, index) => ({
        ...{ check: 'foreign_jobs', subject: `job ${id}`, severity: index < 7 ? 'critical' : 'info' },
      })),
    );
    for (const finding of findings) await applyRemedy(finding);
    expect(await db.lines()).toEqual([]);
    for (const id of ids) await db.sql(`SELECT delete_job(${id})`);
    await db.sql('DROP TABLE others');
  });

  test('jobs that decompress, of TimescaleDB and of pg_cron', async () => {
    await db.sql(`CREATE PROCEDURE thaw(job_id int, config jsonb) LANGUAGE plpgsql AS $$ BEGIN
      PERFORM decompress_chunk(c, true) FROM show_chunks('sensor_readings') c; END $$`);
    const [job] = await db.sql<{ id: number }>(
      `SELECT add_job('thaw', '1 day', initial_start => now() + INTERVAL '1 day') AS id`,
    );
    await db.sql(`CREATE SCHEMA cron; CREATE TABLE cron.job (jobid bigint, username text, command text, database text, active bool);
      INSERT INTO cron.job VALUES (7, 'operator', 'SELECT drop_chunks(''sensor_readings'', older_than => now())', current_database(), true),
        (8, 'operator', 'SELECT drop_chunks(''others'', older_than => now())', current_database(), true),
        (9, 'operator', 'SELECT drop_chunks(oid::regclass, INTERVAL ''30 days'') FROM pg_class', current_database(), true)`);
    expect(await db.verify()).toMatchObject([
      { check: 'foreign_jobs', subject: `job ${job?.id}`, severity: 'warning' },
      { check: 'foreign_jobs', subject: 'cron job 7', severity: 'critical' },
      { check: 'foreign_jobs', subject: 'cron job 9', severity: 'info' },
    ]);
    await db.sql(`DROP SCHEMA cron CASCADE`);
    await applyRemedy(await found());
    await db.sql(`SELECT delete_job(${job?.id})`);
  });

  test('a row of sensors', async () => {
    await db.sql(`DELETE FROM sensors WHERE id = 1`);
    const finding = await found();
    expect(finding).toMatchObject({ check: 'sensors', verdict: 'missing', severity: 'critical' });
    await applyRemedy(finding);
    await db.sql(`UPDATE sensors SET key = 'a' WHERE id = 1`);
  });

  test('an event trigger that refuses DDL', async () => {
    const create = (name: string, body: string, when = '') =>
      db.sql(`CREATE FUNCTION public.${name}() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN ${body} END $$;
        CREATE EVENT TRIGGER "${name}" ON ddl_command_start ${when} EXECUTE FUNCTION public.${name}()`);
    await create('said', `RAISE NOTICE 'ddl';`);
    await create('comments', `RAISE EXCEPTION 'no comments';`, `WHEN TAG IN ('COMMENT')`);
    expect(await db.lines()).toEqual([]);
    await create('plant', `IF current_query() LIKE '%plant%' THEN RAISE EXCEPTION 'no'; END IF;`);
    expect(await found()).toMatchObject({ subject: 'event trigger plant', severity: 'info' });
    await db.sql('DROP EVENT TRIGGER plant');
    await create('Freeze', `RAISE EXCEPTION 'no ddl';`);
    const finding = await found();
    expect(finding).toMatchObject({ subject: 'event trigger Freeze', severity: 'critical' });
    await applyRemedy(finding);
    for (const name of ['said', 'comments', 'Freeze']) await db.sql(`DROP EVENT TRIGGER "${name}"`);
  });

  test('a rule that does nothing instead', async () => {
    await db.sql('CREATE RULE nothing AS ON INSERT TO alert_state DO INSTEAD NOTHING');
    const finding = await found();
    expect(finding).toMatchObject({
      ...{ check: 'withheld', subject: 'alert_state rule nothing', severity: 'critical' },
      remedy: 'DROP RULE nothing ON public.alert_state;',
    });
    await applyRemedy(finding);
  });

  test('row level security', async () => {
    await db.sql('ALTER TABLE sensors ENABLE ROW LEVEL SECURITY');
    await db.sql('ALTER TABLE sensors FORCE ROW LEVEL SECURITY');
    const finding = await found();
    expect(finding).toMatchObject({ check: 'withheld', subject: 'sensors row security' });
    await applyRemedy(finding);
  });
});

describe('foreign keys', () => {
  test('that are not checked any more, since all triggers are disabled', async () => {
    for (const table of ['sensors', 'sensor_aliases', 'alert_state'])
      await db.sql(`ALTER TABLE ${table} DISABLE TRIGGER ALL`);
    await db.sql(`INSERT INTO sensor_aliases (key, sensor_id) VALUES ('gone', 77)`);
    const finding = await found();
    expect(finding).toMatchObject({
      ...{ check: 'foreign_keys', verdict: 'paused', severity: 'warning' },
      actual: expect.stringContaining('triggers on sensor_aliases and sensors are disabled'),
    });
    await expect(applyRemedy(finding)).rejects.toMatchObject({ code: '23503' });
    await db.sql('DELETE FROM sensor_aliases WHERE sensor_id = 77');
    await applyRemedy(finding);
  });

  test('of another program: to a hypertable critical, to rows that may have to go a note, others no matter', async () => {
    await db.sql(`CREATE SCHEMA team;
      CREATE TABLE team.site (sensor int REFERENCES sensors (id) ON DELETE CASCADE, metric int REFERENCES metrics (id) ON DELETE SET NULL);
      CREATE TABLE team.label (sensor int REFERENCES sensors (id) ON DELETE RESTRICT, key text REFERENCES sensors (key) ON DELETE CASCADE);
      CREATE TABLE team.seen ("time" timestamptz, sensor int REFERENCES sensors (id) ON DELETE CASCADE);
      SELECT create_hypertable('team.seen', by_range('time')); INSERT INTO team.seen VALUES (now(), 1);`);
    const notes = await db.verify();
    expect(notes).toMatchObject([
      { subject: 'team.label label_key_fkey', severity: 'info', actual: expect.stringMatching(/renamed$/) },
      { subject: 'team.label label_sensor_fkey', severity: 'info', actual: expect.stringMatching(/merged$/) },
    ]);
    for (const finding of notes) await applyRemedy(finding);
    await db.sql(`CREATE TABLE team.mark (sensor int, "time" timestamptz, FOREIGN KEY (sensor, "time")
      REFERENCES sensor_readings (sensor_id, "time") ON DELETE CASCADE)`);
    const [chunk] = await db.sql<{ name: string }>(`SELECT show_chunks('sensor_readings')::text AS name`);
    await expect(db.sql(`SELECT compress_chunk('${chunk?.name}')`)).rejects.toThrow('FK');
    await expect(db.sql(`SELECT drop_chunks('sensor_readings', now() + INTERVAL '1 year')`)).rejects.toThrow(
      'depend',
    );
    const finding = await found();
    expect(finding).toMatchObject({ check: 'foreign_keys', severity: 'critical' });
    expect(finding.subject).toMatch(/^team\.mark /);
    await applyRemedy(finding);
    await db.sql('DROP SCHEMA team CASCADE');
  });
});

describe('publications of another program', () => {
  const writable = async () => {
    await db.sql(`UPDATE sensors SET location = location; UPDATE dead_letters SET reason = reason`);
    await db.sql('UPDATE sensor_readings SET rssi = rssi; DELETE FROM app_metrics');
    await db.sql(
      `CALL refresh_continuous_aggregate('sensor_daily_agg', NULL, now() - INTERVAL '5 minutes', force => true)`,
    );
  };
  const rejected = (sql: string) =>
    db.sql(sql).then(
      () => 'possible',
      ({ code }: { code: string }) => code,
    );
  afterEach(() => db.sql('DROP PUBLICATION IF EXISTS feed'));

  test('of all tables, of all of a schema, and of single ones are no matter', async () => {
    await db.sql('CREATE PUBLICATION feed FOR ALL TABLES');
    // TimescaleDB 2.22 to 2.26.2 deletes from a table of its own that has no identity.
    for (const finding of await db.verify()) {
      expect(finding.actual).toMatch(
        /publishes those of continuous_aggs_materialization_ranges, which has no replica identity:/,
      );
      await applyRemedy(finding);
    }
    await db.sql('DROP PUBLICATION feed');
    await db.sql(
      `INSERT INTO dead_letters (received_at, topic, payload, reason) VALUES (now(), 't', '', 'r')`,
    );
    await db.sql('CREATE PUBLICATION feed FOR TABLES IN SCHEMA public, _timescaledb_internal');
    await writable();
    expect(await db.lines()).toEqual([]);
  });

  test('tables without a replica identity', async () => {
    await db.sql(
      'ALTER TABLE sensor_readings REPLICA IDENTITY NOTHING; ALTER TABLE sensors REPLICA IDENTITY NOTHING',
    );
    await db.sql(
      'ALTER TABLE dead_letters REPLICA IDENTITY USING INDEX dead_letters_key; DROP INDEX dead_letters_key',
    );
    await db.sql('CREATE UNIQUE INDEX dead_letters_key ON dead_letters (id, received_at)');
    await db.sql(`DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE %I.%I REPLICA IDENTITY DEFAULT', materialization_hypertable_schema,
      materialization_hypertable_name) FROM timescaledb_information.continuous_aggregates WHERE view_name = 'sensor_daily_agg'); END $$`);
    await db.sql('CREATE PUBLICATION feed FOR ALL TABLES');
    expect(await rejected('UPDATE dead_letters SET reason = reason')).toBe('55000');
    const finding = await found();
    expect(finding).toMatchObject({
      check: 'publications',
      subject: 'publication feed',
      severity: 'critical',
    });
    for (const table of ['dead_letters', 'sensor_daily_agg', 'sensor_readings', 'sensors'])
      expect(finding.actual).toContain(`${table}, which has no replica identity`);
    await applyRemedy(finding);
    await writable();
  });

  test.each([
    [
      'a row filter',
      'sensors',
      `sensors WHERE (location = 'x')`,
      'ALTER TABLE public.sensors REPLICA IDENTITY FULL;',
    ],
    [
      'a list of columns',
      'dead_letters',
      'dead_letters (id)',
      `ALTER PUBLICATION feed SET (publish = 'insert, truncate');`,
    ],
  ])('%s', async (_, table, what, remedy) => {
    await db.sql(`CREATE PUBLICATION feed FOR TABLE ${what}`);
    expect(await rejected(`DELETE FROM ${table} WHERE random() < 0`)).toBe('42P10');
    const finding = await found();
    expect(finding).toMatchObject({ check: 'publications', remedy: expect.stringContaining(remedy) });
    await applyRemedy(finding);
    await writable();
  });
});

test.each(['infinity', '294200-01-01'])('rows of the time %s', async (time) => {
  await db.sql(`INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES ($1, 1, 1)`, [time]);
  const finding = await found();
  expect(finding).toMatchObject({ check: 'times', subject: 'sensor_readings', severity: 'warning' });
  // The repairs of other checks read the chunks, too.
  const catalog = createCatalog({ url: db.url });
  expect(
    (await runChecks(catalog, refreshedAggregates(db.plan, await readSnapshot(catalog)).map(heldQuery)))
      .length,
  ).toBe(4);
  await catalog.close();
  await applyRemedy(finding);
});

test('a dimension that was added divides nothing more after the remedy', async () => {
  await db.sql(`SELECT add_dimension('sensor_metrics', 'sensor_id', number_partitions => 4)`);
  const finding = await found();
  expect(finding).toMatchObject({
    ...{ check: 'chunks', subject: 'sensor_metrics dimension sensor_id', severity: 'warning' },
    actual: expect.stringContaining('sensor_id in 4 partitions'),
  });
  await applyRemedy(finding);
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
  for (const finding of findings) await applyRemedy(finding);
});

describe('what does not outlast a crash', () => {
  const unlogged = async (table: string) => {
    await db.sql(`ALTER TABLE ${table} SET UNLOGGED`);
    const finding = await found();
    expect(finding).toMatchObject({ check: 'durability', severity: 'critical' });
    await applyRemedy(finding);
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
    const finding = await found();
    expect(finding).toMatchObject({
      ...{ check: 'gaps', subject: relation, verdict: 'missing', severity: 'warning' },
      actual: expect.stringContaining(`: ${time(gone.lo)} to ${time(gone.hi)}`),
    });
    // What is restored is found no more, and what is gone for good can be said to be.
    await fill(relation, daysAgo);
    expect(await db.lines()).toEqual([]);
    await db.sql(`DROP TABLE ${(await chunk(relation, daysAgo)).name}`);
    await applyRemedy(await found());
    await db.sql(noteChunks(db.plan));
  });

  test.each([
    ['that was emptied', false],
    ['whose compressed rows were', true],
  ])('one %s, by TRUNCATE', async (_, compressed) => {
    const emptied = await chunk('app_metrics', 2);
    if (compressed) await db.sql(`SELECT compress_chunk('${emptied.name}')`);
    const [behind] = await db.sql<{ name: string | null }>(
      `SELECT compress_relid::text AS name FROM _timescaledb_catalog.compression_settings WHERE relid = '${emptied.name}'::regclass`,
    );
    const before = await db.sql('SELECT * FROM app_metrics ORDER BY 1');
    await db.sql(`TRUNCATE ${behind?.name ?? emptied.name}`);
    // What the daemon notes meanwhile takes nothing away.
    await db.sql(noteChunks(db.plan));
    const finding = await found();
    expect(finding).toMatchObject({
      ...{ check: 'gaps', subject: 'app_metrics', verdict: 'missing', severity: 'warning' },
      actual: expect.stringContaining(`: ${time(emptied.lo)} to ${time(emptied.hi)}`),
    });
    await applyRemedy(finding);
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

  test('one that was detached', async () => {
    const detached = await chunk('dead_letters', 12);
    await db.sql(`CALL detach_chunk('${detached.name}')`);
    const finding = await found();
    expect(finding.remedy).toMatch(/^CALL attach_chunk\(/);
    await applyRemedy(finding);
    expect((await chunk('dead_letters', 12)).name).toBe(detached.name);
  });

  test('all of a table, by TRUNCATE, are one range for each that adjoins', async () => {
    await db.sql('TRUNCATE dead_letters');
    const finding = await found();
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
    const finding = await found();
    expect(finding).toMatchObject({
      ...{ check: 'gaps', subject: 'sensor_readings', verdict: 'missing', severity },
      actual: expect.stringContaining(gone.lo.toISOString().slice(0, 13)),
    });
    // None of our own ways refreshes there.
    for (const only of ['late', 'refresh', 'audit']) await repair(only);
    expect(await history()).toEqual(before);
    if (severity === 'critical') {
      // Another program may have an aggregate of that name.
      expect(finding.remedy).toContain(`hypertable_schema = 'public' AND hypertable_name`);
      await applyRemedy(finding);
      expect(await db.lines()).toContain('policies | sensor_hourly_agg refresh | paused');
    }
    // Restored from a backup, and the job resumed: all is as it was.
    await fill(gone.lo.toISOString(), gone.hi.toISOString());
    if (daysAgo > 7) await db.sql(`SELECT compress_chunk('${(await chunk(daysAgo)).name}')`);
    for (const only of ['policies', 'late']) await repair(only);
    expect(await history()).toEqual(before);
  });

  test('one that was detached', async () => {
    const before = await history();
    const detached = await chunk(2);
    await db.sql(`CALL detach_chunk('${detached.name}')`);
    const finding = await found();
    expect(finding).toMatchObject({
      check: 'gaps',
      severity: 'critical',
      actual: expect.stringContaining(`: ${span(detached)}`),
    });
    expect(finding.remedy).toMatch(/^at once, .*: CALL attach_chunk\(/);
    await applyRemedy(finding);
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
      expect(await found()).toMatchObject({
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
    const [first, second] = [await found(), await found()];
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
      const finding = await found();
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
    const finding = await found();
    expect(finding).toMatchObject({
      ...{ check: 'audit', subject: 'sensor_hourly_agg', severity: 'critical' },
      actual: expect.stringMatching(/differ in last_battery, max_temp, from /),
    });
    await repair('late');
    const [daily] = await db.sql<{ max: number }>('SELECT max(max_temp) FROM sensor_daily_agg');
    expect(daily?.max).toBe(20);
    for (let round = 0; round < 3; round++) for (const only of ['audit', 'late']) await repair(only);
    expect(await history()).toEqual(before);
    // Readings that are corrected later, in compressed chunks, are no matter of hands in the aggregate.
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
    const finding = await found();
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
