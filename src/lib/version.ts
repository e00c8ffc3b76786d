import { readFileSync } from 'node:fs';
import { packageRoot } from './package-root.ts';

let known: string | undefined;

/** The version of the installed package and its build, as in semantic versioning: `0.1.0+g1a2b3c4d5e`. */
export function version(): string {
  if (known === undefined) {
    const root = packageRoot();
    const manifest = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { version: string };
    const build = buildOf(root);
    known = build === undefined ? manifest.version : `${manifest.version}+${build}`;
  }
  return known;
}

/** Undefined where the program runs from its sources. */
function buildOf(root: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(`${root}/dist/build.json`, 'utf8')) as { build: string }).build;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
