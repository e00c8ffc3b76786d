import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Page, encodingFor, fileAt, readPage } from '../../../src/api/page.ts';

let dir: string;
let page: Page;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'fieldwatch-page-'));
  mkdirSync(join(dir, 'assets'));
  writeFileSync(join(dir, 'index.html'), '<head><base href="/"></head>');
  writeFileSync(join(dir, 'assets/app-1a2b.js'), 'script');
  writeFileSync(join(dir, 'assets/app-1a2b.js.gz'), gzipSync('script'));
  writeFileSync(join(dir, 'assets/app-1a2b.js.br'), 'br');
  writeFileSync(join(dir, 'icon.svg'), '<svg/>');
  writeFileSync(join(dir, 'secret.key'), 'key');
  page = readPage(dir, '/iot')!;
});
afterAll(() => rmSync(dir, { recursive: true }));

test('the page has the base at which a proxy serves it', () => {
  expect(fileAt(page, '/')?.plain.toString()).toBe('<head><base href="/iot/"></head>');
  expect(readPage(dir, '')?.files.get('index.html')?.plain.toString()).toBe('<head><base href="/"></head>');
});

test.each([
  ['/', 'text/html; charset=utf-8'],
  ['/index.html', 'text/html; charset=utf-8'],
  ['/sensors', 'text/html; charset=utf-8'],
  ['/a/b/c', 'text/html; charset=utf-8'],
  ['/assets/app-1a2b.js', 'text/javascript; charset=utf-8'],
  ['/icon.svg', 'image/svg+xml'],
  ['/none.js', undefined],
  ['/assets/app-1a2b.js.br', undefined],
  ['/secret.key', undefined],
  ['/../secret.key', undefined],
  ['/assets/..%2fsecret.key', undefined],
])('%s is %s', (path, type) => {
  expect(fileAt(page, path)?.type).toBe(type);
});

test.each([
  ['gzip, deflate, br', 'br'],
  ['gzip', 'gzip'],
  ['GZIP;q=0.5', 'gzip'],
  ['br;q=0, gzip', 'gzip'],
  ['identity', undefined],
  ['', undefined],
  [undefined, undefined],
])('for %s: %s', (accepted, encoding) => {
  expect(encodingFor(fileAt(page, '/assets/app-1a2b.js')!, accepted).encoding).toBe(encoding);
  expect(encodingFor(fileAt(page, '/icon.svg')!, accepted).encoding).toBeUndefined();
});

test('another build is another one; without the page it is absent', () => {
  expect(readPage(dir, '/iot')!.build).toBe(page.build);
  writeFileSync(join(dir, 'icon.svg'), '<svg></svg>');
  expect(readPage(dir, '/iot')!.build).not.toBe(page.build);
  expect(readPage(join(dir, 'none'), '')).toBeUndefined();
  expect(readPage(join(dir, 'assets'), '')).toBeUndefined();
});
