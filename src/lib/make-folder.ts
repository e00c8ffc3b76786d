import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Creates a folder and its missing parents, each with this mode whatever the umask is; an existing one stays as it
 * is. Throws the error of mkdir(2). Not mkdir's own `recursive`: on a file system that creates no folders (/proc)
 * Node retries forever.
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
