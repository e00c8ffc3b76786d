import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A crash leaves the old file or the new one: write aside, fsync, rename, fsync the folder. */
export async function writeAtomically(path: string, text: string): Promise<void> {
  const aside = `${path}.tmp`;
  const file = await open(aside, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await renameDurably(aside, path);
}

/** A crash leaves the one name or the other. What was written to the file is on disk already. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}

/** Puts the names in a folder on disk for good: the fsync of a new file does not promise its name. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
