import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createCatalog } from '../../../src/adapters/timescale/policy/catalog.ts';
import { trialWrite } from '../../../src/core/policy/trial-write.ts';
import {
  type TamperedDatabase,
  addDayOfReadings,
  openTamperedDatabase,
} from '../../support/tampered-database.ts';

/** Triggers, jobs, rules, foreign keys and publications of other programs: which of them drop rows or refuse writes. */
let db: TamperedDatabase;
beforeAll(async () => {
  db = await openTamperedDatabase();
  await addDayOfReadings(db);
  await db.sql(`CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$`);
  await db.sql(`CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$`);
}, 180_000);
afterAll(() => db.close());

describe('rows that are dropped without an error', () => {
  test.each(['sensor_readings', 'dead_letters', 'sensors', 'alert_state'])(
    'a trigger of %s that returns NULL',
    async (table) => {
      await db.sql(`CREATE TRIGGER lose BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION lose()`);
      const finding = await db.found();
      expect(finding).toMatchObject({
        ...{ check: 'withheld', subject: `${table} trigger lose`, severity: 'critical' },
        remedy: `DROP TRIGGER lose ON public.${table};`,
      });
      await db.applyRemedy(finding);
    },
  );

  test('a trigger of a single chunk', async () => {
    const [chunk] = await db.sql<{ name: string }>(
      `SELECT show_chunks('sensor_readings')::text AS name LIMIT 1`,
    );
    await db.sql(
      `CREATE TRIGGER "Lose" BEFORE UPDATE ON ${chunk?.name} FOR EACH ROW EXECUTE FUNCTION lose()`,
    );
    const finding = await db.found();
    expect(finding).toMatchObject({ subject: `${chunk?.name} trigger Lose` });
    await db.applyRemedy(finding);
  });

  test('a trigger that keeps the rows is a note', async () => {
    await db.sql('CREATE TRIGGER keep BEFORE INSERT ON sensor_readings FOR EACH ROW EXECUTE FUNCTION keep()');
    const finding = await db.found();
    expect(finding).toMatchObject({ check: 'withheld', severity: 'info' });
    await db.applyRemedy(finding);
  });

  test('a trigger after the row and one of the statement are notes, one that is disabled gives no finding', async () => {
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
      const finding = await db.found();
      expect(finding).toMatchObject({ check: 'withheld', verdict: 'extra', severity });
      expect(finding.actual).toContain(`calls failing(), which fails, and each ${event} with it: `);
      expect(finding.actual).toContain(`(${code})`);
      expect(await rows()).toEqual(before);
      await db.applyRemedy(finding);
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
        const finding = await db.found();
        expect(finding).toMatchObject({ check: 'withheld', severity: 'info' });
        await db.applyRemedy(finding);
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
    for (const finding of findings) await db.applyRemedy(finding);
  });

  test('jobs of an operator that delete, and those that give no finding', async () => {
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
    for (const finding of findings) await db.applyRemedy(finding);
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
    await db.applyRemedy(await db.found());
    await db.sql(`SELECT delete_job(${job?.id})`);
  });

  test('a row of sensors', async () => {
    await db.sql(`DELETE FROM sensors WHERE id = 1`);
    const finding = await db.found();
    expect(finding).toMatchObject({ check: 'sensors', verdict: 'missing', severity: 'critical' });
    await db.applyRemedy(finding);
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
    expect(await db.found()).toMatchObject({ subject: 'event trigger plant', severity: 'info' });
    await db.sql('DROP EVENT TRIGGER plant');
    await create('Freeze', `RAISE EXCEPTION 'no ddl';`);
    const finding = await db.found();
    expect(finding).toMatchObject({ subject: 'event trigger Freeze', severity: 'critical' });
    await db.applyRemedy(finding);
    for (const name of ['said', 'comments', 'Freeze']) await db.sql(`DROP EVENT TRIGGER "${name}"`);
  });

  test('a rule that does nothing instead', async () => {
    await db.sql('CREATE RULE nothing AS ON INSERT TO alert_state DO INSTEAD NOTHING');
    const finding = await db.found();
    expect(finding).toMatchObject({
      ...{ check: 'withheld', subject: 'alert_state rule nothing', severity: 'critical' },
      remedy: 'DROP RULE nothing ON public.alert_state;',
    });
    await db.applyRemedy(finding);
  });

  test('row level security', async () => {
    await db.sql('ALTER TABLE sensors ENABLE ROW LEVEL SECURITY');
    await db.sql('ALTER TABLE sensors FORCE ROW LEVEL SECURITY');
    const finding = await db.found();
    expect(finding).toMatchObject({ check: 'withheld', subject: 'sensors row security' });
    await db.applyRemedy(finding);
  });
});

describe('foreign keys', () => {
  test('that are not checked any more, since all triggers are disabled', async () => {
    for (const table of ['sensors', 'sensor_aliases', 'alert_state'])
      await db.sql(`ALTER TABLE ${table} DISABLE TRIGGER ALL`);
    await db.sql(`INSERT INTO sensor_aliases (key, sensor_id) VALUES ('gone', 77)`);
    const finding = await db.found();
    expect(finding).toMatchObject({
      ...{ check: 'foreign_keys', verdict: 'paused', severity: 'warning' },
      actual: expect.stringContaining('triggers on sensor_aliases and sensors are disabled'),
    });
    await expect(db.applyRemedy(finding)).rejects.toMatchObject({ code: '23503' });
    await db.sql('DELETE FROM sensor_aliases WHERE sensor_id = 77');
    await db.applyRemedy(finding);
  });

  test('of another program: to a hypertable critical, to rows that may be deleted a note, others give no finding', async () => {
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
    for (const finding of notes) await db.applyRemedy(finding);
    await db.sql(`CREATE TABLE team.mark (sensor int, "time" timestamptz, FOREIGN KEY (sensor, "time")
      REFERENCES sensor_readings (sensor_id, "time") ON DELETE CASCADE)`);
    const [chunk] = await db.sql<{ name: string }>(`SELECT show_chunks('sensor_readings')::text AS name`);
    await expect(db.sql(`SELECT compress_chunk('${chunk?.name}')`)).rejects.toThrow('FK');
    await expect(db.sql(`SELECT drop_chunks('sensor_readings', now() + INTERVAL '1 year')`)).rejects.toThrow(
      'depend',
    );
    const finding = await db.found();
    expect(finding).toMatchObject({ check: 'foreign_keys', severity: 'critical' });
    expect(finding.subject).toMatch(/^team\.mark /);
    await db.applyRemedy(finding);
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

  test('of all tables, of all of a schema, and of single ones give no finding', async () => {
    await db.sql('CREATE PUBLICATION feed FOR ALL TABLES');
    // TimescaleDB 2.22 to 2.26.2 deletes from a table of its own that has no identity.
    for (const finding of await db.verify()) {
      expect(finding.actual).toMatch(
        /publishes those of continuous_aggs_materialization_ranges, which has no replica identity:/,
      );
      await db.applyRemedy(finding);
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
    const finding = await db.found();
    expect(finding).toMatchObject({
      check: 'publications',
      subject: 'publication feed',
      severity: 'critical',
    });
    for (const table of ['dead_letters', 'sensor_daily_agg', 'sensor_readings', 'sensors'])
      expect(finding.actual).toContain(`${table}, which has no replica identity`);
    await db.applyRemedy(finding);
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
    const finding = await db.found();
    expect(finding).toMatchObject({ check: 'publications', remedy: expect.stringContaining(remedy) });
    await db.applyRemedy(finding);
    await writable();
  });
});
