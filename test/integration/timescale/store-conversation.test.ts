import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { FieldwatchError } from '../../../src/core/errors.ts';
import type { ReadingStore, StoreBatch } from '../../../src/ports/store.ts';
import {
  type StoreFixture,
  batchOf,
  clear,
  openStore,
  reading,
  series,
} from '../../support/store-fixtures.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

let db: StoreFixture;
let proxy: TcpProxy;
let store: ReadingStore;
/** What the store has sent since `watch`. */
let asked = '';

beforeAll(async () => {
  db = await openStore();
  const url = new URL(db.url);
  proxy = await TcpProxy.start(Number(url.port), url.hostname);
  store = db.another({ url: Object.assign(url, { hostname: '127.0.0.1', port: String(proxy.port) }).href });
});
beforeEach(async () => {
  await clear(db);
  await store.commit(batchOf(series(1, 900))); // connected, and past everything that a first connect does
  asked = '';
});
afterEach(() => proxy.resume());
afterAll(async () => {
  await db.close();
  await proxy.close();
});

/** Notes what is sent. */
function watch(): void {
  proxy.swallow((chunk, direction) => {
    if (direction === 'up') asked += chunk.toString('latin1');
    return false;
  });
}

const inTransaction = (batch: StoreBatch): StoreBatch => ({ ...batch, sensorSeq: 0 });
const count = async () =>
  (await db.rows<{ n: number }>('SELECT count(*)::int AS n FROM sensor_readings'))[0]?.n;

test('sensors that were changed meanwhile: no row is sent, and the connection serves on', async () => {
  watch();
  await expect(store.commit({ ...batchOf(series(100)), sensorSeq: 7 })).rejects.toMatchObject({
    code: 'SENSORS_CHANGED',
  });
  expect(asked).not.toContain('PGCOPY');
  expect(await count()).toBe(1);
  expect(await store.commit(inTransaction(batchOf(series(100))))).toMatchObject({ stored: 100 });
  expect(proxy.accepted).toBe(1);
});

test('rows that a trigger takes away: nothing of their batch is stored, with a change of sensors to hold or without', async () => {
  await db.rows(
    `CREATE FUNCTION lose_second() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN IF NEW.sensor_id = 2 THEN RETURN NULL; END IF; RETURN NEW; END $$`,
  );
  for (const table of ['sensor_readings', 'sensor_metrics']) {
    const batch = batchOf([1, 2, 3].map((id) => reading(id, 0, { temperature: 1, flow: 2 })));
    await db.rows(
      `CREATE TRIGGER lose BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION lose_second()`,
    );
    for (const refused of [batch, inTransaction(batch)])
      await expect(store.commit(refused)).rejects.toMatchObject({ code: 'DB_ROWS_VANISHED' });
    await db.rows(`DROP TRIGGER lose ON ${table}`);
    expect(await store.commit({ ...batch, retry: true })).toMatchObject({ stored: 3, duplicate: 0 });
    await clear(db);
  }
});

test('a COMMIT that is refused leaves nothing to roll back, and the connection serves on', async () => {
  await db.rows(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = 'serialization_failure'; END $$`,
  );
  await db.rows(
    `CREATE CONSTRAINT TRIGGER late AFTER INSERT ON dead_letters
     DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`,
  );
  const letter = {
    ...{ receivedAtMs: 1e12, topic: 't', payload: Buffer.from('x') },
    ...{ reason: 'undecodable', detail: undefined },
  };
  const batch = inTransaction(batchOf(series(4), { deadLetters: [letter] }));
  watch();
  await expect(store.commit(batch)).rejects.toMatchObject({ kind: 'transient' });
  expect(asked).toContain('COMMIT');
  expect(asked).not.toContain('ROLLBACK');
  await db.rows('DROP TRIGGER late ON dead_letters');
  expect(await store.commit({ ...batch, retry: true })).toMatchObject({ stored: 4 });
  expect(proxy.accepted).toBe(1);
});

test.each(['up', 'down'] as const)(
  'a link that breaks at any piece of the conversation, %s: the retry stores each reading once',
  async (direction) => {
    const batch = inTransaction(batchOf(series(4)));
    for (let piece = 1; ; piece++) {
      await clear(db);
      let passed = 0;
      proxy.swallow((_chunk, of) => {
        if (of !== direction || ++passed < piece) return false;
        proxy.cut();
        return true;
      });
      const first: unknown = await store.commit(batch).catch((error: unknown) => error);
      proxy.resume();
      if (passed < piece) break;
      expect(first).toBeInstanceOf(FieldwatchError);
      expect(await store.commit({ ...batch, retry: true })).toMatchObject({ kind: 'committed' });
      expect([piece, await count()]).toEqual([piece, 4]);
      expect(piece).toBeLessThan(20);
    }
    expect(await count()).toBe(4);
  },
);
