// Loader hooks of the tests: TypeScript as JavaScript, the names that Jest gives, and the package by its name, as the examples import it.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { javaScriptOf } from './typescript.js';

const of = (path) => new URL(`../../../${path}`, import.meta.url).href;
const NAMES = new Map([
  ['@jest/globals', of('test/support/node/globals.js')],
  ['fieldwatch', of('src/index.ts')],
  ['fieldwatch/frame', of('src/frame.ts')],
  ['fieldwatch/drizzle', of('src/orm/drizzle.ts')],
  ['fieldwatch/kysely', of('src/orm/kysely.ts')],
]);

export function resolve(specifier, context, next) {
  const url = NAMES.get(specifier);
  return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
}

export function load(url, context, next) {
  if (!url.startsWith('file:') || !new URL(url).pathname.endsWith('.ts')) return next(url, context);
  const path = fileURLToPath(url);
  return { format: 'module', source: javaScriptOf(readFileSync(path, 'utf8'), path), shortCircuit: true };
}
