import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const INPUTS = [
  'src',
  'scripts',
  'tsconfig.json',
  'tsconfig.build.json',
  'vite.config.js',
  'package.json',
  'package-lock.json',
];

/** A hash of all that a build reads in this folder. */
export function hashOfInputs() {
  const sum = createHash('sha256').update(process.version);
  // Without these a build has no bundle and no page.
  for (const name of ['esbuild', 'vite'])
    sum.update(`${name} ${existsSync(join(root, 'node_modules', name))}\0`);
  for (const input of INPUTS) {
    const path = join(root, input);
    if (!existsSync(path)) continue;
    const files = statSync(path).isDirectory()
      ? readdirSync(path, { recursive: true, encoding: 'utf8' }).sort()
      : [''];
    for (const file of files) {
      const each = join(path, file);
      if (statSync(each).isFile()) sum.update(`${input}/${file}\0`).update(readFileSync(each));
    }
  }
  return sum.digest('hex').slice(0, 16);
}
