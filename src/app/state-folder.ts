import { chmodSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { FieldwatchError, messageOf } from '../core/errors.ts';
import { makeFolder } from '../lib/make-folder.ts';
import type { Logger } from '../ports/metrics.ts';

/** The files that fieldwatch keeps there; anything else in the folder is not touched. */
const OWN_ENTRIES: readonly string[] = [
  'spool',
  'spool.sentinel',
  'spool.clocks',
  'subscriptions.json',
  'imports',
];
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
const OTHERS_BITS = 0o077;

/**
 * The folder of `state_dir`, for this user alone: it holds messages and readings. Created if missing; one that an earlier
 * version left open to others is restricted. Throws a fault of the configuration.
 */
export function makeStateFolder(folder: string, logger: Pick<Logger, 'warn'>): void {
  try {
    makeFolder(folder, FOLDER_MODE);
  } catch (error) {
    throw new FieldwatchError(`cannot create the folder ${folder}: ${messageOf(error)}`, {
      code: 'STATE_DIR',
      kind: 'config',
      remedy: 'give this user the right to write there, or name another folder with state_dir',
      cause: error,
    });
  }
  try {
    const entries = readdirSync(folder);
    for (const entry of entries.filter((name) => OWN_ENTRIES.includes(name)))
      restrictAll(join(folder, entry));
    // A folder that is shared with others (`state_dir: /tmp`) is not ours to restrict.
    if (entries.every((name) => OWN_ENTRIES.includes(name))) restrict(folder);
  } catch (error) {
    logger.warn({ state_dir: folder, error: messageOf(error) }, 'state_dir is open to other users');
  }
}

function restrictAll(path: string): void {
  if (!restrict(path)) return;
  for (const entry of readdirSync(path)) restrictAll(join(path, entry));
}

/** Removes the rights of all others. @returns whether it is a folder. */
function restrict(path: string): boolean {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return false;
  const mode = stat.isDirectory() ? FOLDER_MODE : FILE_MODE;
  if ((stat.mode & OTHERS_BITS) !== 0) chmodSync(path, mode);
  return stat.isDirectory();
}
