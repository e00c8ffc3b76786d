import { type FileHandle, open, stat } from 'node:fs/promises';
import { createSystemClock } from '../../adapters/system/clock.ts';
import { FieldwatchError } from '../../core/errors.ts';
import { sleep } from '../../lib/sleep.ts';

export interface FollowOptions {
  /** Lines of the present file to begin with. */
  readonly lines: number;
  /** False: ends after those. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
  readonly pollMs?: number;
}

const CHUNK = 64 * 1024;
/** The last lines are looked for in this much of the file's end. */
const TAIL_BYTES = 4 * 1024 * 1024;
const NEWLINE = 10;

/**
 * Lines of a log as they are written, across rotation by renaming (the rest of the old file is read first) and by
 * truncation. A file that is not there yet, or for a moment, is waited for.
 */
export async function* followFile(path: string, options: FollowOptions): AsyncGenerator<string> {
  const { follow, signal, pollMs = 250 } = options;
  const clock = createSystemClock();
  let reader: LineReader | undefined;
  let first = true;
  try {
    while (!signal.aborted) {
      reader ??= await LineReader.open(path, first ? options.lines : Infinity);
      if (reader === undefined && !follow) throw missing(path);
      first = false;
      if (reader !== undefined) {
        // Looked at before reading: what is written between the look and a rename is still read from the old file.
        const replaced = await reader.isReplaced(path);
        yield* await reader.newLines();
        if (replaced) {
          await reader.close();
          reader = undefined;
          continue;
        }
      }
      if (!follow) return;
      await sleep(clock, pollMs, signal);
    }
  } finally {
    await reader?.close();
  }
}

const missing = (path: string) =>
  new FieldwatchError(`${path}: no such file`, {
    code: 'LOG_NOT_FOUND',
    kind: 'config',
    remedy: 'set log.alert_log in the configuration of the daemon, or wait for the file with --follow',
  });

class LineReader {
  readonly #file: FileHandle;
  readonly #identity: string;
  /** Lines that were read when the file was opened. */
  #held: readonly string[] = [];
  #offset = 0;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(file: FileHandle, identity: string) {
    this.#file = file;
    this.#identity = identity;
  }

  /** Begins with the last `lines` lines; undefined while there is no such file. */
  static async open(path: string, lines: number): Promise<LineReader | undefined> {
    const file = await open(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (file === undefined) return undefined;
    const { dev, ino, size } = await file.stat();
    const reader = new LineReader(file, `${dev}:${ino}`);
    if (Number.isFinite(lines)) {
      reader.#offset = Math.max(0, size - TAIL_BYTES);
      const held = await reader.#read();
      reader.#held = held.slice(Math.max(0, held.length - lines));
    }
    return reader;
  }

  async isReplaced(path: string): Promise<boolean> {
    const now = await stat(path).catch(() => undefined);
    return now !== undefined && `${now.dev}:${now.ino}` !== this.#identity;
  }

  /** Whole lines since the last call; a line without its end waits for it. */
  async newLines(): Promise<readonly string[]> {
    const held = this.#held;
    this.#held = [];
    return [...held, ...(await this.#read())];
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #read(): Promise<readonly string[]> {
    const { size } = await this.#file.stat();
    // Shorter than what was read: truncated in place, as logrotate's copytruncate does.
    if (size < this.#offset) [this.#offset, this.#rest] = [0, Buffer.alloc(0)];
    const lines: string[] = [];
    for (;;) {
      const { bytesRead, buffer } = await this.#file.read(Buffer.alloc(CHUNK), 0, CHUNK, this.#offset);
      if (bytesRead === 0) return lines;
      this.#offset += bytesRead;
      const text = Buffer.concat([this.#rest, buffer.subarray(0, bytesRead)]);
      const end = text.lastIndexOf(NEWLINE);
      this.#rest = text.subarray(end + 1);
      if (end >= 0) lines.push(...text.subarray(0, end).toString('utf8').split('\n'));
    }
  }
}
