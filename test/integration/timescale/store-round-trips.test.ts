import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { FieldwatchError } from '../../../src/core/errors.ts';
import type { ReadingStore, StoreBatch } from '../../../src/ports/store.ts';
import { eventually } from '../../support/eventually.ts';
import { type StoreFixture, batchOf, clear, openStore, series } from '../../support/store-fixtures.ts';
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

/** Notes what is sent; `silentAfter`: in which answer the database falls silent. */
function watch(silentAfter?: (answer: string) => boolean): void {
  proxy.swallow((chunk, direction) => {
    if (direction === 'up') asked += chunk.toString('latin1');
    else if (silentAfter?.(chunk.toString('latin1')) === true) proxy.stall('down');
    return false;
  });
}

const inTransaction = (batch: StoreBatch): StoreBatch => ({ ...batch, sensorSeq: 0 });
const COPY_IN_RESPONSE = /G\0\0\0[^]\x01/;
const count = async () =>
  (await db.rows<{ n: number }>('SELECT count(*)::int AS n FROM sensor_readings'))[0]?.n;

test('COPY is sent before BEGIN is answered', async () => {
  watch();
  proxy.stall('down');
  const committed = store.commit(inTransaction(batchOf(series(100))));
  await eventually('both are on their way', () => /BEGIN.*COPY sensor_readings/s.test(asked));
  expect(asked).not.toContain('PGCOPY');
  proxy.resume();
  expect(await committed).toMatchObject({ kind: 'committed', stored: 100 });
});

test('COMMIT is sent before the rows are answered, behind the last of them', async () => {
  watch((answer) => COPY_IN_RESPONSE.test(answer));
  const committed = store.commit(inTransaction(batchOf(series(3000))));
  await eventually('all of it is on its way', () => asked.includes('COMMIT'));
  expect(asked).toMatch(/PGCOPY.*c\0\0\0\x04Q\0\0\0\x0bCOMMIT\0$/s);
  proxy.resume();
  expect(await committed).toMatchObject({ kind: 'committed', stored: 3000 });
});

test('a COPY that is refused has no transaction left to roll back, and the connection serves on', async () => {
  const batch = inTransaction(batchOf(series(100)));
  await store.commit(batch);
  watch();
  expect(await store.commit(batch)).toMatchObject({ stored: 0, duplicate: 100 });
  expect(asked).toContain('CREATE TEMP TABLE');
  expect(asked).not.toContain('ROLLBACK');
});

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
