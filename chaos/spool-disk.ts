import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';

const SIZE = '16m';

/** A disk of its own for the spool, which can be filled to the last byte. Mounting takes root on Linux. */
export class SpoolDisk {
  /** False where it could not be mounted: then the spool lies on the disk of the run. */
  readonly mounted: boolean;
  private readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', folder]).status === 0;
  }

  async fill(): Promise<void> {
    const file = await open(this.brim, 'a');
    try {
      for (let size = 65_536; size >= 1; size /= 16) while (await wrote(file, size));
    } finally {
      await file.close();
    }
  }

  async clear(): Promise<void> {
    await rm(this.brim, { force: true });
  }

  close(): void {
    if (this.mounted) spawnSync('umount', [this.folder]);
  }

  private get brim(): string {
    return join(this.folder, 'brim');
  }
}

async function wrote(file: Awaited<ReturnType<typeof open>>, size: number): Promise<boolean> {
  try {
    return (await file.write(Buffer.alloc(size))).bytesWritten === size;
  } catch {
    return false;
  }
}
