import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { messageOf } from '../../core/errors.ts';
import { type Diagnosis, areaOf } from './report.ts';

const disk = areaOf('disk');
const GIB = 1024 ** 3;
const WARNING_BYTES = 2 * GIB;
const FAULT_BYTES = GIB / 4;

/** Whether a folder that the daemon writes to has room, and whether we may write there. */
export async function diagnoseFolder(subject: string, folder: string): Promise<Diagnosis> {
  const existing = await nearest(resolve(folder));
  try {
    await access(existing, constants.W_OK);
    const { bavail, bsize } = await statfs(existing);
    return checkSpace(subject, folder, bavail * bsize);
  } catch (error) {
    return disk.fault({
      subject,
      detail: `${folder}: ${messageOf(error)}`,
      remedy: 'give the user of the daemon write access to the folder, or name another in the configuration',
    });
  }
}

export function checkSpace(subject: string, folder: string, freeBytes: number): Diagnosis {
  const detail = `${folder}: ${(freeBytes / GIB).toFixed(1)} GiB free`;
  const remedy = 'make room, shorten the retention of the policies, or move the folder';
  if (freeBytes < FAULT_BYTES) return disk.fault({ subject, detail, remedy });
  return freeBytes < WARNING_BYTES ? disk.warning({ subject, detail, remedy }) : disk.ok(subject, detail);
}

/** The folder itself, or the nearest above it that exists: there it would be made. */
async function nearest(folder: string): Promise<string> {
  for (let path = folder; ; path = dirname(path)) {
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (there || path === dirname(path)) return path;
  }
}
