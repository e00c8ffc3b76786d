import { createServer, request as httpRequest } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { Tokens, parseTokens } from '../../../src/api/access/tokens.ts';
import {
  type ApiServer,
  OPERATOR_TOKEN,
  VIEWER_TOKEN,
  startApiServer,
  testTokens,
} from '../../support/api-server.ts';
import { daemonAtRest } from '../../support/api-daemon.ts';
import { eventually } from '../../support/eventually.ts';

let running: ApiServer[] = [];
const start = async (...given: Parameters<typeof startApiServer>) => {
  const server = await startApiServer(...given);
  running.push(server);
  return server;
};
afterEach(async () => {
  await Promise.all(running.map((server) => server.stop()));
  running = [];
});

/** Reads a stream until its text matches. */
async function readUntil(response: Response, pattern: RegExp): Promise<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    if (pattern.test(text)) break;
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
  }
  await reader.cancel();
  return text;
}

test('a browser reads hello and the figures of each second; what leaves is counted', async () => {
  const server = await start();
  const response = await server.fetch('/api/v1/events');
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'text/event-stream; charset=utf-8',
  ]);
  expect(response.headers.get('cache-control')).toContain('no-store');
  expect(response.headers.get('x-accel-buffering')).toBe('no');
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  const metrics = await server.metrics();
  expect(metrics).toMatch(/fieldwatch_api_streams 1$/m);
  const text = await readUntil(response, /(event: intake[\s\S]*){2}/);
  expect(text).toMatch(/^retry: 2000\n\nevent: hello\ndata: \{"version":"1\.2\.3","build":"1\.2\.3",/);
  await eventually('the stream is gone', async () =>
    /fieldwatch_api_streams 0$/m.test(await server.metrics()),
  );
});

test('a stream goes on by the id that the browser sends; another id is answered by reset', async () => {
  const server = await start();
  const first = await readUntil(await server.fetch('/api/v1/events'), /^id: \S+$/m);
  const id = /^id: (\S+)$/m.exec(first)![1]!;
  const again = await readUntil(
    await server.fetch('/api/v1/events', { headers: { 'last-event-id': id } }),
    /event: intake/,
  );
  expect(again).not.toContain('event: reset');
  for (const headers of [{ 'last-event-id': 'none-1' }, {}]) {
    const query = Object.keys(headers).length === 0 ? '?lastEventId=none-1' : '';
    const reset = await readUntil(await server.fetch(`/api/v1/events${query}`, { headers }), /event: intake/);
    expect(reset).toContain('event: reset');
  }
});

test('a client that does not read is cut, and the others go on', async () => {
  let size = 0;
  const big = 'x'.repeat(1_000_000);
  // Much, so that the buffers of the system are full soon.
  const daemon = daemonAtRest({ intake: () => ({ received: ++size, big }) as never });
  const server = await start(undefined, { daemon });
  const deaf = connect(server.port, '127.0.0.1');
  const closed = new Promise<void>((resolve) => deaf.once('close', () => resolve()));
  deaf.on('error', () => undefined);
  deaf.pause();
  deaf.write('GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const reads = readUntil(await server.fetch('/api/v1/events'), /never/);
  await eventually('the deaf one is cut', async () =>
    /fieldwatch_api_streams_cut_total 1$/m.test(await server.metrics()),
  );
  deaf.resume();
  await closed;
  expect(await server.metrics()).toMatch(/fieldwatch_api_streams 1$/m);
  await server.stop();
  running = [];
  await reads.catch(() => undefined);
});

test('no more than a number of streams; health and the rest of the API answer meanwhile', async () => {
  const server = await start();
  const aborts: AbortController[] = [];
  // A client whose response nothing refers to ends its stream when it is collected.
  const streams: Response[] = [];
  const [viewer, operator] = [VIEWER_TOKEN, OPERATOR_TOKEN].map((token) => ({
    authorization: `Bearer ${token}`,
  }));
  const listen = async (headers = {}) => {
    const abort = new AbortController();
    aborts.push(abort);
    const response = await server.fetch('/api/v1/events', { headers, signal: abort.signal });
    streams.push(response);
    return response.status;
  };
  // One token does not take the places of all.
  for (let n = 0; n < 100; n++) expect(await listen(viewer)).toBe(200);
  expect(await listen(viewer)).toBe(429);
  for (let n = 0; n < 100; n++) expect(await listen(operator)).toBe(200);
  const refused = await server.fetch('/api/v1/events');
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '10']);
  expect((await server.fetch('/livez')).status).toBe(200);
  expect((await server.fetch('/api/v1/session')).status).toBe(200);
  expect(streams).toHaveLength(201);
  for (const abort of aborts) abort.abort();
  await eventually('the streams are gone', async () =>
    /fieldwatch_api_streams 0$/m.test(await server.metrics()),
  );
});

test('streams are counted from their first byte on, also while the database is slow', async () => {
  // The first look never ends, so that no stream is with the hub yet.
  const server = await start(undefined, { db: { query: () => new Promise(() => undefined) } });
  const abort = new AbortController();
  const opened = await Promise.all(
    Array.from({ length: 230 }, (_, n) =>
      server.fetch('/api/v1/events', {
        headers: { authorization: `Bearer ${n % 2 === 0 ? VIEWER_TOKEN : OPERATOR_TOKEN}` },
        signal: abort.signal,
      }),
    ),
  );
  const statuses = opened.map(({ status }) => status);
  expect([200, 429].map((status) => statuses.filter((each) => each === status).length)).toEqual([200, 30]);
  abort.abort();
  await eventually('the streams are gone', async () =>
    /fieldwatch_api_streams 0$/m.test(await server.metrics()),
  );
});

test('a stream ends with its token', async () => {
  const tokens = testTokens();
  const server = await start(undefined, {}, { loopback: false, tokens });
  expect((await server.fetch('/api/v1/events')).status).toBe(401);
  const response = await server.fetch('/api/v1/events', {
    headers: { authorization: `Bearer ${VIEWER_TOKEN}` },
  });
  expect(response.status).toBe(200);
  tokens.replace(parseTokens('carl viewer carl-0123456789abcdefghij', 'tokens'));
  const text = await readUntil(response, /never/);
  expect(text).toContain('event: hello');
  expect(new Tokens().size).toBe(0);
});

test('a proxy in between passes events on as they come', async () => {
  const server = await start();
  const proxy = createServer((request, response) => {
    const { method, url, headers } = request;
    const upstream = httpRequest(
      { port: server.port, host: '127.0.0.1', method, path: url, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(response);
      },
    );
    response.once('close', () => upstream.destroy());
    upstream.on('error', () => response.destroy());
    request.pipe(upstream);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = proxy.address() as AddressInfo;
    const text = await readUntil(await fetch(`http://127.0.0.1:${port}/api/v1/events`), /event: intake/);
    expect(text).toContain('event: hello');
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});
