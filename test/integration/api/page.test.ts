import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page, PageFile } from '../../../src/api/page.ts';
import { type ApiServer, startApiServer } from '../../support/api-server.ts';

const file = (text: string, more: Partial<PageFile> = {}): PageFile => ({
  ...{ type: 'text/html; charset=utf-8', etag: `"${text}"`, immutable: false, plain: Buffer.from(text) },
  ...{ brotli: undefined, gzip: undefined },
  ...more,
});
const page: Page = {
  build: 'b1',
  files: new Map([
    ['index.html', file('the page')],
    ['assets/a-1.js', file('code', { type: 'text/javascript; charset=utf-8', immutable: true })],
  ]),
};

let server: ApiServer;
beforeAll(async () => {
  server = await startApiServer(undefined, {}, { loopback: false }, undefined, page);
});
afterAll(() => server.stop());

test.each(['/', '/sensors', '/alert?id=1.2', '/index.html'])(
  '%s is the page, without a token',
  async (path) => {
    const response = await server.fetch(path);
    expect([response.status, await response.text()]).toEqual([200, 'the page']);
    expect(response.headers.get('cache-control')).toBe('no-cache');
    const policy = response.headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
  },
);

test('its files stay for ever, and are not sent again', async () => {
  const response = await server.fetch('/assets/a-1.js');
  expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  const etag = response.headers.get('etag')!;
  const again = await server.fetch('/assets/a-1.js', { headers: { 'if-none-match': etag } });
  expect([again.status, await again.text()]).toEqual([304, '']);
  expect((await server.fetch('/', { method: 'HEAD' })).headers.get('content-length')).toBe('8');
});

test.each([
  ['GET', '/none.js', 404],
  ['GET', '/api/v1/none', 404],
  ['GET', '/api', 404],
  ['POST', '/', 404],
  ['PUT', '/api/v1/session', 405],
])('%s %s is %d', async (method, path, status) => {
  const response = await server.fetch(path, { method });
  expect([response.status, response.headers.get('content-type')]).toEqual([
    status,
    'application/problem+json; charset=utf-8',
  ]);
});

test('where it was not built, a sentence says so', async () => {
  const bare = await startApiServer();
  try {
    const response = await bare.fetch('/');
    expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('npm run build')]);
  } finally {
    await bare.stop();
  }
});
