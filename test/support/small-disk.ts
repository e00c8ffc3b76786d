import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TMPFS = ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs'] as const;
const PREFIX = join(tmpdir(), 'fw-disk-');

/** A disk of 16 MB of its own, which can be filled to the last byte. */
export interface SmallDisk {
  readonly folder: string;
  /** Writes until the disk has not one byte left. */
  fill(): Promise<void>;
  /** Takes that away again. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** How a disk can be mounted here: by root, or by any user in a namespace of its own; undefined where neither may. */
export function mountedBy(): 'root' | 'namespace' | undefined {
  const point = mkdtempSync(PREFIX);
  try {
    if (spawnSync('mount', [...TMPFS, point]).status === 0) {
      spawnSync('umount', [point]);
      return 'root';
    }
    return spawnSync('unshare', ['-rm', 'mount', ...TMPFS, point]).status === 0 ? 'namespace' : undefined;
  } finally {
    rmdirSync(point);
  }
}

/** Rejects where `mountedBy` gives undefined, or another way than the requested one. */
export async function openSmallDisk(by = mountedBy()): Promise<SmallDisk> {
  const point = await mkdtemp(PREFIX);
  const { folder, unmount } = by === 'root' ? mountHere(point) : await mountAside(point);
  const brim = join(folder, 'brim');
  return {
    folder,
    async fill() {
      const file = await open(brim, 'a');
      for (let size = 65_536; size >= 1; size /= 16) while (await wrote(file, size));
      await file.close();
    },
    clear: () => rm(brim, { force: true }),
    async close() {
      await unmount();
      await rm(point, { recursive: true, force: true });
    },
  };
}

interface Mounted {
  readonly folder: string;
  readonly unmount: () => unknown;
}

function mountHere(point: string): Mounted {
  const { status, stderr } = spawnSync('mount', [...TMPFS, point]);
  if (status !== 0) throw new Error(`cannot mount a disk: ${String(stderr)}`);
  return { folder: point, unmount: () => spawnSync('umount', [point]) };
}

/** A process in a namespace of its own mounts and holds it; others reach it by that process's root. */
async function mountAside(point: string): Promise<Mounted> {
  const script = `mount ${TMPFS.join(' ')} "$0" && echo mounted && exec cat`;
  const holder = spawn('unshare', ['-rm', 'sh', '-c', script, point], { stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = once(holder, 'exit');
  const first = await Promise.race([once(holder.stdout, 'data'), ended]);
  if (!String(first[0]).startsWith('mounted')) throw new Error('cannot mount a disk in a namespace');
  return {
    folder: `/proc/${holder.pid}/root${point}`,
    // It also ends by itself with the process that started it, whose pipe it reads.
    unmount: async () => {
      holder.kill('SIGKILL');
      await ended;
    },
  };
}

async function wrote(file: FileHandle, size: number): Promise<boolean> {
  return file.write(Buffer.alloc(size)).then(
    ({ bytesWritten }) => bytesWritten === size,
    () => false,
  );
}
