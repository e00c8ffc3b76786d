import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { EmbeddedServer } from '../../support/embedded-client.ts';
import { RawClient } from '../../support/raw-client.ts';

/** The gateway as PostgreSQL clients see it: queries, pipelines, errors, several connections. */

let db: EmbeddedServer;

const connect = (options?: pg.ClientConfig) => db.connect(options);

beforeAll(async () => {
  db = await EmbeddedServer.open();
});
afterAll(() => db?.close());

describe('startup', () => {
  test('reports the server version, UTC and UTF8, and a process id of its own to each connection', async () => {
    const [first, second] = [await RawClient.connect(db.url), await RawClient.connect(db.url)];
    expect(first.parameters.get('server_version')).toMatch(/^17\./);
    expect(first.parameters.get('TimeZone')).toBe('UTC');
    expect(first.parameters.get('client_encoding')).toBe('UTF8');
    expect(first.parameters.get('standard_conforming_strings')).toBe('on');
    expect(first.pid).not.toBe(second.pid);
    first.destroy();
    second.destroy();
  });

  test('answers SSLRequest with N', async () => {
    const client = await connect({ ssl: undefined });
    await expect(client.query('SELECT 1')).resolves.toBeDefined();
    await expect(connect({ ssl: true })).rejects.toThrow('does not support SSL');
  });

  test('refuses another database name with 3D000', async () => {
    const url = new URL(db.url);
    url.pathname = '/nothere';
    const client = new pg.Client({ connectionString: url.href });
    await expect(client.connect()).rejects.toMatchObject({ code: '3D000' });
  });

  test('applies settings of the startup packet', async () => {
    const client = await connect({
      options: '-c search_path=pg_catalog -c TimeZone=Asia/Tokyo',
      application_name: 'me',
    });
    const { rows } = await client.query(
      `SELECT current_setting('search_path') p, current_setting('TimeZone') z, current_setting('application_name') a`,
    );
    expect(rows[0]).toEqual({ p: 'pg_catalog', z: 'Asia/Tokyo', a: 'me' });
  });

  test('an unknown setting in the startup packet ends the connection', async () => {
    const client = new pg.Client({ connectionString: db.url, options: '-c no_such_setting=1' });
    client.on('error', () => {});
    await client.connect();
    await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: '42704' });
  });
});

describe('queries', () => {
  test('parameters of many types come back as sent, in text and in binary', async () => {
    const client = await connect();
    const values = [
      42,
      'x',
      1.5,
      true,
      new Date('2026-01-02T03:04:05.678Z'),
      Buffer.from([0, 255]),
      { a: [1] },
      ['p', 'q'],
      null,
    ];
    const text =
      'SELECT $1::int a, $2::text b, $3::float8 c, $4::bool d, $5::timestamptz e, $6::bytea f, $7::jsonb g, $8::text[] h, $9::int i';
    const { rows } = await client.query(text, values);
    expect(Object.values(rows[0] as object)).toEqual(values);
    const binary = await client.query({
      text: 'SELECT $1::int a, $2::bool b',
      values: [7, false],
      binary: true,
    } as pg.QueryConfig);
    expect(binary.rows).toEqual([{ a: 7, b: false }]);
  });

  test('a large result arrives whole', async () => {
    const client = await connect();
    const { rows } = await client.query(`SELECT i, repeat('x', 100) t FROM generate_series(1, 200000) i`);
    expect(rows).toHaveLength(200_000);
    expect(rows[199_999]).toEqual({ i: 200_000, t: 'x'.repeat(100) });
  });

  test('a large parameter and a large statement get through', async () => {
    const client = await connect();
    const big = 'ü'.repeat(3_000_000);
    const { rows } = await client.query('SELECT length($1::text) n', [big]);
    expect(rows).toEqual([{ n: 3_000_000 }]);
    const simple = await client.query(`SELECT length('${big}') n`);
    expect(simple.rows).toEqual([{ n: 3_000_000 }]);
  });

  test('several statements in one query give several results, and an error undoes them all', async () => {
    const client = await connect();
    const results = (await client.query('SELECT 1 AS a; SELECT 2 AS b')) as unknown as pg.QueryResult[];
    expect(results.map((result) => result.rows)).toEqual([[{ a: 1 }], [{ b: 2 }]]);
    await client.query('CREATE TABLE several (a int)');
    await expect(client.query('INSERT INTO several VALUES (1); SELECT 1/0')).rejects.toMatchObject({
      code: '22012',
    });
    expect((await client.query('SELECT * FROM several')).rows).toEqual([]);
  });

  test('an empty query is answered', async () => {
    const client = await connect();
    await expect(client.query('')).resolves.toMatchObject({ rows: [] });
  });

  test('notices pass, the engine’s own traces do not', async () => {
    const client = await connect();
    const notices: (string | undefined)[] = [];
    client.on('notice', (notice) => notices.push(notice.message));
    await client.query(`DO $$ BEGIN RAISE NOTICE 'hello %', 1; END $$`);
    await client.query('CREATE TABLE traces (a int PRIMARY KEY)');
    await client.query('INSERT INTO traces VALUES (1)');
    await client.query('INSERT INTO traces VALUES (1)').catch(() => {});
    await client.query('SELECT 1 FROM nothing').catch(() => {});
    expect(notices).toEqual(['hello 1']);
  });

  test('errors carry all their fields', async () => {
    const client = await connect();
    await client.query('CREATE TABLE fields (a int CONSTRAINT positive CHECK (a > 0))');
    await expect(client.query('INSERT INTO fields VALUES (-1)')).rejects.toMatchObject({
      code: '23514',
      schema: 'public',
      table: 'fields',
      constraint: 'positive',
      severity: 'ERROR',
    });
    await expect(client.query('SELEC 1')).rejects.toMatchObject({ code: '42601', position: '1' });
  });
});

describe('pipelines', () => {
  test('an error skips to Sync and undoes what went before in the pipeline', async () => {
    const raw = await RawClient.connect(db.url);
    await raw.simple('CREATE TABLE piped (a int)');
    const run = (sql: string) => [...raw.parse('', sql), ...raw.bind('', ''), ...raw.execute('')];
    raw.send([
      ...run('INSERT INTO piped VALUES (1)'),
      ...run(`SELECT 1/a FROM (VALUES (0)) v(a)`),
      ...run('INSERT INTO piped VALUES (2)'),
      ...raw.sync(),
    ]);
    const answer = await raw.untilReady();
    expect(answer.types).toBe('12C1EZ');
    expect(answer.error?.get('C')).toBe('22012');
    expect((await raw.simple('SELECT * FROM piped')).rows).toEqual([]);
    raw.destroy();
  });

  test('long pipelines run whole, whatever their length', async () => {
    const raw = await RawClient.connect(db.url);
    for (const count of [80, 81, 82, 83, 84, 500, 3000]) {
      const one = [...raw.parse('', 'SELECT $1::int + 1'), ...raw.bind('', '', ['5']), ...raw.execute('')];
      raw.send([...Array.from({ length: count }, () => one).flat(), ...raw.sync()]);
      const answer = await raw.untilReady();
      expect(answer.rows).toHaveLength(count);
    }
    raw.destroy();
  });

  test('Flush answers before Sync, and a row-limited Execute suspends the portal', async () => {
    const raw = await RawClient.connect(db.url);
    raw.send([
      ...raw.parse('', 'SELECT generate_series(1, 5)'),
      ...raw.bind('', ''),
      ...raw.execute('', 2),
      ...raw.flush(),
    ]);
    expect((await raw.until('s')).rows).toEqual([['1'], ['2']]);
    raw.send([...raw.execute('', 2), ...raw.flush()]);
    expect((await raw.until('s')).rows).toEqual([['3'], ['4']]);
    raw.send([...raw.execute('', 2), ...raw.sync()]);
    expect((await raw.untilReady()).rows).toEqual([['5']]);
    raw.destroy();
  });

  test('the same statement name on two connections means two statements', async () => {
    const [first, second] = [await connect(), await connect()];
    const named = (text: string) => ({ name: 'same', text });
    expect((await first.query(named('SELECT 1 AS n'))).rows).toEqual([{ n: 1 }]);
    expect((await second.query(named('SELECT 2 AS n'))).rows).toEqual([{ n: 2 }]);
    expect((await first.query(named('SELECT 1 AS n'))).rows).toEqual([{ n: 1 }]);
  });

  test('the unnamed statement survives the use of another connection’s', async () => {
    const [first, second] = [await RawClient.connect(db.url), await RawClient.connect(db.url)];
    first.send([...first.parse('', 'SELECT 11'), ...first.sync()]);
    await first.untilReady();
    second.send([...second.parse('', 'SELECT 22'), ...second.sync()]);
    await second.untilReady();
    first.send([...first.bind('', ''), ...first.execute(''), ...first.sync()]);
    const answer = await first.untilReady();
    expect(answer.types).toBe('2DCZ');
    expect(answer.rows).toEqual([['11']]);
    first.destroy();
    second.destroy();
  });

  test('a client that disconnects before Sync leaves nothing behind', async () => {
    const raw = await RawClient.connect(db.url);
    const other = await connect();
    await other.query('CREATE TABLE half (a int)');
    raw.send([
      ...raw.parse('', 'INSERT INTO half VALUES (1)'),
      ...raw.bind('', ''),
      ...raw.execute(''),
      ...raw.flush(),
    ]);
    await raw.until('C');
    raw.destroy();
    expect((await other.query('SELECT * FROM half')).rows).toEqual([]);
  });
});
