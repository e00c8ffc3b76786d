import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Tokens } from '../../../src/api/access/tokens.ts';
import { RESOURCES } from '../../../src/api/resource/index.ts';
import type { AnyResource } from '../../../src/api/resource/resource.ts';
import { type ApiServer, OPERATOR_TOKEN, VIEWER_TOKEN, startApiServer } from '../../support/api-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { TestAuthority } from '../../support/certificates.ts';

/** Every resource of the index, without what it does: only who gets as far as that is looked at. */
const BARE: readonly AnyResource[] = RESOURCES.map(({ id, method, path, tag, summary, role }) => ({
  ...{ id, method, path, tag, summary, role, status: 204 },
  handle: () => undefined,
}));

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

interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}
interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** With any header, which `fetch` does not allow. */
function send(url: string, { method = 'GET', headers = {}, body }: Sent = {}, ca?: Buffer): Promise<Got> {
  const ask = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const sent = ask(
      url,
      { method, headers, agent: false, ...(ca === undefined ? {} : { ca }) },
      (answer) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }));
        answer.once('error', reject);
      },
    );
    sent.once('error', reject);
    sent.end(body);
  });
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const codeOf = ({ text }: Got) => (JSON.parse(text) as { code: string }).code;

describe.each([
  ['on loopback', { loopback: true }],
  ['on another address', { loopback: false }],
  ['behind a trusted proxy on loopback', { loopback: true, trustedProxies: ['127.0.0.1'] }],
  ['without tokens', { loopback: true, tokens: new Tokens() }],
] as const)('every resource %s', (_place, options) => {
  // Refused tokens are limited in number: each resource is asked an hour later.
  const clock = new FakeClock();
  let server: ApiServer;
  beforeAll(async () => {
    server = await startApiServer(BARE, { clock }, options);
  });
  afterAll(() => server.stop());
  const here = options.loopback && !('trustedProxies' in options);
  const hasTokens = !('tokens' in options);

  test.each(BARE.map((each) => [`${each.method} ${each.path}`, each] as const))(
    '%s',
    async (_name, given) => {
      clock.advance(3_600_000);
      const { method, role } = given;
      const path = given.path.replace(/:\w+/g, 'x1');
      const url = `http://127.0.0.1:${server.port}/api/v1${path}`;
      const ask = async (headers: Record<string, string>) => {
        const got = await send(url, { method, headers });
        return got.status === 204 ? 204 : `${got.status} ${codeOf(got)}`;
      };
      const ok = 204;
      const open = role === 'public' || (here && role === 'viewer');
      expect(await ask({})).toBe(open ? ok : '401 API_LOGIN_NEEDED');
      expect(await ask({ 'x-forwarded-for': '203.0.113.9' })).toBe(
        role === 'public' ? ok : '401 API_LOGIN_NEEDED',
      );
      expect(await ask(bearer(`${OPERATOR_TOKEN}x`))).toBe('401 API_TOKEN_UNKNOWN');
      expect(await ask({ host: 'evil.example', ...bearer(OPERATOR_TOKEN) })).toBe('421 API_WRONG_HOST');
      if (!hasTokens) return;
      expect(await ask(bearer(VIEWER_TOKEN))).toBe(role === 'operator' ? '403 API_FORBIDDEN' : ok);
      expect(await ask(bearer(OPERATOR_TOKEN))).toBe(ok);
      expect(await ask({ origin: 'http://evil.example', ...bearer(OPERATOR_TOKEN) })).toBe(
        method === 'GET' ? ok : '403 API_WRONG_ORIGIN',
      );
      expect(await ask({ origin: `http://127.0.0.1:${server.port}`, ...bearer(OPERATOR_TOKEN) })).toBe(ok);
    },
  );
});

describe('a browser logs in', () => {
  const login = async (server: ApiServer, token: string, headers: Record<string, string> = {}) =>
    send(`http://127.0.0.1:${server.port}/api/v1/session`, {
      method: 'POST',
      body: JSON.stringify({ token }),
      headers: { 'content-type': 'application/json', ...headers },
    });
  const cookieOf = ({ headers }: Got) => String(headers['set-cookie']?.[0]).split(';')[0]!;

  test('and out: the cookie is its session', async () => {
    const server = await start(undefined, {}, { loopback: false });
    const url = `http://127.0.0.1:${server.port}/api/v1/session`;
    const origin = `http://127.0.0.1:${server.port}`;
    const opened = await login(server, OPERATOR_TOKEN, { origin });
    expect(opened.status).toBe(201);
    expect(opened.headers['set-cookie']).toEqual([
      expect.stringMatching(
        /^fieldwatch_[0-9a-f]{8}=[\w-]{43}; Path=\/; Max-Age=604800; HttpOnly; SameSite=Strict$/,
      ),
    ]);
    expect(opened.headers['cache-control']).toBe('no-store');
    expect(opened.text).not.toContain(OPERATOR_TOKEN);
    const cookie = cookieOf(opened);
    const session = await send(url, { headers: { cookie: `other=1; ${cookie}` } });
    expect(JSON.parse(session.text)).toMatchObject({ name: 'anna', role: 'operator', canWrite: true });
    // A form of another site would send no cookie; a browser that did would say where it comes from.
    expect((await send(url, { method: 'DELETE', headers: { cookie } })).status).toBe(403);
    const ended = await send(url, { method: 'DELETE', headers: { cookie, origin } });
    expect([ended.status, String(ended.headers['set-cookie'])]).toEqual([
      204,
      expect.stringContaining('Max-Age=0'),
    ]);
    expect(JSON.parse((await send(url, { headers: { cookie } })).text)).toMatchObject({ role: null });
  });

  test('an invalid token is refused, and after ten nothing is compared any more', async () => {
    const server = await start();
    const answers = [];
    for (let n = 0; n < 12; n++) answers.push((await login(server, `guess-number-${n}-of-many`)).status);
    expect(answers).toEqual([...Array.from({ length: 10 }, () => 401), 429, 429]);
    const late = await login(server, OPERATOR_TOKEN);
    expect([late.status, Number(late.headers['retry-after'])]).toEqual([429, expect.any(Number)]);
    // A request with a valid token is not locked out by others behind the same address.
    const url = `http://127.0.0.1:${server.port}/api/v1/session`;
    expect((await send(url, { headers: bearer(OPERATOR_TOKEN) })).status).toBe(200);
    expect(JSON.stringify(server.logger.entries)).not.toContain('guess-number');
  });

  test('an address with endless requests gets Retry-After', async () => {
    const server = await start();
    let refused: Got | undefined;
    // At the same time: on a loaded machine one after the other are few in a second.
    for (let n = 0; n < 40 && refused === undefined; n++) {
      const url = `http://127.0.0.1:${server.port}/api/v1/session`;
      const answers = await Promise.all(Array.from({ length: 50 }, () => send(url)));
      refused = answers.find(({ status }) => status === 429);
    }
    expect(refused && codeOf(refused)).toBe('API_TOO_MANY');
    expect((await server.fetch('/livez')).status).toBe(200);
  });
});

test('what was refused is counted by reason', async () => {
  const server = await start();
  const url = `http://127.0.0.1:${server.port}/api/v1/status`;
  await send(url, { headers: { host: 'evil.example' } });
  await send(url, { headers: bearer('none') });
  expect(await server.metrics()).toMatch(/fieldwatch_api_refused_total\{reason="host"\} 1/);
  expect(await server.metrics()).toMatch(/fieldwatch_api_refused_total\{reason="token"\} 1/);
});

test.each([
  ['that passes the path on', '/iot', (url: string) => url],
  ['that takes the base off', '/iot', (url: string) => url.replace(/^\/iot/, '') || '/'],
] as const)('a proxy %s', async (_name, basePath, rewrite) => {
  const server = await start(
    undefined,
    {},
    { basePath, allowedHosts: ['iot.example.org'], trustedProxies: ['127.0.0.1'] },
  );
  const proxy = createServer((request, response) => {
    const headers = { ...request.headers, 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' };
    const { method, url = '/' } = request;
    const upstream = httpRequest(
      { port: server.port, host: '127.0.0.1', method, path: rewrite(url), headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(response);
      },
    );
    request.pipe(upstream);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = proxy.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/iot/api/v1/session`;
    const host = 'iot.example.org';
    expect(JSON.parse((await send(url, { headers: { host } })).text)).toMatchObject({ role: null });
    const opened = await send(url, {
      method: 'POST',
      body: JSON.stringify({ token: VIEWER_TOKEN }),
      headers: { host, origin: 'https://iot.example.org', 'content-type': 'application/json' },
    });
    expect(opened.status).toBe(201);
    expect(String(opened.headers['set-cookie'])).toMatch(/; Path=\/iot\/; .*; Secure$/);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

describe('TLS', () => {
  let dir: string;
  let authority: TestAuthority;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'fieldwatch-tls-'));
    authority = await TestAuthority.create(dir);
  });
  afterAll(() => rm(dir, { recursive: true }));

  test('health, metrics and the API by it; sessions have secure cookies; clear text and silence are cut', async () => {
    const tls = await authority.issue('server');
    const server = await start(undefined, {}, {}, tls);
    const ca = await readFile(authority.caFile);
    const url = `https://127.0.0.1:${server.port}`;
    expect((await send(`${url}/livez`, {}, ca)).status).toBe(200);
    const opened = await send(
      `${url}/api/v1/session`,
      {
        method: 'POST',
        body: JSON.stringify({ token: VIEWER_TOKEN }),
        headers: { 'content-type': 'application/json', origin: url },
      },
      ca,
    );
    expect(String(opened.headers['set-cookie'])).toMatch(/; Secure$/);
    await expect(send(`http://127.0.0.1:${server.port}/livez`)).rejects.toThrow();
    expect(await server.metrics()).toMatch(/connections_cut_total\{reason="malformed"\} [1-9]/);
  });

  test('a new certificate is used from a reload on; one that is broken is refused', async () => {
    const first = await authority.issue('first');
    const server = await start(undefined, {}, {}, first);
    const seen = () =>
      new Promise<string | undefined>((resolve, reject) => {
        const socket = tlsConnect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
          resolve(socket.getPeerCertificate().serialNumber);
          socket.destroy();
        });
        socket.once('error', reject);
      });
    const before = await seen();
    const { writeFile } = await import('node:fs/promises');
    const second = await authority.issue('second');
    await writeFile(first.certFile, await readFile(second.certFile));
    expect(() => server.rereadTls()).toThrow(/http.tls/);
    await writeFile(first.keyFile, await readFile(second.keyFile));
    server.rereadTls()();
    expect(await seen()).not.toBe(before);
  });
});
