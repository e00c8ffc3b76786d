import { fstatSync, writeSync } from 'node:fs';

/** Bytes that wait for a reader that has stopped; a line takes some 200 bytes. */
const MAX_WAITING_BYTES = 1024 * 1024;

export interface LogTargetOptions {
  /** Once for each line that is lost. */
  readonly onDrop?: (() => void) | undefined;
  /** The line that says how many were lost, once the target accepts lines again. */
  readonly gapLine: (dropped: number) => string;
}

type Stderr = typeof process.stderr & {
  readonly _handle?: { setBlocking?: (on: boolean) => void } | null;
};

/**
 * Standard error as a target of the log that cannot stop the process. A line leaves at once while the reader keeps up:
 * the lines before a crash are the ones that matter. Behind a reader that has stopped (a full pipe, a terminal after
 * Ctrl-S) up to 1 MiB waits, and further lines are dropped and counted, as they are at a disk that is full.
 */
export class LogTarget {
  readonly #options: LogTargetOptions;
  readonly #stream: Stderr = process.stderr;
  readonly #isStream = isStream(process.stderr.fd);
  #dropped = 0;

  constructor(options: LogTargetOptions) {
    this.#options = options;
    // Node makes writes to a terminal wait. Where the handle has another name they still do.
    if (this.#stream.isTTY) this.#stream._handle?.setBlocking?.(false);
    // A reader that is gone counts as stopped.
    this.#stream.on('error', () => undefined);
  }

  write(line: string): void {
    // Not for a single line's room: every second line would be a gap.
    const room = this.#dropped > 0 ? MAX_WAITING_BYTES / 2 : MAX_WAITING_BYTES;
    if (this.#stream.writableLength > room || !this.#closeGap() || !this.#put(line)) this.#drop();
  }

  #closeGap(): boolean {
    if (this.#dropped === 0) return true;
    if (!this.#put(this.#options.gapLine(this.#dropped))) return false;
    this.#dropped = 0;
    return true;
  }

  #put(line: string): boolean {
    if (this.#isStream) {
      this.#stream.write(line);
      return true;
    }
    try {
      writeSync(this.#stream.fd, line);
      return true;
    } catch {
      return false;
    }
  }

  #drop(): void {
    this.#dropped += 1;
    this.#options.onDrop?.();
  }
}

/** A terminal, pipe or socket, which may have a reader; anything else is written as a file. */
function isStream(fd: number): boolean {
  const stat = fstatSync(fd);
  return process.stderr.isTTY || stat.isFIFO() || stat.isSocket();
}
