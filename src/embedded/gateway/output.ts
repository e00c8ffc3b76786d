import type { TransactionStatus } from './backend.ts';

const TYPE = { Z: 0x5a, E: 0x45, N: 0x4e, G: 0x47, K: 0x4b, R: 0x52, A: 0x41 } as const;

export interface EngineOutput {
  /** Messages for the client, in order; without ReadyForQuery, which the session sends. */
  chunks: Buffer[];
  bytes: number;
  /** From the last ReadyForQuery; null when the engine did not reach one (no Sync yet). */
  status: TransactionStatus | null;
  /** SQLSTATE of the first error. */
  errorCode: string | null;
  /** The engine's CopyInResponse; never forwarded, the client got its own before it sent the data. */
  copyIn: Buffer | null;
  /** The result grew past the limit and the rest was thrown away. */
  overflow: boolean;
}

/** Handles the engine's output message by message while it runs: keeps, drops or records. */
export class OutputCollector {
  private readonly maxBytes: number;
  private slab = Buffer.alloc(0);
  private used = 0;
  private pending: Buffer | null = null;
  private out: EngineOutput = OutputCollector.empty();

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  private static empty(): EngineOutput {
    return { chunks: [], bytes: 0, status: null, errorCode: null, copyIn: null, overflow: false };
  }

  take(): EngineOutput {
    this.cutSlab();
    const out = this.out;
    this.out = OutputCollector.empty();
    this.pending = null;
    return out;
  }

  /** `view` is the engine's memory and valid only during this call. */
  write(view: Uint8Array): void {
    let data = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
    if (this.pending !== null) {
      data = Buffer.concat([this.pending, data]);
      this.pending = null;
    }
    let at = 0;
    while (data.length - at >= 5) {
      const end = at + 1 + data.readInt32BE(at + 1);
      if (end > data.length) break;
      if (this.sort(data[at]!, data, at, end)) this.keep(data, at, end);
      at = end;
    }
    if (at < data.length) this.pending = Buffer.from(data.subarray(at));
  }

  private sort(type: number, data: Buffer, at: number, end: number): boolean {
    switch (type) {
      case TYPE.Z:
        this.out.status = String.fromCharCode(data[at + 5]!) as TransactionStatus;
        return false;
      case TYPE.E:
        this.out.errorCode ??= field(data, at + 5, end, 'C') ?? 'XX000';
        return true;
      case TYPE.N:
        return !isEngineChatter(data, at + 5, end);
      case TYPE.G:
        this.out.copyIn = Buffer.from(data.subarray(at, end));
        return false;
      case TYPE.K:
      case TYPE.R:
      case TYPE.A: // one session: a notification would reach an arbitrary connection
        return false;
      default:
        return true;
    }
  }

  private keep(data: Buffer, at: number, end: number): void {
    const length = end - at;
    if (this.out.bytes + length > this.maxBytes) {
      this.out.overflow = true;
      this.out.chunks = [];
      this.used = 0;
      return;
    }
    if (this.slab.length - this.used < length) {
      this.cutSlab();
      this.slab = Buffer.allocUnsafeSlow(Math.max(length, this.out.bytes < 65536 ? 16384 : 1 << 20));
      this.used = 0;
    }
    data.copy(this.slab, this.used, at, end);
    this.used += length;
    this.out.bytes += length;
  }

  /** Moves what was written to the list; the rest of the slab serves the next result. */
  private cutSlab(): void {
    if (this.used === 0) return;
    this.out.chunks.push(this.slab.subarray(0, this.used));
    this.slab = this.slab.subarray(this.used);
    this.used = 0;
  }
}

/** One field of an ErrorResponse or NoticeResponse body. */
export function field(data: Buffer, from: number, end: number, letter: string): string | undefined {
  let at = from;
  while (at < end && data[at] !== 0) {
    const zero = data.indexOf(0, at + 1);
    if (zero < 0) return undefined;
    if (data[at] === letter.charCodeAt(0)) return data.toString('utf8', at + 1, zero);
    at = zero + 1;
  }
  return undefined;
}

/** PGlite's own traces ("# 1743: aborting transaction …" as WARNING) and debug output are not for clients. */
function isEngineChatter(data: Buffer, from: number, end: number): boolean {
  if (field(data, from, end, 'V')?.startsWith('DEBUG') === true) return true;
  return field(data, from, end, 'M')?.startsWith('# ') === true;
}
