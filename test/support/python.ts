import { spawnSync } from 'node:child_process';
import { describe } from '@jest/globals';
import { isNightly } from './rounds.ts';

/** Where it is not the usual one, FIELDWATCH_TEST_PYTHON names it. */
export const PYTHON = process.env['FIELDWATCH_TEST_PYTHON'] ?? 'python3';

/** Nightly tests that need packages of Python. */
export function describePython(name: string, packages: readonly string[], tests: () => void): void {
  if (!isNightly) return describe.skip(`${name} (nightly)`, tests);
  const found = spawnSync(PYTHON, ['-c', `import ${packages.join(', ')}`], { encoding: 'utf8' });
  if (found.status === 0) return describe(name, tests);
  const why = found.error?.message ?? found.stderr.trim().split('\n').at(-1) ?? '';
  process.stderr.write(`skipped, because Python packages are missing: ${why}\n`);
  describe.skip(`${name} (needs ${packages.join(', ')} in ${PYTHON})`, tests);
}
