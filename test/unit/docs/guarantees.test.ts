import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const root = new URL('../../../', import.meta.url);
const page = readFileSync(new URL('docs/guarantees.md', root), 'utf8');
const statements = [...page.matchAll(/^\| (\d+) \| .* \| (.*) \|$/gm)].map(([, number, tests = '']) => ({
  number: Number(number),
  tests: [...tests.matchAll(/(`+)(statement .*?)\1(?=, |$)/g)].map(([, , name = '']) => name),
}));
const tests = readdirSync(new URL('test', root), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts') && !file.includes('docs-guarantees'))
  .map((file) => readFileSync(new URL(`test/${file}`, root), 'utf8'))
  .join('\n');
/** As it stands in a source file: a backtick within a template is escaped there. */
const isThere = (name: string) =>
  ["'", '`'].some((quote) => tests.includes(quote + (quote === '`' ? name.replaceAll('`', '\\`') : name)));

test('each statement is there, in order, with tests of its number', () => {
  const numbers = statements.map(({ number }) => number);
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  expect(numbers.length).toBeGreaterThan(20);
  for (const { number, tests } of statements) {
    expect(tests.length).toBeGreaterThan(0);
    for (const name of tests) expect(name.startsWith(`statement ${number}: `)).toBe(true);
  }
});

test('every test that guarantees.md quotes exists', () => {
  expect(statements.flatMap(({ tests }) => tests).filter((name) => !isThere(name))).toEqual([]);
});
