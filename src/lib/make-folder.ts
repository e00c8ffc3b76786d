import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Makes a folder and those above it that are missing, each with this mode whatever the umask is; one that is there stays
 * as it is. Throws what mkdir(2) says. Not mkdir's own `recursive`: where a file system makes no folders (/proc) Node tries
 * that for ever.
 */
export function makeFolder(folder: string, mode: number): void {
  const path = resolve(folder);
  try {
    makeOne(path, mode);
  } catch (error) {
    if (isFolder(path)) return;
    const parent = dirname(path);
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT' && parent !== path;
    if (!missing || isFolder(parent)) throw error;
    makeFolder(parent, mode);
    makeOne(path, mode);
  }
}

function makeOne(path: string, mode: number): void {
  mkdirSync(path, mode);
  chmodSync(path, mode);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
