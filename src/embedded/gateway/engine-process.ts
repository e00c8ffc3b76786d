import { closeSync, fsyncSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { copyFail } from './backend.ts';
import { type EngineOutput, OutputCollector } from './output.ts';

/**
 * The one PostgreSQL session inside the WebAssembly module, driven with raw protocol messages.
 *
 * Below PGlite's JavaScript API on purpose: that API parses every result a second time, keeps one growing buffer, and
 * cannot run COPY FROM STDIN. The module reads its input through a callback; when the COPY statement and *all* of its
 * CopyData up to CopyDone are there, the backend's own COPY works: text, csv and binary, errors with their line. What
 * kills the module is a read with nothing left to read; the callback answers that with CopyFail instead.
 *
 * The package is pinned to an exact version; test/integration/embedded guards each of these uses.
 */
export interface EngineModule {
  readonly HEAPU8: Uint8Array;
  addFunction(callback: (pointer: number, length: number) => number, signature: string): number;
  _set_read_write_cbs(read: number, write: number): void;
  _interactive_one(length: number, firstByte: number): void;
  _pgl_shutdown(): void;
  readonly FS: {
    quit(): void;
    unlink(path: string): void;
    mkdir(path: string): void;
    getStream(fd: number): FsStream | null;
    readonly filesystems: { readonly NODEFS: NodeFs };
  };
}
interface FsStream {
  readonly nfd?: number;
  readonly node: { readonly mount: { readonly type: unknown } };
}
interface NodeFs {
  realPath(node: unknown): string;
  stream_ops: { fsync?: (stream: FsStream) => number };
}
/** The object that PGlite passes through its extensions to the module (the parts used here). */
export interface ModuleOptions {
  preRun?: ((module: EngineModule) => void)[];
  instantiateWasm: (imports: { env: Record<string, unknown> }, done: unknown) => unknown;
}

export interface EngineResult extends EngineOutput {
  /** The statement asked for COPY data that was not there. */
  readonly starved: boolean;
}

/** Emscripten's EIO: PostgreSQL then panics and recovers from its log, instead of believing in a lost write. */
const EIO = 29;
const BLOB_DEVICE = '/dev/blob';
const READ_RAN_DRY = 'the gateway did not expect this statement to read from the client';

/**
 * The NODEFS of this build has no fsync at all and its fdatasync does nothing, so a commit survives the death of the
 * process but not a power failure. This "extension" gives it both.
 */
export const durability = {
  name: 'durability',
  setup: async (_pg: unknown, options: ModuleOptions) => {
    let module: EngineModule | undefined;
    const fsync = (stream: FsStream): number => {
      const nodefs = module!.FS.filesystems.NODEFS;
      if (stream.node.mount.type !== nodefs) return 0;
      try {
        if (stream.nfd === undefined) syncFolder(nodefs.realPath(stream.node));
        else fsyncSync(stream.nfd);
        return 0;
      } catch {
        return EIO;
      }
    };
    const fdatasync = (fd: number): number => {
      const stream = module?.FS.getStream(fd);
      return stream === null || stream === undefined ? 0 : -fsync(stream);
    };
    const { instantiateWasm } = options;
    return {
      emscriptenOpts: {
        ...options,
        instantiateWasm: (imports: { env: Record<string, unknown> }, done: unknown) => {
          imports.env['__syscall_fdatasync'] = fdatasync;
          return instantiateWasm(imports, done);
        },
        preRun: [
          ...(options.preRun ?? []),
          (running: EngineModule) => {
            module = running;
            running.FS.filesystems.NODEFS.stream_ops.fsync = fsync;
          },
        ],
      },
    };
  },
};

function syncFolder(path: string): void {
  const fd = openSync(join(path), 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * PGlite's own API passes data through this device; without that API a read of it kills the module, and what is written
 * to it stays in memory. A folder in its place is refused by the engine itself, whichever statement names it.
 */
function closeBlobDevice({ FS }: EngineModule): void {
  FS.unlink(BLOB_DEVICE);
  FS.mkdir(BLOB_DEVICE);
}

export class EngineProcess {
  private readonly module: EngineModule;
  private readonly output: OutputCollector;
  private input: readonly Buffer[] = [];
  private chunk = 0;
  private offset = 0;
  private starved = false;

  /** Takes over the module's input and output from PGlite's own API, which must not be used afterwards. */
  constructor(module: EngineModule, maxResultBytes: number) {
    this.module = module;
    this.output = new OutputCollector(maxResultBytes);
    closeBlobDevice(module);
    const read = module.addFunction((pointer, max) => this.read(pointer, max), 'iii');
    const write = module.addFunction((pointer, length) => this.write(pointer, length), 'iii');
    module._set_read_write_cbs(read, write);
  }

  /**
   * Runs complete frontend messages. Synchronous: the module cannot be interrupted.
   * @throws whatever killed the module; it is unusable then and the process has to end.
   */
  run(messages: readonly Buffer[]): EngineResult {
    this.input = messages;
    this.chunk = 0;
    this.offset = 0;
    this.starved = false;
    let left = 0;
    for (const message of messages) left += message.length;
    // One call stops early when a message ends exactly at the end of the backend's 8 KiB receive buffer.
    while (this.chunk < this.input.length) {
      this.module._interactive_one(left, this.input[this.chunk]![this.offset]!);
    }
    this.input = [];
    return { ...this.output.take(), starved: this.starved };
  }

  /** Clean end with a checkpoint. */
  close(): void {
    this.module._pgl_shutdown();
    this.module.FS.quit();
  }

  private read(pointer: number, max: number): number {
    const memory = this.module.HEAPU8;
    let filled = 0;
    while (filled < max) {
      const source = this.input[this.chunk];
      if (source === undefined) break;
      const count = Math.min(max - filled, source.length - this.offset);
      memory.set(source.subarray(this.offset, this.offset + count), pointer + filled);
      filled += count;
      this.offset += count;
      if (this.offset === source.length) {
        this.chunk++;
        this.offset = 0;
      }
    }
    return filled > 0 ? filled : this.readStarved(memory, pointer);
  }

  /** A read of nothing would end the module ("unexpected EOF"): COPY FROM STDIN that was not recognised ends here. */
  private readStarved(memory: Uint8Array, pointer: number): number {
    const message = copyFail(READ_RAN_DRY);
    memory.set(message, pointer);
    this.starved = true;
    return message.length;
  }

  private write(pointer: number, length: number): number {
    this.output.write(this.module.HEAPU8.subarray(pointer, pointer + length));
    return length;
  }
}
