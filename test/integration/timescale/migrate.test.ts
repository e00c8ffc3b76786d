import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { TimescaleAlertStore } from '../../../src/adapters/timescale/alert/alert-store.ts';
import { TimescaleHandoverStore } from '../../../src/adapters/timescale/alert/handover-store.ts';
import { migrate, migrateDatabase } from '../../../src/adapters/timescale/migrate/migrate.ts';
import { schemaIsCurrent, status } from '../../../src/adapters/timescale/migrate/migration-status.ts';
import { type Migration, loadMigrations } from '../../../src/adapters/timescale/migrate/migrations.ts';
import { shardOf } from '../../../src/core/alert/cluster/shard.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';

const ours = loadMigrations();
const made = (version: number, sql: string, more: Partial<Migration> = {}): Migration => ({
  version, name: `made_${version}`, sql, checksum: `sum ${sql}`, transactional: true, ...more,
}); // prettier-ignore

const KEYS = ours.find(({ name }) => name === 'alert_keys') ?? made(0, '');
const SHARDS_VERSION = ours.find(({ name }) => name === 'alert_shards')?.version ?? 0;
const ALERT = '5f7c1f5e-8a75-5f1d-9d2e-0c5f5b1c9a01';

let db: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  db = await openTestDatabase({ migrated: true });
  client = await connect();
});
afterAll(async () => {
  await client.end();
  await db.close();
});

async function connect(): Promise<pg.Client> {
  const one = new pg.Client({ connectionString: db.url });
  await one.connect();
  return one;
}
const rows = async (text: string) => (await client.query<Record<string, unknown>>(text)).rows;
/** In a schema of its own, so that a test may migrate as if the database were empty. */
const inSchema = async (name: string, run: (clients: pg.Client[]) => Promise<void>, sessions = 1) => {
  await client.query(`CREATE SCHEMA ${name}`);
  const clients = await Promise.all(Array.from({ length: sessions }, connect));
  for (const one of clients) await one.query(`SET search_path = ${name}, public`);
  try {
    await run(clients);
  } finally {
    for (const one of clients) await one.end();
    await client.query(`DROP SCHEMA ${name} CASCADE`);
  }
};

describe('the schema', () => {
  const columns = async (table: string) =>
    (
      await rows(`SELECT column_name || ' ' || data_type AS c FROM information_schema.columns
        WHERE table_name = '${table}' AND table_schema = current_schema() ORDER BY ordinal_position`)
    ).map(({ c }) => c);

  test('sensor_readings has exactly its columns', async () => {
    expect(await columns('sensor_readings')).toEqual([
      'time timestamp with time zone', 'sensor_id integer', 'temperature double precision',
      'humidity double precision', 'pressure double precision', 'battery double precision', 'rssi integer',
    ]); // prettier-ignore
  });

  test('sensor_alerts begins with its six, and an INSERT of just these works', async () => {
    expect((await columns('sensor_alerts')).slice(0, 6)).toEqual([
      'time timestamp with time zone', 'sensor_id integer', 'alert_type text', 'message text',
      'value double precision', 'threshold double precision',
    ]); // prettier-ignore
    await client.query(
      `INSERT INTO sensor_alerts VALUES ('2026-01-01Z', 1, 'temperature_high', 'hot', 31, 30)`,
    );
    expect(await rows('SELECT severity, flapping, resolved_at FROM sensor_alerts')).toEqual([
      { severity: 'warning', flapping: false, resolved_at: null },
    ]);
  });

  test('narrow metrics, and the figures of the daemon', async () => {
    expect(await columns('sensor_metrics')).toEqual([
      'time timestamp with time zone', 'sensor_id integer', 'metric_id integer', 'value double precision',
    ]); // prettier-ignore
    expect(await columns('app_metrics')).toEqual([
      'time timestamp with time zone', 'host text', 'metric_name text', 'value double precision', 'tags jsonb',
    ]); // prettier-ignore
  });

  test('the aggregates carry sums and counts in addition to the averages', async () => {
    for (const [view, bucket] of [
      ['sensor_hourly_agg', 'hour'],
      ['sensor_daily_agg', 'day'],
    ] as const) {
      const names = (await columns(view)).map((c) => String(c).split(' ')[0]);
      expect(names.slice(0, 2)).toEqual([bucket, 'sensor_id']);
      expect(names).toEqual(
        expect.arrayContaining([
          'avg_temp', 'min_temp', 'max_temp', 'avg_humidity', 'avg_battery', 'readings', 'sum_temp', 'count_temp',
        ]), // prettier-ignore
      );
    }
  });

  test('no foreign key leaves a hypertable', async () => {
    expect(
      await rows(`SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f'
      AND conrelid IN (SELECT format('%I.%I', hypertable_schema, hypertable_name)::regclass
                         FROM timescaledb_information.hypertables)`),
    ).toEqual([]);
  });

  test('every policy is there, each with a fixed schedule', async () => {
    const policies = await rows(`SELECT hypertable_name || ' ' || proc_name AS policy, fixed_schedule,
        coalesce(config->>'drop_after', config->>'compress_after', config->>'start_offset') AS span
      FROM timescaledb_information.jobs WHERE hypertable_schema = current_schema() ORDER BY 1`);
    expect(policies.map(({ policy, span }) => `${String(policy)} ${String(span)}`)).toEqual([
      'app_metrics policy_compression 2 days',
      'app_metrics policy_retention 30 days',
      'dead_letters policy_retention 30 days',
      'sensor_alerts policy_retention 1 year',
      'sensor_daily_agg policy_refresh_continuous_aggregate 5 days',
      'sensor_daily_agg policy_retention 5 years',
      'sensor_hourly_agg policy_refresh_continuous_aggregate 3 days',
      'sensor_hourly_agg policy_retention 1 year',
      'sensor_metrics policy_compression 7 days',
      'sensor_metrics policy_retention 90 days',
      'sensor_metrics_daily_agg policy_refresh_continuous_aggregate 5 days',
      'sensor_metrics_daily_agg policy_retention 5 years',
      'sensor_metrics_hourly_agg policy_refresh_continuous_aggregate 3 days',
      'sensor_metrics_hourly_agg policy_retention 1 year',
      'sensor_readings policy_compression 7 days',
      'sensor_readings policy_retention 90 days',
    ]);
    expect(policies.every(({ fixed_schedule }) => fixed_schedule)).toBe(true);
  });
});

describe('migrating', () => {
  test('twice is once', async () => {
    expect(await migrate(client)).toEqual({ from: ours.length, to: ours.length, applied: [] });
    await migrateDatabase(db.url);
    await schemaIsCurrent(client);
  });

  test('the whole schema goes where search_path says', async () => {
    await inSchema('elsewhere', async ([one]) => {
      if (one === undefined) return;
      expect(await status(one)).toMatchObject({ version: 0, target: ours.length });
      await expect(schemaIsCurrent(one)).rejects.toMatchObject({ code: 'SCHEMA_PENDING' });
      const result = await migrate(one);
      expect(result).toMatchObject({ from: 0, to: ours.length });
      expect(result.applied[0]).toBe('0001_readings');
      const found = await one.query(`SELECT to_regclass('elsewhere.sensor_daily_agg') IS NOT NULL AS there`);
      expect(found.rows).toEqual([{ there: true }]);
    });
  });

  test('open episodes keep their ids when alerts get keys of their own', async () => {
    const before = ours.filter(({ version }) => version < KEYS.version);
    await inSchema('keyed', async ([one]) => {
      if (one === undefined) return;
      await migrate(one, { migrations: before });
      await one.query(`INSERT INTO metrics (name) VALUES ('flow_rate')`);
      await one.query(`INSERT INTO alert_state (sensor_id, alert_type, state, alert_id, severity, seq, last_event_at, last_value,
          rule_hash, detail) VALUES (1, 'flow_rate_high', 'firing', '${ALERT}', 'warning', 1, now(), 3, 'h',
          '{"metric": "flow", "streak": 2}'), (2, 'door_rate_low', 'ok', NULL, 'warning', 0, now(), 3, 'h', '{"flaps": [1]}')`);
      await one.query(`INSERT INTO sensor_alerts (time, sensor_id, alert_type, alert_id) VALUES
          ('2026-01-01Z', 1, 'flow_rate_high', '${ALERT}'), ('2025-01-01Z', 1, 'flow_rate_high', gen_random_uuid()),
          ('2025-01-01Z', 1, 'a_no_data', gen_random_uuid()), ('2025-01-01Z', 1, 'b_anomaly', gen_random_uuid()),
          ('2025-01-01Z', 1, 'c_rate_low', gen_random_uuid()), ('2025-01-01Z', 1, 'd_low', gen_random_uuid()),
          ('2025-01-01Z', 1, 'own', NULL)`);
      await migrate(one);
      const states = await one.query(
        'SELECT sensor_id, metric, kind, side, alert_id, detail FROM alert_state ORDER BY 1',
      );
      expect(states.rows).toEqual([
        { sensor_id: 1, metric: 'flow', kind: 'rate', side: 'high', alert_id: ALERT, detail: { streak: 2 } },
        { sensor_id: 2, metric: 'door', kind: 'rate', side: 'low', alert_id: null, detail: { flaps: [1] } },
      ]);
      const alerts = await one.query(
        `SELECT concat_ws(' ', metric, kind, side) AS key FROM sensor_alerts ORDER BY time, alert_type`,
      );
      expect(alerts.rows.map(({ key }: { key: string }) => key)).toEqual([
        'a no_data high', 'b anomaly both', 'c rate low', 'd threshold low', 'flow_rate threshold high', '', 'flow rate high',
      ]); // prettier-ignore
    });
  });

  test('readings that wait for the one evaluator of a share group wait for the owners of their shards', async () => {
    const before = ours.filter(({ version }) => version < SHARDS_VERSION);
    await inSchema('sharded', async ([one]) => {
      if (one === undefined) return;
      await migrate(one, { migrations: before });
      await one.query(
        `INSERT INTO sensors (id, key) OVERRIDING SYSTEM VALUE VALUES (7, 'küche "1"'), (8, 'b')`,
      );
      await one.query(`INSERT INTO sensor_aliases VALUES ('former', 8)`);
      await one.query(`INSERT INTO alert_duty (group_name, owner, epoch) VALUES ('crew', 'old', 3)`);
      const first = [
        ['küche "1"', 'lab', 1e15 + 1, 1e12, { temperature: 20.5, co2: null }],
        ['gone', null, 1, 2, {}],
      ];
      const second = [
        ['former', null, 1e15 + 2, 1e12, { x: 1 }, true, true],
        ['küche "1"', null, 1e15 + 3, 1e12, { y: 2 }],
      ];
      for (const payload of [first, second])
        await one.query(`INSERT INTO alert_inbox (group_name, readings, payload) VALUES ('crew', 2, $1)`, [
          JSON.stringify(payload),
        ]);
      await one.query(`INSERT INTO alert_state (sensor_id, metric, kind, side, alert_type, state, alert_id, severity, seq,
          last_event_at, last_value, rule_hash) VALUES (7, 't', 'threshold', 'high', 't_high', 'firing', '${ALERT}', 'warning',
          1, now(), 3, 'h')`);
      await migrate(one);
      const handover = new TimescaleHandoverStore(one);
      const read = async (sensorId: number) =>
        (await handover.read('crew', [shardOf(sensorId)], 20_000)).rows.flatMap(({ readings }) => readings);
      const of = { receivedAtMs: 1e12, retained: false, spooled: false, located: true };
      expect(await read(7)).toEqual([
        { ...of, sensorId: 7, timeUs: 1e15 + 1, metrics: new Map([['temperature', 20.5], ['co2', null]]) },
        { ...of, sensorId: 7, timeUs: 1e15 + 3, metrics: new Map([['y', 2]]) },
      ]); // prettier-ignore
      expect(await read(8)).toEqual([
        { ...of, sensorId: 8, timeUs: 1e15 + 2, metrics: new Map([['x', 1]]), retained: true, spooled: true },
      ]);
      expect(await handover.earliest('crew', [shardOf(7)])).toEqual(new Map([[7, 1e15 + 1]]));
      expect(await handover.waiting('crew')).toBe(3);
      const states = await new TimescaleAlertStore(one).loadStates([shardOf(7)]);
      expect(states).toMatchObject([{ sensorId: 7, alertId: ALERT, state: 'firing' }]);
      const old = (await one.query('SELECT 1 FROM alert_duty UNION ALL SELECT 1 FROM alert_inbox')).rows;
      expect(old).toEqual([]);
    });
  });

  test('three programs at once: each migration is applied once', async () => {
    const list = [
      made(1, 'CREATE TABLE a (x int)'),
      made(2, 'CREATE TABLE b (x int); INSERT INTO b VALUES (1)'),
    ];
    await inSchema('crowd', async (clients) => {
        const results = await Promise.all(clients.map((one) => migrate(one, { migrations: list })));
        expect(results.flatMap(({ applied }) => applied).sort()).toEqual(['0001_made_1', '0002_made_2']);
        expect((await clients[0]?.query('SELECT x FROM b'))?.rows).toEqual([{ x: 1 }]);
      }, 3,
    ); // prettier-ignore
  });

  test('a database newer than the program is refused', async () => {
    await expect(migrate(client, { migrations: ours.slice(0, -1) })).rejects.toMatchObject({
      code: 'SCHEMA_NEWER', kind: 'schema', remedy: expect.stringContaining('newer fieldwatch'),
    }); // prettier-ignore
    expect((await status(client, ours.slice(0, -1))).entries.at(-1)).toMatchObject({ state: 'unknown' });
    // Several versions behind: the newest is named, not the first that is unknown.
    const newest = ours.at(-1);
    await expect(schemaIsCurrent(client, ours.slice(0, -3))).rejects.toThrow(
      new RegExp(
        `version ${newest?.version} \\(${newest?.name}\\); this program, .*, knows up to ${ours.length - 3}$`,
      ),
    );
  });

  test('a migration whose content changed after it was applied is refused', async () => {
    const changed = ours.map((one) => (one.version === 2 ? { ...one, checksum: 'other' } : one));
    await expect(migrate(client, { migrations: changed })).rejects.toMatchObject({ code: 'SCHEMA_DRIFT' });
    await client.query('DELETE FROM schema_migrations WHERE version = 1');
    const refused: unknown = await migrate(client).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: 'SCHEMA_DRIFT',
      message: expect.stringContaining('no row of migration 0001_readings'),
    });
    await client.query((refused as { remedy: string }).remedy.replace(/^.*: (?=INSERT)/, ''));
    expect(await migrate(client)).toMatchObject({ applied: [] });
    expect((await status(client, changed)).entries[1]).toMatchObject({ state: 'changed' });
  });

  const statementsOf = (refused: unknown) =>
    /(?:CREATE|INSERT) .*;/s.exec((refused as { remedy: string }).remedy)?.[0] ?? '';

  test('rows of the latest migrations that were lost are put back by the remedy of each', async () => {
    const list = [made(1, 'CREATE TABLE a (x int)'), made(2, 'ALTER TABLE a ADD COLUMN y int')];
    await inSchema('shortened', async ([one]) => {
      if (one === undefined) return;
      await migrate(one, { migrations: list });
      await one.query('DELETE FROM schema_migrations WHERE version > 1');
      const refused: unknown = await migrate(one, { migrations: list }).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: 'MIGRATION_FAILED' });
      await one.query(statementsOf(refused));
      expect(await migrate(one, { migrations: list })).toMatchObject({ applied: [] });
    });
  });

  test.each(['DELETE FROM schema_migrations', 'DROP TABLE schema_migrations'])(
    'after %s all of its rows are put back by the remedy',
    async (spoil) => {
      await client.query(spoil);
      const refused: unknown = await migrate(client).catch((error: unknown) => error);
      expect(refused).toMatchObject({
        code: 'SCHEMA_DRIFT',
        message: expect.stringContaining('schema_migrations has no row'),
      });
      await client.query(statementsOf(refused));
      expect(await migrate(client)).toMatchObject({ to: ours.length, applied: [] });
    },
  );

  test('one that fails leaves nothing of itself, keeps those before, and says where', async () => {
    const list = [
      made(1, 'CREATE TABLE a (x int)'),
      made(2, 'CREATE TABLE b (x int);\nINSERT INTO nowhere VALUES (1)'),
    ];
    await inSchema('broken', async ([one]) => {
      if (one === undefined) return;
      await expect(migrate(one, { migrations: list })).rejects.toMatchObject({
        code: 'MIGRATION_FAILED', kind: 'schema', message: expect.stringContaining('0002_made_2.sql:2: '),
      }); // prettier-ignore
      expect(await status(one, list)).toMatchObject({
        version: 1,
        entries: [{ state: 'applied' }, { state: 'pending' }],
      });
      const repaired = [list[0] as Migration, made(2, 'CREATE TABLE b (x int)')];
      expect(await migrate(one, { migrations: repaired })).toEqual({
        from: 1,
        to: 2,
        applied: ['0002_made_2'],
      });
    });
  });

  test('a statement that no transaction may hold runs outside of one', async () => {
    const refresh = made(
      1,
      `CALL refresh_continuous_aggregate('public.sensor_hourly_agg', '2020-01-01', '2020-01-02')`,
    );
    await inSchema('outside', async ([one]) => {
      if (one === undefined) return;
      await expect(migrate(one, { migrations: [refresh] })).rejects.toMatchObject({
        code: 'MIGRATION_FAILED',
      });
      const apart = [{ ...refresh, transactional: false }];
      expect(await migrate(one, { migrations: apart })).toMatchObject({ to: 1 });
    });
  });
});
