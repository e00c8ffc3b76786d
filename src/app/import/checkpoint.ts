import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { writeAtomically } from '../../lib/durable-files.ts';

const EVERY_MS = 1000;

/**
 * How far the import of a file has come, in `state_dir`: of this file as it is now, with these columns, into this database. Rows
 * beyond it may be stored, too: they are found to be duplicates.
 */
export class Checkpoint {
  readonly #path: string;
  readonly #file: string;
  #writtenMs = -Infinity;
  #row = 0;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, file: string) {
    this.#path = path;
    this.#file = file;
  }

  static async of(
    stateDir: string,
    file: string,
    what: { readonly database: string; readonly options: unknown },
  ): Promise<Checkpoint> {
    const { size, mtimeMs } = await stat(file);
    const key = JSON.stringify([resolve(file), size, mtimeMs, what.database, what.options]);
    const name = createHash('sha256').update(key).digest('hex').slice(0, 32);
    const folder = join(stateDir, 'imports');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return new Checkpoint(join(folder, `${name}.json`), file);
  }

  /** The last row that is safe; 0 at the beginning. */
  async read(): Promise<number> {
    try {
      const { row } = JSON.parse(await readFile(this.#path, 'utf8')) as { row?: unknown };
      return typeof row === 'number' && Number.isSafeInteger(row) ? row : 0;
    } catch {
      return 0;
    }
  }

  /** Remembers a row; written now and then. */
  note(row: number): void {
    this.#row = row;
    if (performance.now() - this.#writtenMs < EVERY_MS) return;
    void this.save().catch(() => undefined);
  }

  async save(): Promise<void> {
    if (this.#row === 0) return;
    this.#writtenMs = performance.now();
    const text = `${JSON.stringify({ file: this.#file, row: this.#row })}\n`;
    this.#writing = this.#writing.catch(() => undefined).then(() => writeAtomically(this.#path, text));
    await this.#writing;
  }

  /** The file is imported. */
  async remove(): Promise<void> {
    await this.#writing.catch(() => undefined);
    await rm(this.#path, { force: true });
  }
}
