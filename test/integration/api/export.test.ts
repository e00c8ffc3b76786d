import { afterEach, expect, test } from '@jest/globals';
import { RESOURCES } from '../../../src/api/resource/index.ts';
import type { Db } from '../../../src/queries/db.ts';
import { chunkRangesSql } from '../../../src/queries/export/plan.ts';
import { indexRowsSql } from '../../../src/queries/sensor-index.ts';
import { readingsInOrderSql } from '../../../src/queries/readings-in-order.ts';
import { type ApiServer, OPERATOR_TOKEN, VIEWER_TOKEN, startApiServer } from '../../support/api-server.ts';
import { eventually } from '../../support/eventually.ts';

/** As many as run at the same time, and of them those of one token or address. */
const MOST = 4;
const EACH = 2;
const PATH = '/api/v1/sensors/freezer/export?metric=temperature&from=2h&to=1h';

let server: ApiServer;
/** Queries of readings that wait. */
const waiting: (() => void)[] = [];
let isHeld = false;
/** Queries of readings. */
let read = 0;

const db: Db = {
  query: async <Row>(text: string, values: unknown[]) => {
    if (text === indexRowsSql && Number(values[0]) < 1)
      return { rows: [{ id: 1, key: 'freezer', name: null, location: null, tags: [] }] as Row[] };
    if (text === chunkRangesSql) return { rows: [{ from: values[1], to: values[2] }] as Row[] };
    if (text !== readingsInOrderSql) return { rows: [] };
    read += 1;
    if (isHeld) await new Promise<void>((resolve) => waiting.push(resolve));
    return { rows: [] };
  },
};

afterEach(async () => {
  for (const resolve of waiting) resolve();
  await server.stop();
});

test('so many run at the same time, and a client that leaves makes room for another', async () => {
  server = await startApiServer(RESOURCES, { db });
  isHeld = true;
  const leaving = new AbortController();
  const start = (headers = {}) =>
    Array.from({ length: EACH }, () =>
      server.fetch(PATH, { headers, signal: leaving.signal }).catch(() => undefined),
    );
  const running = start();
  await eventually('those without a token read', () => waiting.length === EACH);
  expect((await server.fetch(PATH)).status).toBe(429);
  running.push(...start({ authorization: `Bearer ${VIEWER_TOKEN}` }));
  await eventually('all of them read', () => waiting.length === MOST);
  const refused = await server.fetch(PATH, { headers: { authorization: `Bearer ${OPERATOR_TOKEN}` } });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '10']);

  leaving.abort();
  await Promise.all(running);
  isHeld = false;
  for (const resolve of waiting.splice(0)) resolve();
  await eventually('there is room', async () => (await server.fetch(PATH)).status === 200);
});

test('HEAD reads next to nothing, and leaves the place to others', async () => {
  server = await startApiServer(RESOURCES, { db });
  for (let n = 0; n < 2 * MOST; n++) {
    const head = await server.fetch(PATH, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8']);
  }
  const statuses = [];
  for (let n = 0; n < 2 * MOST; n++) {
    const response = await server.fetch(PATH);
    statuses.push(response.status, await response.text());
  }
  expect(new Set(statuses)).toEqual(new Set([200, 'time,sensor,location,temperature\n']));
});

test('a fault is a problem, and no half of a file', async () => {
  server = await startApiServer(RESOURCES, {
    db: {
      query: (text, values) =>
        text === readingsInOrderSql ? Promise.reject(new Error('gone')) : db.query(text, values),
    },
  });
  for (let n = 0; n < 2 * MOST; n++) {
    const response = await server.fetch(`${PATH}&format=${n % 2 === 0 ? 'csv' : 'parquet'}`);
    expect([response.status, response.headers.get('content-disposition')]).toEqual([500, null]);
  }
  expect((await server.fetch('/api/v1/sensors/unknown/export')).status).toBe(404);
});

test('a range of centuries asks for the readings of the chunks that there are', async () => {
  const chunk = { from: new Date('2026-01-01'), to: new Date('2026-01-02') };
  server = await startApiServer(RESOURCES, {
    db: {
      query: async <Row>(text: string, values: unknown[]) =>
        text === chunkRangesSql ? { rows: [chunk] as Row[] } : db.query<Row>(text, values),
    },
  });
  read = 0;
  const range = 'from=1970-01-01&to=2199-01-01&metric=temperature';
  expect((await server.fetch(`/api/v1/sensors/freezer/export?${range}`)).status).toBe(200);
  expect(read).toBeGreaterThan(0);
  expect(read).toBeLessThan(24);
});
