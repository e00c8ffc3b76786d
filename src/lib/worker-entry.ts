import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from './package-root.ts';

/**
 * The file that a thread is started from, `place` below dist: beside the module at `importer`, or there where that module is a part of
 * the bundle.
 */
export function workerEntry(importer: string, place: string): string {
  const sibling = fileURLToPath(new URL(`./${basename(place)}`, importer));
  return existsSync(sibling) ? sibling : join(packageRoot(), 'dist', place);
}
