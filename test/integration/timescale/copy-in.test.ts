import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { copyIn } from '../../../src/adapters/timescale/connection/copy-in.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';

let db: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  db = await openTestDatabase();
  client = new pg.Client({ connectionString: db.url });
  await client.connect();
  await client.query('CREATE TABLE numbers (n int PRIMARY KEY)');
});
beforeEach(() => client.query('TRUNCATE numbers'));
afterAll(async () => {
  await client.end();
  await db.close();
});

const COPY = 'COPY numbers FROM STDIN';
const lines = (...numbers: number[]) => Buffer.from(numbers.map((n) => `${n}\n`).join(''));
const stored = async () => (await client.query<{ n: number }>('SELECT n FROM numbers ORDER BY n')).rows;

test('parts are one COPY, and each is asked for when the one before is sent', async () => {
  const asked: string[] = [];
  function* parts() {
    for (const n of [1, 2, 3]) {
      asked.push(`part ${n}`);
      yield lines(n);
    }
  }
  const copied = copyIn(client, COPY, parts());
  expect(asked).toEqual(['part 1']);
  expect(await copied).toBe(3);
  expect(asked).toEqual(['part 1', 'part 2', 'part 3']);
  expect(await stored()).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
});

test('parts that are larger than the socket takes at once', async () => {
  function* parts() {
    for (let part = 0; part < 8; part++)
      yield lines(...Array.from({ length: 100_000 }, (_, n) => part * 100_000 + n));
  }
  expect(await copyIn(client, COPY, parts())).toBe(800_000);
}, 60_000);

test('no part at all', async () => {
  expect(await copyIn(client, COPY, [])).toBe(0);
});

test.each([
  ['in the first part', [lines(1, 1), lines(2)]],
  ['in a later one', [lines(1), lines(2), lines(1)]],
  ['of what is no number', [lines(1), Buffer.from('one\n')]],
])('an error %s is that of the COPY, nothing is stored, and the connection serves on', async (_, parts) => {
  await expect(copyIn(client, COPY, parts)).rejects.toMatchObject({
    code: expect.stringMatching(/^(23505|22P02)$/),
  });
  expect(await stored()).toEqual([]);
  expect(await copyIn(client, COPY, [lines(7)])).toBe(1);
});

test('a COPY that is refused asks for no further part', async () => {
  let asked = 0;
  function* parts() {
    for (let part = 0; part < 3; part++) {
      asked += 1;
      yield lines(part);
    }
  }
  await expect(copyIn(client, 'COPY no_such_table FROM STDIN', parts())).rejects.toMatchObject({
    code: '42P01',
  });
  expect(asked).toBe(1);
  expect(await stored()).toEqual([]);
});

test('a part that cannot be made ends the COPY: nothing is stored, and the connection serves on', async () => {
  function* parts() {
    yield lines(1);
    throw new Error('a fault of the encoder');
  }
  await expect(copyIn(client, COPY, parts())).rejects.toThrow('a fault of the encoder');
  expect(await stored()).toEqual([]);
});
