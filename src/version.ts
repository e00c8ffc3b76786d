import { readFileSync } from 'node:fs';
import { packageRoot } from './package-root.ts';

let known: string | undefined;

/** The version of the installed package. */
export function version(): string {
  if (known === undefined) {
    const manifest = JSON.parse(readFileSync(`${packageRoot()}/package.json`, 'utf8')) as { version: string };
    known = manifest.version;
  }
  return known;
}
