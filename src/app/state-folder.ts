import { mkdir } from 'node:fs/promises';
import { FieldwatchError, messageOf } from '../core/errors.ts';

/** The folder of `state_dir`, made if it is not there. Rejects with a fault of the configuration. */
export async function makeStateFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw new FieldwatchError(`cannot make the folder ${folder}: ${messageOf(error)}`, {
      code: 'STATE_DIR',
      kind: 'config',
      remedy: 'give this user the right to write there, or name another folder with state_dir',
      cause: error,
    });
  }
}
