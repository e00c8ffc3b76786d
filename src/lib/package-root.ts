import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FieldwatchError } from '../core/errors.ts';

/**
 * The folder with fieldwatch's package.json: where `sql/` and `config/` are, whether the program runs from `src`,
 * from `dist` or from an installed package.
 */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const manifest = join(folder, 'package.json');
    if (
      existsSync(manifest) &&
      (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'fieldwatch'
    ) {
      return folder;
    }
    const parent = dirname(folder);
    if (parent === folder)
      throw new FieldwatchError('no package.json of fieldwatch above the program', {
        code: 'PACKAGE_ROOT_MISSING',
        kind: 'config',
        remedy: 'Install fieldwatch as a whole package: the folders sql/ and config/ belong to it.',
      });
    folder = parent;
  }
}
