import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const root = new URL('../../../', import.meta.url);
const read = (file: string) => readFileSync(new URL(file, root), 'utf8');
const sources = readdirSync(new URL('src', root), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => read(`src/${file}`))
  .join('\n');
const unique = (text: string, pattern: RegExp) => [...new Set(text.match(pattern) ?? [])];

test('every metric that operations.md names exists', () => {
  const named = unique(
    read('docs/operations.md') + read('docs/errors.md'),
    /fieldwatch_(?!owner|ingest\b|dashboard)[a-z_]+/g,
  );
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => !sources.includes(`'${name}'`))).toEqual([]);
});

test('every code that errors.md explains exists', () => {
  const table = read('docs/errors.md').split('## Codes')[1] ?? '';
  const named = unique(table, /`[A-Z]+_[A-Z_]+`/g).map((code) => code.slice(1, -1));
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((code) => !sources.includes(`'${code}'`))).toEqual([]);
});

test('every code has its line in errors.md', () => {
  const table = read('docs/errors.md').split('## Codes')[1] ?? '';
  const codes = unique(sources, /code: '[A-Z]+_[A-Z_]+'/g).map((text) => text.slice(7, -1));
  expect(codes.length).toBeGreaterThan(60);
  expect(codes.filter((code) => !table.includes(`\`${code}\``))).toEqual([]);
});

test('links between the pages lead somewhere', () => {
  for (const page of ['errors', 'operations', 'queries'])
    for (const [, target = ''] of read(`docs/${page}.md`).matchAll(/\]\(([^)#]+)/g))
      expect([page, target, existsSync(new URL(`docs/${target}`, root))]).toEqual([page, target, true]);
});
