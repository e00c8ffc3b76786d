import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomically } from '../../lib/durable-files.ts';

const FILE = 'id';
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/**
 * Names the folder of a spool. The sentinel lies beside the folder and repeats the name, so that it is not applied to another
 * spool: a folder that was emptied, replaced, or moved away and back. Undefined where the folder has no name.
 */
export async function readSpoolId(folder: string): Promise<string | undefined> {
  try {
    const text = await readFile(join(folder, FILE), 'latin1');
    return UUID.test(text) ? text : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}

/** Resolves once it is on disk for good. */
export const writeSpoolId = (folder: string, id: string): Promise<void> =>
  writeAtomically(join(folder, FILE), id);
