import { type Socket, connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type MetricsRegistry, createMetrics } from '../../../src/adapters/http/metrics.ts';
import { type HttpServer, startHttp } from '../../../src/adapters/http/server.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

let server: HttpServer;
let metrics: MetricsRegistry;
const logger = new QuietLogger();

beforeAll(async () => {
  metrics = createMetrics();
  server = await startHttp(
    { host: '127.0.0.1', port: 0 },
    { metrics, readiness: [], alive: () => true, logger },
  );
});
afterAll(() => server.stop());

/** What comes back for these bytes, until the server closes or has said `until`. */
async function raw(text: string, until = /\r\n\r\n/): Promise<string> {
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => undefined);
  const answer = new Promise<string>((resolve) => {
    let got = '';
    socket.on('data', (chunk) => {
      got += chunk.toString();
      if (until.test(got)) resolve(got);
    });
    socket.once('close', () => resolve(got));
  });
  socket.write(text);
  const got = await answer;
  socket.destroy();
  return got;
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);
const limitCuts = (metrics: string) =>
  Number(/connections_cut_total\{reason="limit"\} (\d+)/.exec(metrics)?.[1] ?? 0);
const request = (line: string, headers = 'Host: x\r\n') => `${line} HTTP/1.1\r\n${headers}\r\n`;

const NO_HOST = request('GET /livez', '');

describe('requests that no scraper sends', () => {
  test.each([
    ['a path of two slashes', request('GET //'), 404],
    ['a host with a bad port in the target', request('GET http://[::1/livez'), 200],
    ['the absolute form', request('GET http://any.example:1/livez?x#y'), 200],
    ['a query', request('GET /livez?a=//'), 200],
    ['a backslash and an escape', request('GET /\\%zz'), 404],
    ['an asterisk', request('OPTIONS *'), 405],
    ['another method', request('DELETE /livez'), 405],
    ['a body that never comes', request('GET /livez', 'Host: x\r\nContent-Length: 9999999999\r\n'), 200],
    ['an upgrade', request('GET /livez', 'Host: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n'), 200],
    ['no host', NO_HOST, 400],
    ['two lengths', request('GET /livez', 'Host: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n'), 400],
    ['no HTTP', '\u0016\u0003\u0001\r\n\r\n', 400],
    ['headers of 20 kB', request('GET /livez', `Host: x\r\nX: ${'a'.repeat(20_000)}\r\n`), 431],
    ['a method of its own', request('BREW /livez'), 400],
  ])('%s', async (_name, text, status) => {
    const answer = await raw(text, /\r\n\r\n.*\}/s);
    expect(statusOf(answer)).toBe(status);
    // Without a host it is a request to Node, which answers it by itself.
    if (text !== NO_HOST && (status === 400 || status === 431))
      expect(answer).toContain(`"status":${status},"code":"API_BAD_REQUEST"`);
    expect(logger.entries).toEqual([]);
  });

  test('a tunnel is refused by closing the connection', async () => {
    expect(await raw(request('CONNECT x:1'))).toBe('');
  });
});

test('requests that do not wait for the answer to the one before are cut off, and concurrent scrapes share one answer', async () => {
  const scrape = jest.spyOn(metrics, 'scrape');
  try {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => raw(request('GET /metrics').repeat(200), /never/)),
    );
    // Cut off, with the answer to the first at most.
    for (const answer of answers) expect(answer.split('HTTP/1.1 200').length).toBeLessThanOrEqual(2);
    expect(scrape.mock.calls.length).toBeLessThanOrEqual(20);
  } finally {
    scrape.mockRestore();
  }
  const text = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
  expect(text).toContain('fieldwatch_http_connections_cut_total{reason="pipelined"} 20');
});

test('idle connections keep no client out', async () => {
  const before = limitCuts(await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text());
  const held = Array.from({ length: 600 }, () =>
    connect(server.port, '127.0.0.1').on('error', () => undefined),
  );
  try {
    await Promise.all(held.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    for (let n = 0; n < 20; n++) expect(statusOf(await raw(request('GET /livez')))).toBe(200);
    const text = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    expect(Number(/^fieldwatch_http_connections (\d+)$/m.exec(text)?.[1])).toBeLessThanOrEqual(512);
    expect(limitCuts(text) - before).toBeGreaterThan(88);
  } finally {
    for (const socket of held) socket.destroy();
  }
});

test('connections that send nothing, or only slowly, are closed and counted', async () => {
  const open = (): { socket: Socket; closed: Promise<void> } => {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    return { socket, closed: new Promise((resolve) => socket.once('close', () => resolve())) };
  };
  const silent = open();
  const slow = open();
  slow.socket.write('GET /livez HTTP/1.1\r\nX: ');
  const drip = setInterval(() => slow.socket.write('a'), 100);
  try {
    await Promise.all([silent.closed, slow.closed]);
  } finally {
    clearInterval(drip);
  }
  const text = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
  expect(text).toContain('fieldwatch_http_connections_cut_total{reason="timeout"} 2');
});
