import { access, chmod, constants, lstat, readdir, rename, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../ports/metrics.ts';
import { clockNotesPath } from './clock-notes.ts';
import { sentinelPath } from './sentinel.ts';

type Kind = 'folder' | 'file';

const { R_OK, W_OK, X_OK } = constants;
const NEEDS = {
  folder: { access: R_OK | W_OK | X_OK, mode: 0o700 },
  file: { access: R_OK | W_OK, mode: 0o600 },
};
/** LevelDB moves files there that a repair could not use. */
const REPAIRED = 'lost';

/** Errors caused by the path itself; all others are the disk's, the system's or the owner's. */
const DAMAGE: readonly unknown[] = ['ENOENT', 'ELOOP', 'ENOTDIR'];
const RIGHTS: readonly unknown[] = ['EACCES', 'EPERM'];

/**
 * Checks each name of the spool before it is opened: a folder in the place of a file, a pipe (whose opening would never
 * end) or a dangling link is moved aside. The store is opened without it, and its sentinel shows what is lost by it.
 * What this user may not use, or the system cannot look at now, stays where it is: rejects with SPOOL_RIGHTS or SPOOL_IO.
 */
export async function makeUsable(folder: string, logger: Logger): Promise<void> {
  await usable(folder, 'folder', dirname(folder), logger);
  for (const path of [sentinelPath(folder), clockNotesPath(folder)])
    await usable(path, 'file', dirname(folder), logger);
  for (const name of ['opening', 'damaged']) await usable(join(folder, name), 'folder', folder, logger);
  for (const name of ['id', 'sentinel', 'ballast']) await usable(join(folder, name), 'file', folder, logger);
  const db = join(folder, 'db');
  await usable(db, 'folder', folder, logger);
  for (const name of (await readdir(db).catch(absent)) ?? [])
    if (name !== REPAIRED) await usable(join(db, name), 'file', folder, logger);
}

async function usable(path: string, kind: Kind, parent: string, logger: Logger): Promise<void> {
  const fault = await faultOf(path, kind);
  if (fault !== undefined) await moveAside(path, parent, logger, fault);
}

/** To a name of its own in `parent`, for the operator to inspect. */
async function moveAside(path: string, parent: string, logger: Logger, why: string): Promise<void> {
  const at = new Date().toISOString().replace(/[:.]/g, '-');
  const aside = join(parent, `${basename(path)}.damaged-${at}`);
  await rename(path, aside);
  logger.error({ path, aside, error: why }, 'spool: unusable file moved aside');
}

/** Undefined where there is nothing of this name, too. */
async function faultOf(path: string, kind: Kind): Promise<string | undefined> {
  try {
    if ((await lstat(path).catch(absent)) === undefined) return undefined;
    const found = await stat(path);
    if (kind === 'folder' ? !found.isDirectory() : !found.isFile()) return `it is no ${kind}`;
    const needs = NEEDS[kind];
    await access(path, needs.access).catch(async () => {
      await chmod(path, needs.mode);
      await access(path, needs.access);
    });
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (DAMAGE.includes(code)) return messageOf(error);
    throw RIGHTS.includes(code) ? noRights(path, error) : error;
  }
}

const noRights = (path: string, cause: unknown) =>
  new FieldwatchError(`this user may not use ${path} of the spool: ${messageOf(cause)}`, {
    code: 'SPOOL_RIGHTS',
    kind: 'config',
    cause,
    remedy: `Start the daemon as the owner of ${path}, or give state_dir with all that is in it to the user of the daemon (chown -R); nothing was moved.`,
  });

function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  return undefined;
}
