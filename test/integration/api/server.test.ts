import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { RESOURCES as INDEX } from '../../../src/api/resource/index.ts';
import { answer, streamed, taken } from '../../../src/api/resource/answer.ts';
import { type AnyResource, resource } from '../../../src/api/resource/resource.ts';
import { FieldwatchError } from '../../../src/core/errors.ts';
import * as z from '../../../src/core/schema/zod.ts';
import { type ApiServer, startApiServer } from '../../support/api-server.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const about = { tag: 'test', summary: 'of a test', role: 'viewer' } as const;
let gone = 0;
/** Pieces of a long answer that were asked for. */
let read = 0;
/** Responses that a resource writes itself. */
let held = 0;
let counted = 0;
let pieces = 0;
let produced = 0;

async function* pieceOf(n: number) {
  yield `piece ${n}`;
}

async function* endless() {
  for (;;) {
    produced += 1;
    yield 'x'.repeat(65_536);
  }
}

const RESOURCES: readonly AnyResource[] = [
  resource({
    ...about,
    ...{ id: 'echo', method: 'POST', path: '/echo/:key' },
    params: z.strictObject({ key: z.string() }),
    query: z.strictObject({ limit: z.coerce.number().int().max(10).default(3) }),
    body: z.strictObject({ text: z.string() }),
    answer: z.object({ key: z.string(), limit: z.number(), text: z.string() }),
    handle: ({ params, query, body }) => ({ ...params, ...query, ...body }),
  }),
  resource({
    ...about,
    ...{ id: 'nothing', method: 'DELETE', path: '/things/:id', status: 204 },
    handle: () => undefined,
  }),
  resource({
    ...about,
    ...{ id: 'tagged', method: 'GET', path: '/tagged' },
    answer: z.object({ n: z.number() }),
    handle: () => answer({ n: 1 }, { etag: '"v1"', headers: { 'x-of-it': 'yes' } }),
  }),
  resource({
    ...about,
    ...{ id: 'lines', method: 'GET', path: '/lines', contentTypes: ['text/csv'] },
    handle: () =>
      streamed(
        'text/csv',
        (async function* () {
          yield 'a,b\n';
          yield '1,2\n';
        })(),
      ),
  }),
  resource({
    ...about,
    ...{ id: 'endless', method: 'GET', path: '/endless', contentTypes: ['text/plain'] },
    handle: () => streamed('text/plain', endless()),
  }),
  resource({
    ...about,
    ...{ id: 'unread', method: 'GET', path: '/unread', contentTypes: ['text/plain'] },
    handle: () =>
      streamed(
        'text/plain',
        (async function* () {
          for (let n = 0; n < 2; n++) yield `${++read}`;
        })(),
      ),
  }),
  resource({
    ...about,
    ...{ id: 'held', method: 'GET', path: '/held', contentTypes: ['text/event-stream'] },
    handle: () => taken(() => void (held += 1)),
  }),
  resource({
    ...about,
    ...{ id: 'counted', method: 'GET', path: '/counted', shared: true },
    query: z.strictObject({ of: z.string().optional() }),
    answer: z.object({ counted: z.number() }),
    handle: async ({ query }) => {
      await new Promise((resolve) => setImmediate(resolve));
      return { counted: ++counted, ...query };
    },
  }),
  resource({
    ...about,
    ...{ id: 'pieces', method: 'GET', path: '/pieces', contentTypes: ['text/plain'], shared: true },
    handle: () => streamed('text/plain', pieceOf(++pieces)),
  }),
  resource({
    ...about,
    ...{ id: 'refused', method: 'GET', path: '/refused' },
    handle: () => {
      throw new FieldwatchError('no such alert', {
        ...{ code: 'ALERT_NOT_OPEN', kind: 'data', remedy: 'look again' },
      });
    },
  }),
  resource({
    ...about,
    ...{ id: 'broken', method: 'GET', path: '/broken' },
    handle: () => {
      throw new Error('password=secret');
    },
  }),
  resource({
    ...about,
    ...{ id: 'waits', method: 'GET', path: '/waits' },
    handle: ({ signal }) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          gone += 1;
          resolve(undefined);
        });
      }),
  }),
];

let server: ApiServer;
beforeAll(async () => {
  server = await startApiServer(RESOURCES);
});
afterAll(() => server.stop());

const problemOf = async (response: Response) => {
  expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  return (await response.json()) as Record<string, unknown>;
};
const post = (path: string, body: string, type = 'application/json') =>
  server.fetch(path, { method: 'POST', body, headers: { 'content-type': type } });

test('is loaded with the first request that is for none of health and metrics', async () => {
  for (const path of ['/livez', '/readyz', '/metrics']) expect((await server.fetch(path)).status).toBe(200);
  expect(server.loaded()).toBe(0);
  await server.fetch('/api/v1/tagged');
  await server.fetch('/api/v1/tagged');
  expect(server.loaded()).toBe(1);
});

describe('answers', () => {
  test('input is checked and converted', async () => {
    const response = await post('/api/v1/echo/a%2Fb%20%C3%BC?limit=7', '{"text":"hi"}');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ key: 'a/b ü', limit: 7, text: 'hi' });
  });

  test('an empty answer is 204', async () => {
    const response = await server.fetch('/api/v1/things/1', { method: 'DELETE' });
    expect([response.status, await response.text()]).toEqual([204, '']);
  });

  test('what the client has already is not sent again', async () => {
    const first = await server.fetch('/api/v1/tagged');
    expect([first.status, first.headers.get('etag'), first.headers.get('x-of-it')]).toEqual([
      200,
      '"v1"',
      'yes',
    ]);
    for (const tag of ['"v1"', 'W/"v1"', '"v0", "v1"', '*']) {
      const again = await server.fetch('/api/v1/tagged', { headers: { 'if-none-match': tag } });
      expect([tag, again.status, await again.text()]).toEqual([tag, 304, '']);
    }
    expect((await server.fetch('/api/v1/tagged', { headers: { 'if-none-match': '"v2"' } })).status).toBe(200);
  });

  test('HEAD has the headers of GET', async () => {
    const response = await server.fetch('/api/v1/tagged', { method: 'HEAD' });
    expect([response.status, response.headers.get('etag'), await response.text()]).toEqual([200, '"v1"', '']);
  });

  test('a long answer comes in pieces', async () => {
    const response = await server.fetch('/api/v1/lines');
    expect([response.headers.get('content-type'), await response.text()]).toEqual(['text/csv', 'a,b\n1,2\n']);
  });

  test('HEAD of a long answer reads nothing of it', async () => {
    const response = await server.fetch('/api/v1/unread', { method: 'HEAD' });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/plain']);
    expect(read).toBe(0);
    await (await server.fetch('/api/v1/unread')).text();
    expect(read).toBe(2);
  });

  test('HEAD of a stream is answered, and opens none', async () => {
    const response = await server.fetch('/api/v1/held', { method: 'HEAD' });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    expect(held).toBe(0);
  });

  test('every answer keeps browsers from more than showing it', async () => {
    for (const path of ['/api/v1/tagged', '/api/v1/none', '/api/v1/broken', '/%zz']) {
      const { headers } = await server.fetch(path);
      expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'");
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
    }
  });

  test('the absolute form of a request target', async () => {
    const text = await server.raw('GET http://any.example/api/v1/tagged HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('problems', () => {
  test('of ours: code and remedy', async () => {
    const response = await server.fetch('/api/v1/refused?x=1');
    expect(response.status).toBe(409);
    expect(await problemOf(response)).toEqual({
      type: '/api/v1/problems/ALERT_NOT_OPEN',
      title: 'Conflict',
      status: 409,
      detail: 'no such alert',
      code: 'ALERT_NOT_OPEN',
      remedy: 'look again',
      instance: '/api/v1/refused',
    });
  });

  test('unexpected: in the log, not in the answer', async () => {
    const response = await server.fetch('/api/v1/broken');
    expect(response.status).toBe(500);
    expect(JSON.stringify(await problemOf(response))).not.toContain('secret');
    expect(server.logger.find('error').map(({ fields }) => fields['path'])).toContain('/api/v1/broken');
  });

  test('every fault of a request, with its place', async () => {
    const problem = await problemOf(await post('/api/v1/echo/a?limit=99&more=1', '{"text":1}'));
    expect(problem).toMatchObject({ status: 400, code: 'API_BAD_REQUEST' });
    const second = await problemOf(await post('/api/v1/echo/a?limit=99', '{"text":"x"}'));
    expect(second['errors']).toEqual([{ pointer: '/query/limit', detail: expect.any(String) }]);
  });

  test.each([
    ['another path', 'GET', '/api/v1/none', 404, 'API_NOT_FOUND'],
    ['another method', 'PUT', '/api/v1/tagged', 405, 'API_METHOD'],
    ['an invalid escape', 'GET', '/api/v1/%zz', 400, 'API_BAD_REQUEST'],
  ])('%s', async (_name, method, path, status, code) => {
    const response = await server.fetch(path, { method });
    expect([response.status, (await problemOf(response))['code']]).toEqual([status, code]);
    if (status === 405) expect(response.headers.get('allow')).toBe('GET');
  });

  test.each([
    ['no JSON', '{', 'application/json', 400, 'API_BAD_REQUEST'],
    ['an empty body', '', 'application/json', 400, 'API_BAD_REQUEST'],
    ['a prototype', '{"__proto__":{"text":"x"}}', 'application/json', 400, 'API_BAD_REQUEST'],
    ['a form', 'text=x', 'application/x-www-form-urlencoded', 415, 'API_MEDIA_TYPE'],
    ['plain text', '{"text":"x"}', 'text/plain', 415, 'API_MEDIA_TYPE'],
    ['100 kB', JSON.stringify({ text: 'x'.repeat(100_000) }), 'application/json', 413, 'API_BODY_TOO_LARGE'],
  ])('a body: %s', async (_name, body, type, status, code) => {
    const response = await post('/api/v1/echo/a', body, type);
    expect([response.status, (await problemOf(response))['code']]).toEqual([status, code]);
  });

  test('a refused body that was not read ends the connection', async () => {
    const text = await server.raw(
      `POST /api/v1/none HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 404 /);
    expect(text.toLowerCase()).toContain('connection: close');
  });
});

describe('clients that are no browser', () => {
  test('a request that does not wait for the answer to the one before is cut off', async () => {
    const request = 'GET /api/v1/tagged HTTP/1.1\r\nHost: localhost\r\n\r\n';
    const text = await server.raw(request.repeat(100), /never/);
    expect(text.split('HTTP/1.1 ').length).toBeLessThanOrEqual(2);
  });

  test('a closed connection cancels its request', async () => {
    const abort = new AbortController();
    const request = server.fetch('/api/v1/waits', { signal: abort.signal });
    await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    await expect(request).rejects.toThrow();
    await eventually('the handler is notified', () => gone > 0);
  });

  test('of a long answer no more is made than is read, and its end is noticed', async () => {
    const abort = new AbortController();
    const response = await server.fetch('/api/v1/endless', { signal: abort.signal });
    const reader = response.body!.getReader();
    await reader.read();
    let before = -1;
    // Until nothing more is made: the buffers between are full.
    await eventually('nothing more is made', () => {
      const still = before === produced;
      before = produced;
      return still;
    });
    expect(produced).toBeLessThan(1000);
    abort.abort();
  });
});

test('the document is OpenAPI 3.1 with every resource', async () => {
  const document = (await (await server.fetch('/api/v1/openapi.json')).json()) as {
    readonly openapi: string;
    readonly components: { readonly securitySchemes: Readonly<Record<string, unknown>> };
    readonly paths: Readonly<
      Record<string, Record<string, { operationId: string; parameters?: unknown; security?: unknown }>>
    >;
  };
  expect(document.openapi).toBe('3.1.0');
  expect(Object.keys(document.paths).sort()).toEqual(
    [...RESOURCES.map(({ path }) => path.replace(/:(\w+)/g, '{$1}')), '/openapi.json']
      .map((path) => `/api/v1${path}`)
      .sort(),
  );
  expect(document.components.securitySchemes['token']).toMatchObject({ type: 'http', scheme: 'bearer' });
  // The role that a resource needs, from the document alone.
  const security = Object.fromEntries(
    RESOURCES.map(({ path, method, role }) => [
      role,
      document.paths[`/api/v1${path.replace(/:(\w+)/g, '{$1}')}`]?.[method.toLowerCase()]?.security,
    ]),
  );
  for (const [role, given] of Object.entries(security))
    expect([role, given]).toEqual([
      role,
      { public: [], viewer: [{}, { token: [] }], operator: [{ token: [] }] }[role],
    ]);
  expect(document.paths['/api/v1/echo/{key}']?.['post']).toMatchObject({
    operationId: 'echo',
    parameters: [
      { in: 'query', name: 'limit', required: false },
      { in: 'path', name: 'key', required: true },
    ],
    requestBody: { content: { 'application/json': { schema: { required: ['text'] } } } },
    responses: { 200: { content: { 'application/json': { schema: { type: 'object' } } } } },
  });
});

test('the document of the API itself has every resource of the index, each with an id of its own', async () => {
  const real = await startApiServer(undefined, {}, { basePath: '/fieldwatch' });
  try {
    const response = await real.fetch('/api/v1/openapi.json');
    expect(response.status).toBe(200);
    const { servers, paths, components } = (await response.json()) as {
      readonly servers: unknown;
      readonly paths: Readonly<
        Record<string, Record<string, { operationId: string; parameters?: { $ref?: string }[] }>>
      >;
      readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
    };
    // A client that is made from it asks where a proxy serves it.
    expect(servers).toEqual([{ url: '/fieldwatch' }]);
    const operations = Object.values(paths).flatMap((path) => Object.values(path));
    expect(operations.map(({ operationId }) => operationId).sort()).toEqual(
      [...INDEX.map(({ id }) => id), 'openapi'].sort(),
    );
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    const referenced = JSON.stringify({ paths, components }).matchAll(/"#\/components\/schemas\/([^"]+)"/g);
    for (const [, name] of referenced) expect(Object.keys(components.schemas)).toContain(name);
  } finally {
    await real.stop();
  }
});

describe('an answer that depends on its URL alone', () => {
  let shared: ApiServer;
  const clock = new FakeClock();
  const read = async (path: string) => {
    const response = await shared.fetch(path);
    return { text: await response.text(), tag: response.headers.get('etag') };
  };
  beforeAll(async () => {
    shared = await startApiServer(RESOURCES, { clock });
  });
  afterAll(() => shared.stop());

  test('is made once for all requests within a second, with one entity tag', async () => {
    const before = counted;
    const all = await Promise.all(Array.from({ length: 20 }, () => read('/api/v1/counted')));
    expect(counted - before).toBe(1);
    expect(new Set(all.map(({ text, tag }) => `${tag} ${text}`)).size).toBe(1);
    await read('/api/v1/counted?of=x');
    expect(counted - before).toBe(2);
    clock.advance(1000);
    await read('/api/v1/counted');
    expect(counted - before).toBe(3);
  });

  test('is made anew after a change by one of them', async () => {
    const before = await read('/api/v1/counted');
    await shared.fetch('/api/v1/things/1', { method: 'DELETE' });
    expect(await read('/api/v1/counted')).not.toEqual(before);
  });

  test('that is sent piece by piece is made for each of them', async () => {
    const all = await Promise.all([1, 2, 3].map(() => read('/api/v1/pieces')));
    expect(new Set(all.map(({ text }) => text)).size).toBe(3);
  });
});
