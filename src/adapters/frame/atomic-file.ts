import type { Stats } from 'node:fs';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import { renameDurably } from '../../lib/durable-files.ts';

/** Name of a file until it is complete. A later attempt writes over it. */
export const partialName = (path: string): string => `${path}.partial`;

/** A file that is there in full or not at all: written aside, fsynced, renamed. Rejects with EXPORT_IO. */
export class AtomicFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #own: Stats;
  bytes = 0;

  private constructor(path: string, handle: FileHandle, own: Stats) {
    this.#path = path;
    this.#handle = handle;
    this.#own = own;
  }

  /** A file begun by another writer of the same path is not written over: its `commit` finds another file there, and fails. */
  static async create(path: string): Promise<AtomicFile> {
    return guarded(path, async () => {
      await refuseSpecial(path);
      await rm(partialName(path), { force: true });
      const handle = await open(partialName(path), 'wx');
      return new AtomicFile(path, handle, await handle.stat());
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    // Writes all of it, at the end of what is there.
    await guarded(this.#path, () => this.#handle.writeFile(bytes));
    this.bytes += bytes.length;
  }

  /** Gives it its name. */
  async commit(): Promise<void> {
    await guarded(this.#path, async () => {
      await this.#handle.sync();
      if (!(await this.#isOwn())) throw new Error(`another export writes ${partialName(this.#path)}`);
      await this.#handle.close();
      await renameDurably(partialName(this.#path), this.#path);
    });
  }

  /** Leaves nothing behind. Never rejects. */
  async discard(): Promise<void> {
    const own = await this.#isOwn();
    await this.#handle.close().catch(() => undefined);
    if (own) await rm(partialName(this.#path), { force: true }).catch(() => undefined);
  }

  async #isOwn(): Promise<boolean> {
    const there = await stat(partialName(this.#path)).catch(() => undefined);
    return there?.ino === this.#own.ino && there.dev === this.#own.dev;
  }
}

/** A rename would put a file in place of a device or a pipe. */
async function refuseSpecial(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined && !found.isFile())
    throw new Error('it is no file; a pipe or device is written through standard output');
}

async function guarded<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new FieldwatchError(`export: cannot write ${path}: ${messageOf(cause)}`, {
      code: 'EXPORT_IO',
      kind: 'transient',
      cause,
      remedy:
        code === 'ENOSPC' || code === 'EDQUOT'
          ? 'Make room on its disk, or choose another one with -o. Nothing incomplete is left there.'
          : 'Check the path, and that this user may write there.',
    });
  }
}
