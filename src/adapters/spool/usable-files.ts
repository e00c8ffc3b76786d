import { access, chmod, constants, lstat, readdir, rename, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../ports.ts';

type Kind = 'folder' | 'file';

const { R_OK, W_OK, X_OK } = constants;
const NEEDS = {
  folder: { access: R_OK | W_OK | X_OK, mode: 0o700 },
  file: { access: R_OK | W_OK, mode: 0o600 },
};
/** LevelDB puts there what a repair found no use for. */
const REPAIRED = 'lost';

/**
 * Looks at each name of the spool before it is opened: what is a folder in the place of a file, a pipe (whose opening would never
 * end), a link that leads nowhere or what this user may not read is moved aside. The store is opened without it, and its sentinel
 * says what is gone by it. Rejects where not even that is possible.
 */
export async function makeUsable(folder: string, logger: Logger): Promise<void> {
  await usable(folder, 'folder', dirname(folder), logger);
  for (const name of ['opening', 'damaged']) await usable(join(folder, name), 'folder', folder, logger);
  for (const name of ['sentinel', 'ballast']) await usable(join(folder, name), 'file', folder, logger);
  const db = join(folder, 'db');
  await usable(db, 'folder', folder, logger);
  for (const name of await readdir(db).catch(() => []))
    if (name !== REPAIRED) await usable(join(db, name), 'file', folder, logger);
}

async function usable(path: string, kind: Kind, parent: string, logger: Logger): Promise<void> {
  const fault = await faultOf(path, kind);
  if (fault !== undefined) await moveAside(path, parent, logger, fault);
}

/** To a name of its own in `parent`, for the operator to look at. */
export async function moveAside(path: string, parent: string, logger: Logger, why: string): Promise<void> {
  const at = new Date().toISOString().replace(/[:.]/g, '-');
  const aside = join(parent, `${basename(path)}.damaged-${at}`);
  await rename(path, aside);
  logger.error({ path, aside, error: why }, 'a file of the spool cannot be used: it was moved aside');
}

/** Undefined where there is nothing of this name, too. */
async function faultOf(path: string, kind: Kind): Promise<string | undefined> {
  if ((await lstat(path).catch(absent)) === undefined) return undefined;
  try {
    const found = await stat(path);
    if (kind === 'folder' ? !found.isDirectory() : !found.isFile()) return `it is no ${kind}`;
    const needs = NEEDS[kind];
    await access(path, needs.access).catch(async () => {
      await chmod(path, needs.mode);
      await access(path, needs.access);
    });
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  return undefined;
}
