import { describe, expect, test } from '@jest/globals';
import { BackgroundDb } from '../../../src/api/background-db.ts';
import { SharedReads } from '../../../src/api/shared-reads.ts';
import type { Db } from '../../../src/queries/db.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const settled = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

describe('answers that readers share', () => {
  const setUp = () => {
    const clock = new FakeClock();
    const state = { behind: false, made: 0 };
    const shared = new SharedReads({
      clock,
      isBehind: () => state.behind,
      sizeOf: (answer) => (typeof answer === 'string' ? answer.length : 0),
    });
    const read = (key = 'a') => shared.read(key, async () => ++state.made);
    return { clock, state, shared, read };
  };

  test('one is made for all requests while it is under way, and within a second', async () => {
    const { clock, state, read } = setUp();
    expect(await Promise.all(Array.from({ length: 20 }, () => read()))).toEqual(new Array(20).fill(1));
    clock.advance(999);
    expect(await read()).toBe(1);
    expect(await read('b')).toBe(2);
    clock.advance(1);
    expect(await read()).toBe(3);
    expect(state.made).toBe(3);
  });

  test('one that is under way serves all requests, however long it takes', async () => {
    const { clock, shared } = setUp();
    let made = 0;
    let answer: (text: string) => void = () => undefined;
    const read = (key = 'slow') =>
      shared.read(key, () => {
        made += 1;
        return new Promise<string>((resolve) => (answer = resolve));
      });
    const first = read();
    clock.advance(20_000);
    await shared.read('other', async () => 'quick');
    const second = read();
    answer('late');
    expect([await first, await second, made]).toEqual(['late', 'late', 1]);
    void read();
    expect(made).toBe(2);
  });

  test('they last for longer while intake is behind', async () => {
    const { clock, state, read } = setUp();
    state.behind = true;
    await read();
    clock.advance(2999);
    expect(await read()).toBe(1);
    state.behind = false;
    expect(await read()).toBe(2);
  });

  test('what changes meanwhile is in no answer that begins after it', async () => {
    const { shared } = setUp();
    let answer: (text: string) => void = () => undefined;
    const slow = shared.read('a', () => new Promise<string>((resolve) => (answer = resolve)));
    shared.expire();
    const fresh = shared.read('a', async () => 'after');
    answer('before');
    expect(await Promise.all([slow, fresh])).toEqual(['before', 'after']);
    expect(await shared.read('a', async () => 'another')).toBe('after');
  });

  test('a fault goes to the requests that waited for it, and to none after them', async () => {
    const { shared } = setUp();
    const fail = () => shared.read('a', () => Promise.reject(new Error('away')));
    const both = await Promise.allSettled([fail(), fail()]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await shared.read('a', async () => 'there')).toBe('there');
  });

  test('keeps a bounded number of them', async () => {
    const { state, read } = setUp();
    for (let n = 0; n < 300; n++) await read(String(n));
    await read('299');
    expect(state.made).toBe(300);
    await read('0');
    expect(state.made).toBe(301);
  });

  test('keeps a bounded size of them, the newest', async () => {
    const { shared } = setUp();
    const made: number[] = [];
    const read = (n: number) =>
      shared.read(String(n), async () => {
        made.push(n);
        return 'x'.repeat(1_000_000);
      });
    for (let n = 0; n < 20; n++) await read(n);
    made.length = 0;
    for (let n = 19; n >= 12; n--) await read(n);
    expect(made).toEqual([]);
    await read(11);
    expect(made).toEqual([11]);
  });
});

describe('queries that give way to intake', () => {
  const setUp = () => {
    const clock = new FakeClock();
    const state = { behind: true };
    const running: { readonly text: string; end(ok?: boolean): void }[] = [];
    const begun: string[] = [];
    const inner = {
      query: (text: string) =>
        new Promise((resolve, reject) => {
          begun.push(text);
          running.push({
            text,
            end: (ok = true) => (ok ? resolve({ rows: [text] }) : reject(new Error(text))),
          });
        }),
    } as unknown as Db;
    const db = new BackgroundDb(inner, { clock, isBehind: () => state.behind });
    return { clock, state, running, begun, db };
  };

  test('run side by side as a rule', async () => {
    const { state, begun, db } = setUp();
    state.behind = false;
    void db.query('a', []);
    void db.query('b', []);
    expect(begun).toEqual(['a', 'b']);
  });

  test('run one at a time while it is behind, each followed by three times its duration', async () => {
    const { clock, running, begun, db } = setUp();
    const first = db.query('a', []);
    const second = db.query('b', []).catch(() => 'failed');
    void db.query('c', []);
    await settled();
    clock.advance(20);
    running[0]?.end();
    expect(await first).toEqual({ rows: ['a'] });
    await settled();
    clock.advance(59);
    await settled();
    expect(begun).toEqual(['a']);
    clock.advance(1);
    await settled();
    expect(begun).toEqual(['a', 'b']);
    // A long one, that fails: the pause has a bound.
    clock.advance(5000);
    running[1]?.end(false);
    expect(await second).toBe('failed');
    await settled();
    clock.advance(249);
    await settled();
    expect(begun).toHaveLength(2);
    clock.advance(1);
    await settled();
    expect(begun).toEqual(['a', 'b', 'c']);
  });

  test('do not wait any longer once it has caught up', async () => {
    const { state, running, begun, db } = setUp();
    void db.query('a', []);
    void db.query('b', []);
    await settled();
    state.behind = false;
    running[0]?.end();
    await settled();
    expect(begun).toEqual(['a', 'b']);
  });
});
