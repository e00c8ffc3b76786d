import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { AdvisoryLeaderLock } from '../../../src/adapters/timescale/policy/leader-lock.ts';
import { FieldwatchError } from '../../../src/core/errors.ts';
import type { ReadingStore } from '../../../src/ports/store.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { type StoreFixture, batchOf, clear, openStore, series } from '../../support/store-fixtures.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

let db: StoreFixture;
let proxy: TcpProxy;
let store: ReadingStore;
let proxied: string;

beforeAll(async () => {
  db = await openStore();
  const target = new URL(db.url);
  proxy = await TcpProxy.start(Number(target.port), target.hostname);
  const url = new URL(db.url);
  url.hostname = '127.0.0.1';
  url.port = String(proxy.port);
  proxied = url.href;
});
beforeEach(async () => {
  await clear(db);
  store = db.another({ url: proxied, answerTimeoutMs: 5000, connectTimeoutMs: 5000 });
});
afterEach(() => proxy.resume());
afterAll(async () => {
  await db.close();
  await proxy.close();
});

const count = async () =>
  (await db.rows<{ n: number }>('SELECT count(*)::int AS n FROM sensor_readings'))[0]?.n;
const failure = async (promise: Promise<unknown>): Promise<FieldwatchError> => {
  const error: unknown = await promise.then(
    () => new Error('was expected to fail'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof FieldwatchError)) throw error;
  return error;
};
const letters = () => [
  {
    receivedAtMs: 1_767_225_600_000,
    topic: 't',
    payload: Buffer.from('x'),
    reason: 'parse_error',
    detail: undefined,
  },
];

describe('statement 5: a COMMIT whose reply is lost', () => {
  test.each([
    ['with a dead letter', letters()],
    ['of readings alone', []],
  ])('%s: the retry stores nothing twice and loses nothing', async (_name, deadLetters) => {
    const readings = series(100);
    await store.commit(batchOf(series(1, 900))); // connected, and past everything that a first connect does
    let swallowed = false;
    proxy.swallow((chunk, direction) => {
      if (direction === 'down' && chunk.includes('COMMIT\0')) swallowed = true;
      return swallowed && direction === 'down';
    });
    const error = await failure(store.commit(batchOf(readings, { deadLetters })));
    expect(error).toMatchObject({ kind: 'transient', code: 'DB_NO_ANSWER' });
    expect(swallowed).toBe(true);
    proxy.resume();
    expect(await count()).toBe(101);
    const retried = await store.commit(batchOf(readings, { deadLetters, retry: true }));
    expect(retried).toEqual({ kind: 'committed', stored: 0, duplicate: 100, merged: 0, conflict: 0 });
    expect(await count()).toBe(101);
    expect(await db.rows('SELECT 1 FROM dead_letters')).toHaveLength(deadLetters.length);
  });
});

describe('a link that breaks', () => {
  test('in the middle of a batch: nothing of it is stored, the next attempt stores it all', async () => {
    await store.commit(batchOf(series(1, 900)));
    proxy.swallow((_chunk, direction) => {
      if (direction === 'up') proxy.cut();
      return false;
    });
    const error = await failure(store.commit(batchOf(series(5000), { deadLetters: letters() })));
    expect(error.kind).toBe('transient');
    proxy.resume();
    expect(await store.commit(batchOf(series(5000), { retry: true }))).toMatchObject({ stored: 5000 });
    expect(await count()).toBe(5001);
  });

  test('while idle: the store connects again by itself', async () => {
    await store.commit(batchOf(series(1)));
    proxy.cut();
    for (let attempt = 0; attempt < 2; attempt++) {
      // The reset may arrive only after the next batch was sent: then it is that one which fails, as transient.
      const result = await store.commit(batchOf(series(2))).catch((error: FieldwatchError) => error);
      if (!(result instanceof Error)) break;
      expect(result.kind).toBe('transient');
    }
    expect(await store.commit(batchOf(series(3)))).toMatchObject({ kind: 'committed' });
    expect(await count()).toBe(3);
  });

  test('a stalled link is given up after the time for an answer, and not before', async () => {
    await store.commit(batchOf(series(1)));
    proxy.stall('down');
    const before = performance.now();
    const error = await failure(store.commit(batchOf(series(10, 50))));
    expect(error).toMatchObject({ kind: 'transient', code: 'DB_NO_ANSWER' });
    expect(performance.now() - before).toBeGreaterThanOrEqual(990);
    proxy.resume();
    expect(await store.commit(batchOf(series(10, 50), { retry: true }))).toMatchObject({ kind: 'committed' });
    expect(await count()).toBe(11);
  });

  test('a database that is away: transient, with a remedy, and quick', async () => {
    proxy.refuse();
    const error = await failure(store.commit(batchOf(series(1))));
    expect(error).toMatchObject({ kind: 'transient' });
    expect(error.remedy).toBeDefined();
  });

  test('close returns even when the server does not answer', async () => {
    await store.commit(batchOf(series(1)));
    proxy.stall();
    await store.close();
    await store.close();
    expect((await failure(store.commit(batchOf(series(1))))).code).toBe('DB_CLOSED');
  });
});

describe('a schema that is not ours', () => {
  test('a table that is gone stops writing: no retry can help', async () => {
    await db.rows('ALTER TABLE sensor_readings RENAME TO elsewhere');
    try {
      const error = await failure(db.store.commit(batchOf(series(1))));
      expect(error).toMatchObject({ kind: 'schema', code: 'DB_SCHEMA' });
      expect(error.remedy).toContain('migrate');
    } finally {
      await db.rows('ALTER TABLE elsewhere RENAME TO sensor_readings');
    }
  });
});

describe('statement 24: the scheduler lock', () => {
  const lock = (url: string) =>
    new AdvisoryLeaderLock({ url, answerTimeoutMs: 1000 }, { logger: new QuietLogger() });

  test('one holds it, the other takes it over when the first releases it', async () => {
    const [first, second] = [lock(db.url), lock(db.url)];
    expect(await first.tryHold()).toBe(true);
    expect(await first.tryHold()).toBe(true);
    expect(await second.tryHold()).toBe(false);
    await first.release();
    await first.release();
    expect(await second.tryHold()).toBe(true);
    expect(await first.tryHold()).toBe(false);
    await Promise.all([first.release(), second.release()]);
  });

  test('a lost connection is lost leadership: another takes over, and the first sees it', async () => {
    const [first, second] = [lock(proxied), lock(db.url)];
    expect(await first.tryHold()).toBe(true);
    proxy.cut();
    let taken = false;
    for (const deadline = Date.now() + 5000; !taken && Date.now() < deadline;) taken = await second.tryHold();
    expect(taken).toBe(true);
    const held = await first.tryHold().catch(() => first.tryHold());
    expect(held).toBe(false);
    await Promise.all([first.release(), second.release()]);
  });
});
