/**
 * Framing of what a PostgreSQL client sends (protocol 3.0): the startup packets, then typed messages. A message is
 * handed over raw, header included, because nearly all of them go on to the engine unchanged. A message that arrives
 * in one chunk is a view into that chunk; one that is split over chunks is copied once, into a buffer of its own size.
 */

/** Startup packets are a few hundred bytes; PostgreSQL's own limit (MAX_STARTUP_PACKET_LENGTH). */
const MAX_STARTUP_BYTES = 10_000;
/** Limit before authentication (PostgreSQL: PG_MAX_AUTH_TOKEN_LENGTH and the like). */
const MAX_LOGIN_BYTES = 10_000;

export const SSL_REQUEST = 80877103;
export const CANCEL_REQUEST = 80877102;
export const GSSENC_REQUEST = 80877104;

export class FrameError extends Error {}

export interface FrameSink {
  /** One startup packet, without its length word. */
  startup(code: number, body: Buffer): void;
  /** One typed message: type byte, length word, body. */
  message(type: number, raw: Buffer): void;
}

export class FrontendFramer {
  private readonly sink: FrameSink;
  private readonly maxMessageBytes: number;
  private inStartup = true;
  private inLogin = false;
  /** The message being put together, and how much of it is there. */
  private partial: Buffer | null = null;
  private filled = 0;
  /** The first bytes of a header that was cut. */
  private stub: Buffer | null = null;

  constructor(sink: FrameSink, maxMessageBytes: number) {
    this.sink = sink;
    this.maxMessageBytes = maxMessageBytes;
  }

  /** After a complete StartupMessage, typed messages follow; those of the login are short. */
  startupDone(): void {
    this.inStartup = false;
    this.inLogin = true;
  }

  loginDone(): void {
    this.inLogin = false;
  }

  push(chunk: Buffer): void {
    let data = chunk;
    if (this.stub !== null) {
      data = Buffer.concat([this.stub, chunk]);
      this.stub = null;
    }
    let at = 0;
    while (at < data.length) {
      at = this.partial === null ? this.begin(data, at) : this.fill(data, at);
    }
  }

  private begin(data: Buffer, at: number): number {
    const typeBytes = this.inStartup ? 0 : 1;
    if (data.length - at < typeBytes + 4) {
      this.stub = Buffer.from(data.subarray(at));
      return data.length;
    }
    const length = data.readUInt32BE(at + typeBytes);
    const limit = this.inStartup ? MAX_STARTUP_BYTES : this.inLogin ? MAX_LOGIN_BYTES : this.maxMessageBytes;
    if (length < 4 + (this.inStartup ? 4 : 0) || length > limit) {
      throw new FrameError(`invalid message length ${length} (at most ${limit})`);
    }
    const total = length + typeBytes;
    if (data.length - at >= total) {
      this.emit(data.subarray(at, at + total));
      return at + total;
    }
    this.partial = Buffer.allocUnsafeSlow(total);
    this.filled = 0;
    return this.fill(data, at);
  }

  private fill(data: Buffer, at: number): number {
    const partial = this.partial!;
    const count = Math.min(partial.length - this.filled, data.length - at);
    data.copy(partial, this.filled, at, at + count);
    this.filled += count;
    if (this.filled === partial.length) {
      this.partial = null;
      this.emit(partial);
    }
    return at + count;
  }

  private emit(raw: Buffer): void {
    if (this.inStartup) this.sink.startup(raw.readInt32BE(4), raw.subarray(8));
    else this.sink.message(raw[0]!, raw);
  }
}

/** The key/value pairs of a StartupMessage (after the protocol version). */
export function startupParameters(body: Buffer): Map<string, string> {
  const parts = body.toString('utf8').split('\0');
  const parameters = new Map<string, string>();
  for (let i = 0; i + 1 < parts.length && parts[i] !== ''; i += 2) parameters.set(parts[i]!, parts[i + 1]!);
  return parameters;
}

/** `-c name=value` and `--name=value` of the startup parameter `options` (backslash escapes a blank). */
export function startupOptions(options: string): Map<string, string> {
  const words = options.match(/(?:\\.|[^\s\\])+/g)?.map((word) => word.replace(/\\(.)/g, '$1')) ?? [];
  const settings = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const assignment =
      word === '-c'
        ? words[++i]
        : word.startsWith('--')
          ? word.slice(2)
          : word.startsWith('-c')
            ? word.slice(2)
            : undefined;
    const equals = assignment?.indexOf('=') ?? -1;
    if (assignment === undefined || equals < 1)
      throw new FrameError(`invalid command-line argument: ${word}`);
    settings.set(
      assignment.slice(0, equals).replaceAll('-', '_').toLowerCase(),
      assignment.slice(equals + 1),
    );
  }
  return settings;
}
