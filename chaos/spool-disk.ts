import { mkdir, symlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type SmallDisk, mountedBy, openSmallDisk } from '../test/support/small-disk.ts';

/**
 * A disk of its own for the spool, which can be filled to the last byte. Undefined where none can be mounted: then the
 * spool lies on the disk of the run.
 */
export async function openSpoolDisk(folder: string): Promise<SmallDisk | undefined> {
  const by = mountedBy();
  if (by === undefined) return undefined;
  const disk = await openSmallDisk(by);
  await mkdir(dirname(folder), { recursive: true });
  await symlink(disk.folder, folder);
  return disk;
}
