import { readFile, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';

const page = resolve('dist/web');
const files = (await readdir(page, { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(page.length + 1));
const read = (file: string) => readFile(join(page, file));
const compressible = files.filter((file) => /\.(?:html|js|css|svg|webmanifest)$/.test(file));

/** A phone on a slow line loads it in a second or two. */
const MOST_BYTES = 120_000;

test.each(['br', 'gz'])('all of the page is at most 120 kB as .%s', async (encoding) => {
  const sizes = await Promise.all(
    compressible.map(async (file) => (await read(`${file}.${encoding}`)).length),
  );
  expect(compressible.length).toBeGreaterThanOrEqual(4);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(MOST_BYTES);
});

test('what stands beside a file is the same, compressed', async () => {
  for (const file of compressible) {
    const content = await read(file);
    expect(brotliDecompressSync(await read(`${file}.br`)).equals(content)).toBe(true);
    expect(gunzipSync(await read(`${file}.gz`)).equals(content)).toBe(true);
  }
});

test('the page loads nothing from elsewhere, and holds no script or style of its own', async () => {
  const html = (await read('index.html')).toString();
  expect(html).toContain('<base href="/" />');
  const addresses = [...html.matchAll(/\b(?:src|href)="([^"]+)"/g)].map(([, address]) => address);
  expect(addresses.filter((address) => !/^(?:\/|\.\/[\w./-]+)$/.test(address!))).toEqual([]);
  expect(html).not.toMatch(/<style|\bstyle=|<script(?![^>]*\bsrc=)|\bon\w+=/);
});

test('no source map, and the licences of what is in it', async () => {
  expect(files.filter((file) => file.endsWith('.map'))).toEqual([]);
  expect((await read('LICENSES.txt')).toString()).toMatch(/preact .* \(MIT\)/);
});
