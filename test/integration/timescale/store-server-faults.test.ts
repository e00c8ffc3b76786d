import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import type { ReadingStore } from '../../../src/ports/store.ts';
import { eventually } from '../../support/eventually.ts';
import { describeReal } from '../../support/server-db.ts';
import { type StoreFixture, batchOf, clear, openStore, series } from '../../support/store-fixtures.ts';

/** What a server does to its clients: each fault has its kind, costs nothing, and ends when it ends. */
describeReal('faults of a real server', () => {
  let db: StoreFixture;
  let store: ReadingStore;
  let other: pg.Client;
  const role = `fieldwatch_faulty_${process.pid}`;

  beforeAll(async () => {
    db = await openStore();
    other = new pg.Client({ connectionString: db.url });
    other.on('error', () => undefined);
    await other.connect();
    await other.query(`CREATE ROLE ${role} LOGIN PASSWORD 'faulty'`);
    await other.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`);
  });
  beforeEach(async () => {
    await clear(db);
    store = db.another({ url: asRole(), lockTimeoutMs: 500 });
    await store.commit(batchOf(series(1, 900)));
  });
  afterAll(async () => {
    await db.close();
    const admin = new pg.Client({ connectionString: process.env['FIELDWATCH_TEST_DATABASE_URL'] });
    await admin.connect();
    await admin.query(`DROP ROLE ${role}`);
    await admin.end();
  });

  const asRole = () => {
    const url = new URL(db.url);
    url.username = role;
    url.password = 'faulty';
    return url.href;
  };
  const database = () => new URL(db.url).pathname.slice(1);
  const backend = `FROM pg_stat_activity WHERE usename = '${role}'`;
  // Not asked by `other`: within a transaction the statistics stand still.
  const waiting = `SELECT ${backend} AND wait_event_type = 'Lock'`;
  const hangUp = `SELECT pg_terminate_backend(pid) ${backend}`;
  const rows = async () => (await other.query('SELECT FROM sensor_readings')).rowCount;

  test.each([
    [
      '42501: a right is taken away',
      'auth',
      `REVOKE INSERT ON sensor_readings FROM ${role}`,
      `GRANT INSERT ON sensor_readings TO ${role}`,
    ],
    [
      '42P01: a table is gone',
      'schema',
      'ALTER TABLE sensor_readings RENAME TO elsewhere',
      'ALTER TABLE elsewhere RENAME TO sensor_readings',
    ],
    [
      '42703: a column is gone',
      'schema',
      'ALTER TABLE sensor_readings RENAME rssi TO signal',
      'ALTER TABLE sensor_readings RENAME signal TO rssi',
    ],
    [
      '55P03: a lock is held for longer than lock_timeout',
      'transient',
      'BEGIN; LOCK TABLE sensor_readings IN ACCESS EXCLUSIVE MODE',
      'ROLLBACK',
    ],
  ])('%s: reported by its kind, and stored once it is over', async (_name, kind, spoil, restore) => {
    await other.query(spoil);
    const failed = store.commit(batchOf(series(10)));
    await expect(failed).rejects.toMatchObject({ kind });
    await other.query(restore);
    expect(await store.commit(batchOf(series(10), { retry: true }))).toMatchObject({ stored: 10 });
    expect(await rows()).toBe(11);
  });

  test.each([
    [
      '25006: the server has become a standby',
      'transient',
      (name: string) => `ALTER DATABASE ${name} SET default_transaction_read_only = on`,
      (name: string) => `ALTER DATABASE ${name} RESET default_transaction_read_only`,
    ],
    [
      '28000: the role may not log in any more',
      'auth',
      () => `ALTER ROLE ${role} NOLOGIN`,
      () => `ALTER ROLE ${role} LOGIN`,
    ],
    [
      '53300: the database takes no more connections',
      'transient',
      (name: string) => `ALTER DATABASE ${name} CONNECTION LIMIT 0`,
      (name: string) => `ALTER DATABASE ${name} CONNECTION LIMIT -1`,
    ],
  ])('%s: found at the next connection, and over at the one after', async (_name, kind, spoil, restore) => {
    await other.query(spoil(database()));
    await other.query(hangUp);
    await eventually('the backend ends', async () => (await other.query(`SELECT ${backend}`)).rowCount === 0);
    const failures: string[] = [];
    // The first attempt may still meet the end of the old connection, which is transient.
    for (let attempt = 0; attempt < 2; attempt++) {
      await store
        .commit(batchOf(series(10), { retry: attempt > 0 }))
        .catch((error: { kind: string }) => failures.push(error.kind));
    }
    expect(failures).toEqual([expect.stringMatching(`^(${kind}|transient)$`), kind]);
    await other.query(restore(database()));
    expect(await store.commit(batchOf(series(10), { retry: true }))).toMatchObject({ stored: 10 });
  });

  test('57P01: a backend that is terminated in the middle of a batch costs nothing', async () => {
    await other.query('BEGIN; LOCK TABLE sensor_readings IN ACCESS EXCLUSIVE MODE');
    const patient = db.another({ url: asRole() });
    const failed = patient.commit(batchOf(series(10)));
    const outcome = failed.catch((error: { kind: string }) => error.kind);
    await eventually('the batch waits', async () => (await db.rows(waiting)).length === 1);
    await db.rows(`${hangUp} AND wait_event_type = 'Lock'`);
    await other.query('ROLLBACK');
    expect(await outcome).toBe('transient');
    expect(await patient.commit(batchOf(series(10), { retry: true }))).toMatchObject({ stored: 10 });
    expect(await rows()).toBe(11);
  });

  test('40P01: whichever session a deadlock aborts, the batch is stored once', async () => {
    const deadLetters = [
      {
        receivedAtMs: Date.now(),
        topic: 't',
        payload: Buffer.from('x'),
        reason: 'parse_error',
        detail: undefined,
      },
    ];
    const patient = db.another({ url: asRole() });
    await other.query(
      `BEGIN; SET LOCAL deadlock_timeout = '10s'; LOCK TABLE dead_letters IN ACCESS EXCLUSIVE MODE`,
    );
    const outcome = patient
      .commit(batchOf(series(10), { deadLetters }))
      .catch((error: { code: string }) => error.code);
    await eventually('the batch waits', async () => (await db.rows(waiting)).length === 1);
    const crossing = other.query('LOCK TABLE sensor_readings IN ACCESS EXCLUSIVE MODE');
    expect(await outcome).toBe('DB_CONTENTION');
    await crossing;
    await other.query('ROLLBACK');
    expect(await patient.commit(batchOf(series(10), { deadLetters, retry: true }))).toMatchObject({
      stored: 10,
    });
    expect(await rows()).toBe(11);
  });
});
