import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { examineServer } from '../../../src/adapters/timescale/connection/examine.ts';
import { migrateDatabase } from '../../../src/adapters/timescale/migrate/migrate.ts';
import { TimescaleSensorStore } from '../../../src/adapters/timescale/ingest/sensor-store.ts';
import { policiesCommand } from '../../../src/cli/policies/index.ts';
import { sensorsCommand } from '../../../src/cli/sensors/index.ts';
import { type AlertBatch, type AlertNotification, EMPTY_ALERT_BATCH } from '../../../src/core/alert/model.ts';
import { runCli } from '../../support/cli.ts';
import { REAL_SERVER, describeReal, openOnServer } from '../../support/server-db.ts';
import {
  type StoreFixture,
  batchOf,
  clear,
  openStore,
  reading,
  series,
} from '../../support/store-fixtures.ts';

const T0_US = Date.UTC(2026, 0, 1) * 1000;

/** States in which a server takes rows and loses them: nothing may be reported as stored. */
describe('a database that cannot be relied on counts as away', () => {
  let db: StoreFixture;
  beforeAll(async () => {
    db = await openStore();
  });
  beforeEach(() => clear(db));
  afterAll(() => db.close());

  const TABLES = ['sensor_readings', 'sensor_metrics', 'dead_letters'];
  const rows = async () => (await db.rows('SELECT FROM sensor_readings')).length;

  test('a trigger that returns NULL: in a COPY, a merge, and a value that is filled in', async () => {
    await db.store.commit(batchOf([reading(1, 0, { temperature: 1 })]));
    await db.rows(`CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$`);
    const vanished = {
      ...{ code: 'DB_ROWS_VANISHED', kind: 'transient' },
      remedy: expect.stringContaining('triggers that return NULL'),
    };
    const letter = {
      receivedAtMs: 1e12,
      topic: 't',
      payload: Buffer.from('x'),
      reason: 'undecodable',
      detail: undefined,
    };
    const batches = [
      batchOf(series(10, 2)),
      batchOf(series(10, 2), { retry: true }),
      batchOf([reading(1, 0, { humidity: 2 })], { retry: true }),
      batchOf([reading(2, 0, { flow: 2 })]),
      batchOf([reading(2, 0, { flow: 2 })], { retry: true }),
      batchOf([], { deadLetters: [letter, letter] }),
    ];
    for (const table of TABLES)
      await db.rows(
        `CREATE TRIGGER lose BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION lose()`,
      );
    for (const batch of batches) await expect(db.store.commit(batch)).rejects.toMatchObject(vanished);
    for (const table of TABLES) await db.rows(`DROP TRIGGER lose ON ${table}`);
    for (const batch of batches)
      expect(await db.store.commit({ ...batch, retry: true })).toMatchObject({ kind: 'committed' });
    expect(await rows()).toBe(11);
  });

  test('the same of alerts: rows, ends, states that come and go, and notifications', async () => {
    const key = { sensorId: 7, metric: 'temperature', kind: 'threshold', side: 'high' } as const;
    const named = { ...key, alertType: 'temperature_high', alertId: randomUUID() };
    const row = { ...named, timeUs: T0_US, message: 'm', value: 31, threshold: 30, severity: 'warning', startedAtUs: T0_US, ruleHash: 'h' } as const; // prettier-ignore
    const state = { ...named, state: 'firing', severity: 'warning', sinceUs: null, startedAtUs: T0_US, firedAtUs: T0_US, threshold: 30, peakValue: 31, seq: 1, lastEventUs: T0_US, lastValue: 31, ruleHash: 'h', detail: { fired: [T0_US] } } as const; // prettier-ignore
    const end = { ...named, firedAtUs: T0_US, resolvedAtUs: T0_US + 1, resolvedValue: 29, peakValue: 31, reason: 'value', flapping: false, backfilled: false } as const; // prettier-ignore
    const notification = { alertId: named.alertId, seq: 1, event: 'firing' } as AlertNotification;
    const steps: [string, Partial<AlertBatch>][] = [
      ['sensor_alerts', { raised: [row] }],
      ['alert_state', { states: [state] }],
      ['alert_outbox', { notifications: [notification] }],
      ['sensor_alerts', { resolved: [end] }],
      ['alert_state', { states: [{ ...state, state: 'ok', detail: {} }] }],
    ];
    await db.rows(
      'CREATE FUNCTION lose_any() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$',
    );
    for (const [table, part] of steps) {
      const batch = batchOf(series(1), { alerts: { ...EMPTY_ALERT_BATCH, ...part }, retry: true });
      await db.rows(
        `CREATE TRIGGER lose BEFORE INSERT OR UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION lose_any()`,
      );
      await expect(db.store.commit(batch)).rejects.toMatchObject({
        code: 'DB_ROWS_VANISHED',
        kind: 'transient',
      });
      await db.rows(`DROP TRIGGER lose ON ${table}`);
      // Once, and once more after a lost reply.
      for (let times = 0; times < 2; times++)
        expect(await db.store.commit(batch)).toMatchObject({ kind: 'committed' });
    }
    expect(await db.rows('SELECT resolved_value FROM sensor_alerts')).toEqual([{ resolved_value: 29 }]);
    expect(await db.rows('SELECT FROM alert_state')).toEqual([]);
  });

  const SABOTAGES = [
    ['a trigger that returns NULL', 'CREATE TRIGGER lose BEFORE INSERT OR UPDATE ON TABLE FOR EACH ROW EXECUTE FUNCTION lose_one()', 'DROP TRIGGER lose ON TABLE'],
    ['a rule', 'CREATE RULE lost AS ON INSERT TO TABLE DO INSTEAD NOTHING', 'DROP RULE lost ON TABLE'],
  ] as const; // prettier-ignore

  test.each(SABOTAGES)(
    '%s on sensors and metrics: nothing is refused for it, and it is named',
    async (kind, make, drop) => {
      const pool = new pg.Pool({ connectionString: db.url, max: 1 }).on('error', () => undefined);
      const directory = new TimescaleSensorStore(pool);
      const of = (statement: string, table: string) => statement.replace('TABLE', table);
      await db.rows(
        `CREATE OR REPLACE FUNCTION lose_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$`,
      );
      await db.rows(of(make, 'sensors'));
      const named = (table: string) => ({
        ...{ code: 'DB_ROWS_VANISHED', kind: 'transient' },
        remedy: expect.stringMatching(new RegExp(`on ${table}`, 'i')),
      });
      await expect(directory.register([{ key: 'n1' }, { key: 'n2', location: 'x' }])).rejects.toMatchObject(
        named('sensors'),
      );
      await expect(directory.declare([{ key: 'n3' }])).rejects.toMatchObject(named('sensors'));
      await db.rows(of(drop, 'sensors'));
      expect(await directory.register([{ key: 'n1' }, { key: 'n2', location: 'x' }])).toHaveLength(2);
      await db.rows(of(make, 'metrics'));
      const batch = batchOf([reading(1, 0, { [kind]: 2 })]);
      const store = db.another();
      await expect(store.commit(batch)).rejects.toMatchObject(named('metrics'));
      await db.rows(of(drop, 'metrics'));
      expect(await store.commit({ ...batch, retry: true })).toMatchObject({ kind: 'committed' });
      await db.rows('DELETE FROM sensors');
      await db.rows('DELETE FROM metrics');
      await pool.end();
    },
  );

  describe('a trigger that raises an exception', () => {
    const raise = (table: string, condition: string) =>
      db.rows(`CREATE OR REPLACE FUNCTION raise() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF ${condition} THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER raise BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION raise()`);
    const silence = (table: string) => db.rows(`DROP TRIGGER raise ON ${table}`);
    const blocked = (table: string) => ({
      ...{ code: 'DB_ROWS_BLOCKED', kind: 'transient' },
      message: expect.stringContaining('not this one'),
      remedy: expect.stringContaining(`triggers on ${table}`),
    });

    test.each([
      ['sensor_readings', 'NEW.temperature > 50', { temperature: 60 }],
      ['sensor_metrics', 'NEW.value > 50', { flow: 60 }],
    ])(
      'on some rows of %s costs those; on all of them the database counts as away',
      async (table, condition, metrics) => {
        const good = [
          reading(1, 0, { temperature: 20, flow: 1 }),
          reading(2, 0, { temperature: 21, flow: 2 }),
        ];
        await raise(table, condition);
        for (const retry of [false, true]) {
          const bad = await db.store.commit(batchOf([...good, reading(3, 0, metrics)], { retry }));
          expect(bad).toMatchObject({ kind: 'row_refused', index: 2, sqlstate: 'P0001', others: [] });
          // Alone: the row of no sensor is taken, so it is the reading's own fault.
          const alone = await db.store.commit(batchOf([reading(3, 0, metrics)], { retry }));
          expect(alone).toMatchObject({ kind: 'row_refused', index: 0, sqlstate: 'P0001' });
        }
        await silence(table);
        await raise(table, 'true');
        for (const retry of [false, true])
          await expect(db.store.commit(batchOf(good, { retry }))).rejects.toMatchObject(blocked(table));
        await silence(table);
        expect(await db.store.commit(batchOf(good, { retry: true }))).toMatchObject({ stored: 2 });
      },
    );

    test('on names of sensors and metrics, the same', async () => {
      const pool = new pg.Pool({ connectionString: db.url, max: 1 }).on('error', () => undefined);
      const directory = new TimescaleSensorStore(pool);
      await raise('sensors', "NEW.key = 'bad'");
      expect(await directory.register([{ key: 'bad' }, { key: 'n1' }])).toMatchObject([{ key: 'n1' }]);
      await silence('sensors');
      await raise('sensors', 'true');
      await expect(directory.register([{ key: 'n2' }])).rejects.toMatchObject(blocked('sensors'));
      await silence('sensors');
      expect(await directory.register([{ key: 'n2' }])).toHaveLength(1);
      expect(await db.rows("SELECT FROM sensors WHERE key LIKE 'fieldwatch%'")).toEqual([]);
      const batch = batchOf([reading(1, 0, { temperature: 1, raised: 2 })]);
      const store = db.another();
      await raise('metrics', 'true');
      await expect(store.commit(batch)).rejects.toMatchObject(blocked('metrics'));
      await silence('metrics');
      expect(await store.commit({ ...batch, retry: true })).toMatchObject({ kind: 'committed' });
      await db.rows('DELETE FROM sensors');
      await db.rows('DELETE FROM metrics');
      await pool.end();
    });

    test('on an alert: the batch waits as one that is refused for no reading, with triggers named', async () => {
      const key = { sensorId: 7, metric: 'temperature', kind: 'threshold', side: 'high' } as const;
      const row = { ...key, alertType: 'temperature_high', alertId: randomUUID(), timeUs: T0_US, message: 'm', value: 31, threshold: 30, severity: 'warning', startedAtUs: T0_US, ruleHash: 'h' } as const; // prettier-ignore
      const batch = batchOf(series(2), { alerts: { ...EMPTY_ALERT_BATCH, raised: [row] }, retry: true });
      await raise('sensor_alerts', 'true');
      await expect(db.store.commit(batch)).rejects.toMatchObject({
        code: 'DB_BATCH_REFUSED',
        remedy: expect.stringContaining('triggers'),
      });
      expect(await rows()).toBe(0);
      await silence('sensor_alerts');
      expect(await db.store.commit(batch)).toMatchObject({ stored: 2 });
    });
  });

  test('a trigger that keeps all rows is no fault', async () => {
    await db.rows(`CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$`);
    await db.rows(
      'CREATE TRIGGER keep BEFORE INSERT ON sensor_readings FOR EACH ROW EXECUTE FUNCTION keep()',
    );
    expect(await db.store.commit(batchOf(series(5)))).toMatchObject({ stored: 5 });
    await db.rows('DROP TRIGGER keep ON sensor_readings');
  });

  test('a table that is no hypertable any more is named with the statement that repairs it', async () => {
    await db.rows('ALTER TABLE dead_letters RENAME TO kept');
    await db.rows('CREATE TABLE dead_letters (LIKE kept INCLUDING DEFAULTS)');
    const refused = { code: 'DB_NOT_HYPERTABLE', kind: 'transient' };
    await expect(examineServer({ url: db.url })).rejects.toMatchObject(refused);
    const error: unknown = await db
      .another()
      .commit(batchOf(series(5)))
      .catch((cause: unknown) => cause);
    expect(error).toMatchObject(refused);
    const statement =
      /SELECT create_hypertable\([^;]*\)/.exec((error as { remedy: string }).remedy)?.[0] ?? '';
    await db.rows(statement);
    expect(await db.another().commit(batchOf(series(5)))).toMatchObject({ stored: 5 });
    await db.rows('DROP TABLE dead_letters');
    await db.rows('ALTER TABLE kept RENAME TO dead_letters');
  });

  describeReal('on a server', () => {
    test('a privilege that is missing on a column: the right is named, and no row is refused for it', async () => {
      const role = `fieldwatch_poor_${randomUUID().slice(0, 8)}`;
      await db.rows(`CREATE ROLE ${role} LOGIN PASSWORD 'poor'`);
      await db.rows(`GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO ${role}`);
      await db.rows(`REVOKE INSERT ON sensors, metrics FROM ${role}`);
      await db.rows(`GRANT INSERT (name), INSERT (location) ON sensors TO ${role}`);
      const url = db.url.replace(/\/\/[^@]*@/, `//${role}:poor@`);
      const pool = new pg.Pool({ connectionString: url, max: 1 }).on('error', () => undefined);
      const refused = { code: 'DB_RIGHTS', kind: 'auth', message: expect.stringContaining('42501') };
      await expect(new TimescaleSensorStore(pool).register([{ key: 'n1' }])).rejects.toMatchObject({
        ...refused,
        message: expect.stringMatching(/sensors.*42501/),
      });
      const store = db.another({ url });
      await expect(store.commit(batchOf([reading(1, 0, { poor: 2 })]))).rejects.toMatchObject(refused);
      await pool.end();
      await store.close();
      await db.rows(`DROP OWNED BY ${role}`);
      await db.rows(`DROP ROLE ${role}`);
    });

    test('a role of three connections: the writer keeps its own, the fourth is refused with the number needed', async () => {
      const role = `fieldwatch_few_${randomUUID().slice(0, 8)}`;
      await db.rows(`CREATE ROLE ${role} LOGIN PASSWORD 'few' CONNECTION LIMIT 3`);
      await db.rows(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`);
      const url = db.url.replace(/\/\/[^@]*@/, `//${role}:few@`);
      const store = db.another({ url });
      expect(await store.commit(batchOf(series(1)))).toMatchObject({ stored: 1 });
      const held = [1, 2].map(() => new pg.Client(url));
      for (const client of held) await client.connect();
      const refused = { code: 'DB_RESOURCES', kind: 'transient', message: expect.stringContaining('53300') };
      await expect(examineServer({ url })).rejects.toMatchObject({
        ...refused,
        remedy: expect.stringMatching(/12 with the defaults.*CONNECTION LIMIT/),
      });
      const command = runCli(sensorsCommand, ['list'], { env: { FIELDWATCH_DATABASE_URL: url } });
      await expect(command).rejects.toMatchObject(refused);
      expect(await store.commit(batchOf(series(1, 2)))).toMatchObject({ stored: 1 });
      await Promise.all([store.close(), ...held.map((client) => client.end())]);
      await db.rows(`DROP OWNED BY ${role}`);
      await db.rows(`DROP ROLE ${role}`);
    });

    test('the extension in a schema of its own: migrated, written, and nothing to find that is not so elsewhere', async () => {
      const other = await openOnServer(REAL_SERVER!, { workers: false, migrate: undefined });
      const admin = new pg.Client(other.url);
      await admin.connect();
      // By itself in a session: the extension is loaded with its first statement.
      await admin.query('DROP EXTENSION timescaledb CASCADE');
      await admin.query('CREATE SCHEMA ext');
      await admin.end();
      const create = new pg.Client(other.url);
      await create.connect();
      await create.query('CREATE EXTENSION timescaledb SCHEMA ext');
      await create.end();
      await migrateDatabase({ url: other.url });
      expect((await examineServer({ url: other.url })).encoding).toBe('UTF8');
      const store = db.another({ url: other.url });
      expect(await store.commit(batchOf([reading(1, 0, { temperature: 1, flow: 2 })]))).toMatchObject({
        stored: 1,
      });
      const env = { FIELDWATCH_DATABASE_URL: other.url };
      const { out } = await runCli(policiesCommand, ['verify', '--json'], { env });
      expect(out).not.toMatch(/"verdict":"(?:missing|differs|unknown)"/);
      expect((await runCli(sensorsCommand, ['list'], { env })).code).toBe(0);
      await store.close();
      await other.close();
    });

    test('a restore that was not ended: nothing is stored until it is', async () => {
      await db.rows('SELECT timescaledb_pre_restore()');
      const refused = { code: 'TIMESCALE_RESTORING', kind: 'transient' };
      const store = db.another();
      await expect(store.commit(batchOf(series(5)))).rejects.toMatchObject(refused);
      await expect(examineServer({ url: db.url })).rejects.toMatchObject(refused);
      const [row] = await db.rows<{ other: string }>('SELECT timescaledb_post_restore()::text AS other');
      expect(row).toBeDefined();
      expect(await store.commit(batchOf(series(5)))).toMatchObject({ stored: 5 });
      expect(await rows()).toBe(5);
    });
  });
});
