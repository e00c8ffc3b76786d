import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { EmbeddedServer } from '../../support/embedded-client.ts';
import { RawClient } from '../../support/raw-client.ts';

/** One engine session, many connections: what each of them has to itself all the same. */

let db: EmbeddedServer;

const connect = (options?: pg.ClientConfig) => db.connect(options);
const one = async (client: pg.Client, sql: string, values: unknown[] = []) => {
  const { rows } = await client.query(sql, values);
  return Object.values((rows[0] ?? {}) as object)[0] as unknown;
};
/** A promise and whether it has settled, without waiting for it. */
function watched<T>(promise: Promise<T>): { promise: Promise<T>; settled: () => boolean } {
  let settled = false;
  promise.then(() => (settled = true), () => (settled = true)); // prettier-ignore
  return { promise, settled: () => settled };
}
/** A round trip of a fresh connection's startup: whatever the gateway had queued before has been looked at since. */
const roundTrip = async () => (await RawClient.connect(db.url)).destroy();

beforeAll(async () => {
  db = await EmbeddedServer.open();
  const client = await connect();
  await client.query('CREATE TABLE t (a int PRIMARY KEY)');
});
afterEach(() => db.disconnect());
afterAll(() => db?.close());

describe('transactions', () => {
  test('run in the order they came, and do not interleave', async () => {
    const [a, b, c] = [await connect(), await connect(), await connect()];
    await a.query('BEGIN');
    await a.query('INSERT INTO t VALUES (1)');
    const order: string[] = [];
    const second = watched(b.query('INSERT INTO t VALUES (2)').then(() => order.push('b')));
    const third = watched(
      c.query('SELECT count(*)::int n FROM t').then(({ rows }) => order.push(`c${rows[0].n}`)),
    );
    await roundTrip();
    expect([second.settled(), third.settled()]).toEqual([false, false]);
    await a.query('INSERT INTO t VALUES (3)');
    order.push('a');
    await a.query('COMMIT');
    await Promise.all([second.promise, third.promise]);
    expect(order).toEqual(['a', 'b', 'c3']);
    await a.query('TRUNCATE t');
  });

  test('of a client that vanishes are rolled back, and the next one goes on', async () => {
    const raw = await RawClient.connect(db.url);
    const other = await connect();
    await raw.simple('BEGIN');
    await raw.simple('INSERT INTO t VALUES (1)');
    const waiting = other.query('SELECT * FROM t');
    raw.destroy();
    expect((await waiting).rows).toEqual([]);
  });

  test('a client that ends while it waits is forgotten', async () => {
    const [a, b] = [await connect(), await connect()];
    const raw = await RawClient.connect(db.url);
    await a.query('BEGIN');
    raw.send(raw.query('INSERT INTO t VALUES (9)'));
    const waiting = b.query('SELECT count(*)::int n FROM t');
    raw.destroy();
    await roundTrip();
    await a.query('COMMIT');
    expect((await waiting).rows).toEqual([{ n: 0 }]);
  });

  test('idle in a transaction too long: rolled back and disconnected with 25P03', async () => {
    const raw = await RawClient.connect(db.url, { options: '-c idle_in_transaction_session_timeout=200' });
    const other = await connect();
    await raw.simple('BEGIN');
    await raw.simple('INSERT INTO t VALUES (1)');
    const waiting = other.query('SELECT * FROM t');
    expect((await raw.untilClosed()).error?.get('C')).toBe('25P03');
    expect((await waiting).rows).toEqual([]);
  });

  test('twenty connections, each adding one in its own transaction, lose no update', async () => {
    const first = await connect();
    await first.query('CREATE TABLE counter AS SELECT 0 AS n');
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const client = await connect();
        await client.query('BEGIN');
        const n = Number(await one(client, 'SELECT n FROM counter'));
        await client.query('UPDATE counter SET n = $1', [n + 1]);
        await client.query('COMMIT');
      }),
    );
    expect(await one(first, 'SELECT n FROM counter')).toBe(20);
  });
});

describe('waiting', () => {
  test('a cancel request ends a wait with 57014', async () => {
    const a = await connect();
    const raw = await RawClient.connect(db.url);
    await a.query('BEGIN');
    raw.send(raw.query('SELECT 1'));
    await roundTrip();
    await cancel(raw);
    const answer = await raw.untilReady();
    expect(answer.error?.get('C')).toBe('57014');
    expect(answer.error?.get('M')).toBe('canceling statement due to user request');
    await a.query('COMMIT');
    expect((await raw.simple('SELECT 2')).rows).toEqual([['2']]);
    raw.destroy();
  });

  test('a cancel request with a wrong secret does nothing', async () => {
    const a = await connect();
    const raw = await RawClient.connect(db.url);
    await a.query('BEGIN');
    raw.send(raw.query('SELECT 1'));
    await roundTrip();
    raw.secret++;
    await cancel(raw);
    await a.query('COMMIT');
    expect((await raw.untilReady()).rows).toEqual([['1']]);
    raw.destroy();
  });

  test.each([
    ['lock_timeout', '55P03'],
    ['statement_timeout', '57014'],
  ])('%s limits it', async (setting, code) => {
    const [a, b] = [await connect(), await connect({ options: `-c ${setting}=100ms` })];
    await a.query('BEGIN');
    await expect(b.query('SELECT 1')).rejects.toMatchObject({ code });
    await expect(b.query('SELECT $1::int', [1])).rejects.toMatchObject({ code });
    await a.query('COMMIT');
    expect(await one(b, 'SELECT 3')).toBe(3);
  });

  async function cancel(raw: RawClient): Promise<void> {
    const { hostname, port } = new URL(db.url);
    const { connect: open } = await import('node:net');
    const request = Buffer.alloc(16);
    [16, 80877102, raw.pid, raw.secret].forEach((value, i) => request.writeInt32BE(value, i * 4));
    const socket = open(Number(port), hostname);
    socket.end(request);
    await new Promise((resolve) => socket.once('close', resolve).resume());
  }
});

describe('settings', () => {
  const tz = (client: pg.Client) => one(client, `SELECT current_setting('TimeZone')`);

  test('stay with their connection, in either order', async () => {
    const [a, b, c] = [await connect(), await connect(), await connect()];
    await a.query(`SET TimeZone = 'Europe/Berlin'`);
    await b.query(`SELECT set_config('TimeZone', 'Asia/Tokyo', false)`);
    expect([await tz(a), await tz(b), await tz(c), await tz(a)]).toEqual([
      'Europe/Berlin',
      'Asia/Tokyo',
      'UTC',
      'Europe/Berlin',
    ]);
    await a.query('RESET TimeZone');
    expect([await tz(a), await tz(b)]).toEqual(['UTC', 'Asia/Tokyo']);
  });

  test('SET in a transaction that is rolled back does not stick, SET LOCAL ends with it', async () => {
    const [a, b] = [await connect(), await connect()];
    await a.query('BEGIN');
    await a.query(`SET TimeZone = 'Europe/Berlin'`);
    await a.query('ROLLBACK');
    expect([await tz(a), await tz(b)]).toEqual(['UTC', 'UTC']);
    await a.query('BEGIN');
    await a.query(`SET LOCAL TimeZone = 'Europe/Berlin'`);
    expect(await tz(a)).toBe('Europe/Berlin');
    await a.query('COMMIT');
    expect([await tz(a), await tz(b)]).toEqual(['UTC', 'UTC']);
  });

  test('RESET ALL and DISCARD ALL go back to what the connection started with', async () => {
    const a = await connect({ options: '-c TimeZone=Asia/Tokyo' });
    for (const reset of ['RESET ALL', 'DISCARD ALL']) {
      await a.query(`SET TimeZone = 'Europe/Berlin'; SET search_path = pg_catalog`);
      await a.query(reset);
      expect(await tz(a)).toBe('Asia/Tokyo');
      expect(await one(a, 'SHOW search_path')).toBe('"$user", public');
    }
  });

  test('DISCARD ALL and DEALLOCATE ALL leave the statements of others alone', async () => {
    const [a, b] = [await connect(), await connect()];
    await b.query({ name: 'mine', text: 'SELECT 1' });
    await a.query('DISCARD ALL');
    await a.query('DEALLOCATE ALL');
    expect(await one(b, 'SELECT 1')).toBe(1);
    expect((await b.query({ name: 'mine', text: 'SELECT 1' })).rows).toHaveLength(1);
  });

  test('a change is reported to the client', async () => {
    const raw = await RawClient.connect(db.url);
    await raw.simple(`SET TimeZone = 'Europe/Berlin'`);
    expect(raw.parameters.get('TimeZone')).toBe('Europe/Berlin');
    await raw.simple('RESET TimeZone');
    expect(raw.parameters.get('TimeZone')).toBe('UTC');
    raw.destroy();
  });

  test('the settings of a client that vanished do not reach the next', async () => {
    const raw = await RawClient.connect(db.url);
    await raw.simple(`SET TimeZone = 'Europe/Berlin'`);
    raw.destroy();
    expect(await tz(await connect())).toBe('UTC');
  });

  test('the defaults are PostgreSQL’s own, not those of initdb', async () => {
    const a = await connect();
    expect(await one(a, 'SHOW enable_seqscan')).toBe('on');
    expect(await one(a, 'SHOW client_min_messages')).toBe('notice');
    expect(await one(a, 'SELECT current_schema()')).toBe('public');
  });
});

describe('temporary tables', () => {
  test('go with their connection', async () => {
    const a = await connect();
    await a.query('CREATE TEMP TABLE staging (a int)');
    await a.query('BEGIN; CREATE TEMP TABLE short (a int) ON COMMIT DROP; COMMIT');
    await a.end();
    const b = await connect();
    await b.query('CREATE TEMP TABLE staging (b int)');
    expect(await one(b, `SELECT to_regclass('pg_temp.short')`)).toBeNull();
  });
});

describe('advisory locks', () => {
  test('are held by one connection, and counted', async () => {
    const [a, b] = [await connect(), await connect()];
    expect(await one(a, 'SELECT pg_try_advisory_lock(42)')).toBe(true);
    expect(await one(a, 'SELECT pg_try_advisory_lock($1) AS locked', [42])).toBe(true);
    expect(await one(b, 'SELECT pg_try_advisory_lock($1::bigint) AS locked', ['42'])).toBe(false);
    expect(await one(b, 'SELECT pg_catalog.pg_try_advisory_lock(42, 0)')).toBe(true);
    expect(await one(b, 'SELECT pg_advisory_unlock(42)')).toBe(false);
    expect(await one(a, 'SELECT pg_advisory_unlock(42)')).toBe(true);
    expect(await one(b, 'SELECT pg_try_advisory_lock(42)')).toBe(false);
    expect(await one(a, 'SELECT pg_advisory_unlock(42)')).toBe(true);
    expect(await one(b, 'SELECT pg_try_advisory_lock(42)')).toBe(true);
    expect(await one(b, 'SELECT pg_advisory_unlock_all()')).toBe('');
    expect(await one(a, 'SELECT pg_try_advisory_lock(42)')).toBe(true);
  });

  test('keep their column name and survive a rollback', async () => {
    const [a, b] = [await connect(), await connect()];
    await a.query('BEGIN');
    const { rows } = await a.query('SELECT pg_try_advisory_lock(1)');
    await a.query('ROLLBACK');
    expect(rows).toEqual([{ pg_try_advisory_lock: true }]);
    expect(await one(b, 'SELECT pg_try_advisory_lock(1)')).toBe(false);
  });

  test('go when the connection does', async () => {
    const [a, b] = [await connect(), await connect()];
    const raw = await RawClient.connect(db.url);
    await a.query('SELECT pg_advisory_lock(7)');
    await raw.simple('SELECT pg_advisory_lock(8)');
    await a.end();
    raw.destroy();
    await b.query('SELECT pg_advisory_lock(7)');
    await b.query('SELECT pg_advisory_lock(8)');
  });

  test('pg_advisory_lock waits for the holder, with its lock_timeout', async () => {
    const [a, b] = [await connect(), await connect()];
    await a.query(`SELECT pg_advisory_lock(hashtext('migrations'))`);
    const waiting = watched(b.query(`SELECT pg_advisory_lock(hashtext('migrations'))`));
    await roundTrip();
    expect(waiting.settled()).toBe(false);
    expect(await one(a, 'SELECT 1')).toBe(1);
    await a.query(`SELECT pg_advisory_unlock(hashtext('migrations'))`);
    await waiting.promise;
    await a.query('SET lock_timeout = 50');
    await expect(a.query(`SELECT pg_advisory_lock(hashtext('migrations'))`)).rejects.toMatchObject({
      code: '55P03',
    });
  });

  test('a wait that could never end is an error, not a standstill', async () => {
    const [a, b] = [await connect(), await connect()];
    await a.query('SELECT pg_advisory_lock(5)');
    await b.query('BEGIN');
    await expect(b.query('SELECT pg_advisory_xact_lock(5)')).rejects.toMatchObject({ code: '40P01' });
    await expect(b.query('SELECT 1')).rejects.toMatchObject({ code: '25P02' });
    await b.query('ROLLBACK');
    expect(await one(b, 'SELECT pg_try_advisory_xact_lock(5)')).toBe(false);
    expect(await one(b, 'SELECT pg_try_advisory_xact_lock(6)')).toBe(true);
  });

  test('shared locks go together, exclusive ones do not', async () => {
    const [a, b] = [await connect(), await connect()];
    expect(await one(a, 'SELECT pg_try_advisory_lock_shared(3)')).toBe(true);
    expect(await one(b, 'SELECT pg_try_advisory_lock_shared(3)')).toBe(true);
    expect(await one(b, 'SELECT pg_try_advisory_lock(3)')).toBe(false);
  });

  test('a prepared statement is checked each time it runs', async () => {
    const [a, b] = [await connect(), await connect()];
    const lock = (key: number) => ({
      name: 'lock',
      text: 'SELECT pg_try_advisory_lock($1) AS locked',
      values: [key],
    });
    expect((await a.query(lock(11))).rows[0]).toEqual({ locked: true });
    expect((await b.query(lock(11))).rows[0]).toEqual({ locked: false });
    expect((await b.query(lock(12))).rows[0]).toEqual({ locked: true });
    expect((await a.query(lock(12))).rows[0]).toEqual({ locked: false });
  });
});
