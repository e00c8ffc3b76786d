import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createSystemClock } from '../../../src/adapters/system/clock.ts';
import { createCatalog } from '../../../src/adapters/timescale/policy/catalog.ts';
import type { DatabaseOptions } from '../../../src/adapters/timescale/connection/connection.ts';
import { Connector } from '../../../src/adapters/timescale/connection/connector.ts';
import { AdvisoryLeaderLock } from '../../../src/adapters/timescale/policy/leader-lock.ts';
import { createPool, endPool, readerOf } from '../../../src/adapters/timescale/connection/pool.ts';
import { DatabaseSession, type Work } from '../../../src/adapters/timescale/connection/session.ts';
import { readTimeline } from '../../../src/adapters/timescale/connection/timeline.ts';
import { checkReadServer } from '../../../src/cli/doctor/replication.ts';
import { readReplication } from '../../../src/queries/status.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { type TcpProxy, proxyTo } from '../../support/tcp-proxy.ts';
import { describeWith } from '../../support/tools.ts';

const deps = { clock: createSystemClock(), logger: new QuietLogger() };

describeWith('initdb')('the link to the database', () => {
  let server: PostgresServer;
  const closers: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    server = await PostgresServer.start();
    await server.sql(
      'CREATE TABLE shelf (id int PRIMARY KEY, n int NOT NULL)',
      'INSERT INTO shelf VALUES (1, 0)',
    );
  }, 60_000);
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
  afterAll(() => server.stop());

  const sessionOn = (options: DatabaseOptions) => {
    const session = new DatabaseSession(options, deps);
    closers.push(() => session.close());
    return session;
  };
  const poolOn = async (options: DatabaseOptions) => {
    const pool = await createPool({ ...options, max: 1 }, deps.logger);
    closers.push(() => endPool(pool, deps.clock));
    return pool;
  };

  describe('settings of role, database and server', () => {
    const ODD = {
      IntervalStyle: 'iso_8601',
      DateStyle: 'German, DMY',
      TimeZone: 'Asia/Kathmandu',
      bytea_output: 'escape',
      extra_float_digits: '-3',
      standard_conforming_strings: 'off',
      quote_all_identifiers: 'on',
      array_nulls: 'off',
      synchronous_commit: 'off',
      default_transaction_isolation: 'serializable',
      search_path: 'nowhere',
    };
    const TEXTS = `SELECT interval '7 days 1 hour'::text AS interval, '\\x00ff'::bytea::text AS bytes,
      timestamptz '2026-01-02 03:04:05.678901Z'::text AS time, (1.0::float8 / 3)::text AS float, 'a\\b' AS escape,
      'shelf'::regclass::text AS name, '{NULL}'::text[] AS list, current_setting('synchronous_commit') AS durable,
      current_setting('transaction_isolation') AS isolation`;
    const RIGHT = {
      interval: '7 days 01:00:00',
      bytes: '\\x00ff',
      time: '2026-01-02 03:04:05.678901+00',
      float: '0.3333333333333333',
      escape: 'a\\b',
      name: 'shelf',
      list: [null],
      durable: 'on',
      isolation: 'read committed',
    };

    beforeAll(async () => {
      await server.sql(
        'CREATE DATABASE odd',
        ...Object.entries(ODD).map(
          ([name, value]) => `ALTER DATABASE odd SET ${name} = ${quoted(name, value)}`,
        ),
      );
      const client = await new Connector({ url: server.url({ database: 'odd' }) }).open();
      await client.query(`CREATE SCHEMA "the Home"; CREATE TABLE "the Home".shelf ();
        CREATE TABLE "the Home".schema_migrations (version int, checksum text)`);
      await client.end();
    });

    test.each([
      [
        'session',
        async (options: DatabaseOptions) =>
          (await sessionOn(options).run((work) => work.query(TEXTS))).rows[0],
      ],
      ['pool', async (options: DatabaseOptions) => (await (await poolOn(options)).query(TEXTS)).rows[0]],
      [
        'catalog',
        async (options: DatabaseOptions) => {
          const catalog = createCatalog(options);
          closers.push(() => catalog.close());
          return (await catalog.select(TEXTS))[0];
        },
      ],
    ] as const)(
      'change no text that a %s reads, and the schema that has the tables is found',
      async (_way, ask) => {
        expect(await ask({ url: server.url({ database: 'odd' }) })).toEqual(RIGHT);
      },
    );

    test('of several schemas with the tables the search_path or database.schema decides, else it is refused', async () => {
      await server.sql('CREATE DATABASE twice');
      const url = server.url({ database: 'twice' });
      const schemaOf = async (options: DatabaseOptions) => {
        const client = await new Connector(options).open();
        const { rows } = await client.query<{ schema: string }>('SELECT current_schema() AS schema');
        await client.end();
        return rows[0]?.schema;
      };
      const client = await new Connector({ url }).open();
      await client.query('CREATE SCHEMA a; CREATE SCHEMA b');
      expect(await schemaOf({ url })).toBe('public');
      for (const schema of ['a', 'b'])
        await client.query(`CREATE TABLE ${schema}.schema_migrations (version int, checksum text)`);
      await client.query('CREATE TABLE public.schema_migrations (version text)'); // another program's
      await client.end();
      await expect(schemaOf({ url })).rejects.toMatchObject({ code: 'DB_SCHEMA_AMBIGUOUS', kind: 'config' });
      expect(await schemaOf({ url, schema: 'b' })).toBe('b');
      expect(await schemaOf({ url: `${url}?options=-c%20search_path%3Da` })).toBe('a');
      expect(await schemaOf({ url: `${url}?options=-c%20search_path%3Dpublic` })).toBe('public');
    });

    test.each([`''`, `'"$user"'`, 'nowhere'])(
      'a search_path of %s that leads to no schema leaves the tables to public',
      async (path) => {
        await server.sql('DROP DATABASE IF EXISTS lost', 'CREATE DATABASE lost');
        await server.sql(`ALTER DATABASE lost SET search_path = ${path}`);
        const client = await new Connector({ url: server.url({ database: 'lost' }) }).open();
        const { rows } = await client.query('SELECT current_schema() AS schema');
        await client.end();
        expect(rows).toEqual([{ schema: 'public' }]);
      },
    );

    test('a dead peer and a transaction that stands still are given up by the server', async () => {
      const { rows } = await (
        await poolOn({ url: server.url() })
      ).query<{ name: string; setting: string }>(
        `SELECT name, setting FROM pg_settings WHERE name ~ '^tcp_|^idle_in|^client_connection' ORDER BY 1`,
      );
      expect(Object.fromEntries(rows.map(({ name, setting }) => [name, Number(setting)]))).toEqual({
        client_connection_check_interval: 10_000,
        idle_in_transaction_session_timeout: 30_000,
        tcp_keepalives_count: 3,
        tcp_keepalives_idle: 10,
        tcp_keepalives_interval: 5,
        tcp_user_timeout: 30_000,
      });
    });
  });

  describe('several hosts', () => {
    test('the one that takes writes is found, by sessions and by pools', async () => {
      const standby = await PostgresServer.start({ settings: ['default_transaction_read_only = on'] });
      closers.push(() => standby.stop());
      const dead = await freePort();
      const url = server
        .url()
        .replace(`:${server.port}`, `:${dead},127.0.0.1:${standby.port},127.0.0.1:${server.port}`);
      const port = 'SELECT inet_server_port() AS port';
      const session = sessionOn({ url });
      expect((await session.run((work) => work.query<{ port: number }>(port))).rows[0]?.port).toBe(
        server.port,
      );
      expect((await (await poolOn({ url })).query<{ port: number }>(port)).rows[0]?.port).toBe(server.port);

      const any = sessionOn({ url: `${url}?target_session_attrs=any` });
      expect((await any.run((work) => work.query<{ port: number }>(port))).rows[0]?.port).toBe(standby.port);
      const none = sessionOn({ url: url.replace(`,127.0.0.1:${server.port}`, '') });
      await expect(none.run((work) => work.query(port))).rejects.toMatchObject({ kind: 'transient' });
    });
  });

  test('after a failover the new primary is found, and the former one refused when it comes back', async () => {
    const primary = await PostgresServer.start({ hba: ['host replication all 127.0.0.1/32 scram-sha-256'] });
    closers.push(() => primary.stop());
    const standby = await PostgresServer.standbyOf(primary);
    closers.push(() => standby.stop());
    const url = primary.url().replace(`:${primary.port}`, `:${primary.port},127.0.0.1:${standby.port}`);
    const session = sessionOn({ url });
    const timeline = () => session.run((work) => readTimeline(work));
    const before = await timeline();
    expect(before).toEqual({ cluster: expect.stringMatching(/^\d+$/), id: 1 });

    const replica = { url: standby.url(), readsOnly: true };
    const read = await readReplication(readerOf(await poolOn(replica)));
    expect(read).toEqual({ standby: true, synchronous: false, delayS: 0 });
    expect(checkReadServer(read).status).toBe('ok');

    await primary.halt('immediate');
    await standby.promote();
    await eventually(
      'the session is on the new primary',
      async () => (await timeline().catch(() => undefined))?.id === 2,
    );

    await primary.launch();
    const port = 'SELECT inet_server_port() AS port';
    const later = await poolOn({ url });
    expect((await later.query<{ port: number }>(port)).rows[0]?.port).toBe(standby.port);
    await expect(sessionOn({ url: primary.url() }).run((work) => work.query(port))).rejects.toMatchObject({
      code: 'DB_FORMER_PRIMARY',
    });
  });

  describe('a link that is half open', () => {
    let proxy: TcpProxy;
    let options: DatabaseOptions;
    beforeEach(async () => {
      const { proxy: opened, url } = await proxyTo(server.url());
      proxy = opened;
      closers.push(() => proxy.close());
      options = { url, connectTimeoutMs: 500, lockTimeoutMs: 200 };
    });

    const raise = async (work: Work) => {
      await work.script('BEGIN');
      await work.query('UPDATE shelf SET n = n + 1');
    };
    const value = async () => (await server.sql('SELECT n FROM shelf'))[0]?.rows[0] as unknown;

    test('in the middle of a transaction: noticed, its backend ended and its locks free at the next attempt', async () => {
      const session = sessionOn(options);
      const half = session.run(async (work) => {
        await raise(work);
        proxy.strand();
        await work.script('COMMIT');
      });
      await expect(half).rejects.toThrow();
      // The row that the ghost has locked.
      await session.run(async (work) => {
        await raise(work);
        await work.script('COMMIT');
      });
      expect(await value()).toEqual({ n: 1 });
    });

    test('under a connection of a pool', async () => {
      const pool = await poolOn(options);
      await pool.query('SELECT 1');
      proxy.strand();
      await expect(pool.query('SELECT 1')).rejects.toThrow();
      expect((await pool.query('SELECT 1')).rowCount).toBe(1);
    });

    test('under a leader: it leads again with its next connection', async () => {
      const lock = new AdvisoryLeaderLock(options, deps);
      closers.push(() => lock.release());
      expect(await lock.tryHold()).toBe(true);
      proxy.strand();
      await expect(lock.tryHold()).rejects.toThrow();
      expect(await lock.tryHold()).toBe(true);
    });

    test('and a server that works for long is left in peace, however often it is looked at', async () => {
      const pool = await poolOn(options);
      expect((await pool.query('SELECT pg_sleep(2)')).rowCount).toBe(1);
      expect(proxy.accepted).toBeGreaterThan(1);
    });

    test('a server that says nothing at all is given up', async () => {
      const session = sessionOn(options);
      await expect(
        session.run(async (work) => {
          await raise(work);
          proxy.stall();
          await work.script('COMMIT');
        }),
      ).rejects.toThrow();
      proxy.resume();
      await eventually('the session goes on', () =>
        session
          .run((work) => work.query('SELECT 1'))
          .then(
            () => true,
            () => false,
          ),
      );
    });
  });
});

const quoted = (name: string, value: string) =>
  name === 'search_path' || name === 'DateStyle' ? value : `'${value}'`;
