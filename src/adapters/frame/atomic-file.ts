import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import { syncFolder } from '../../lib/durable-files.ts';

/** What a file is called until it is complete. A later attempt writes over it. */
export const partialName = (path: string): string => `${path}.partial`;

/** A file that is there in full or not at all: written aside, fsynced, renamed. Rejects with EXPORT_IO. */
export class AtomicFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  bytes = 0;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  static async create(path: string): Promise<AtomicFile> {
    return new AtomicFile(path, await guarded(path, () => open(partialName(path), 'w')));
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
      await this.#handle.close();
      await rename(partialName(this.#path), this.#path);
      await syncFolder(dirname(this.#path));
    });
  }

  /** Leaves nothing behind. Never rejects. */
  async discard(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    await rm(partialName(this.#path), { force: true }).catch(() => undefined);
  }
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
