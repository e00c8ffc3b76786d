import { open, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Room on the disk. LevelDB needs some to start and to clear up, also when the disk is full: a ballast file keeps it,
 * and is given up for that. No more is appended than leaves as much again free.
 */
export const LEVEL_RESERVE_BYTES = 3 * 1024 ** 2;
const BALLAST = 'ballast';

export class DiskReserve {
  private readonly folder: string;
  private held = false;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** True when `bytes` more leave a reserve. Recreates the reserve file where there is room for it. */
  async has(bytes: number): Promise<boolean> {
    if (!this.held) await this.hold();
    return this.held && (await this.freeBytes()) >= bytes + LEVEL_RESERVE_BYTES;
  }

  /** Makes room for LevelDB itself. */
  async release(): Promise<void> {
    this.held = false;
    await rm(this.path, { force: true });
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.folder);
    return bavail * bsize;
  }

  private get path(): string {
    return join(this.folder, BALLAST);
  }

  private async hold(): Promise<void> {
    const found = await stat(this.path).catch(() => undefined);
    if (found?.size === LEVEL_RESERVE_BYTES) this.held = true;
    else if ((await this.freeBytes()) >= 2 * LEVEL_RESERVE_BYTES) this.held = await this.write();
  }

  /** Written, not only sized: a sparse file would keep nothing. */
  private async write(): Promise<boolean> {
    try {
      const file = await open(this.path, 'w', 0o600);
      try {
        // Not zeros: a file system that compresses would keep nothing of them. And not one `write`, which may end half-way
        // without an error.
        await file.writeFile(noise(LEVEL_RESERVE_BYTES));
        await file.sync();
      } finally {
        await file.close();
      }
      return true;
    } catch {
      await rm(this.path, { force: true }).catch(() => undefined);
      return false;
    }
  }
}

function noise(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  let state = 1;
  for (let at = 0; at + 4 <= bytes; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    buffer.writeUInt32LE(state, at);
  }
  return buffer;
}
