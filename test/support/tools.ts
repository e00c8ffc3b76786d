import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect } from '@jest/globals';
import { SERVER_PATH } from './child-process.ts';
import { postgresBin } from './postgres-server.ts';

/** Debian keeps the programs of PostgreSQL in a folder of their version. */
const folders = [...SERVER_PATH.split(delimiter), ...[postgresBin() ?? []].flat()];

/** Where a program lies; undefined where it is not installed. */
export function programPath(program: string): string | undefined {
  return folders
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/**
 * `describe` for a suite that needs programs which are no npm packages. Where one is missing the suite is skipped, and
 * says so; in CI nothing is skipped, so a missing program is a failure there.
 */
export function describeWith(...programs: string[]): typeof describe | typeof describe.skip {
  const missing = programs.filter((program) => programPath(program) === undefined);
  if (missing.length === 0 || process.env['CI'] !== undefined) return describe;
  process.stderr.write(
    `skipped, because ${missing.join(', ')} is not installed: ${expect.getState().testPath ?? ''}\n`,
  );
  return describe.skip;
}
