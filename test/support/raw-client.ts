import { createRequire } from 'node:module';
import { type Socket, connect } from 'node:net';

/** The driver's SCRAM, which has no types. */
interface Sasl {
  startSession(mechanisms: readonly string[]): { readonly mechanism: string; readonly response: string };
  continueSession(session: object, password: string, serverData: string): Promise<void>;
  finalizeSession(session: object, serverData: string): void;
}
const sasl = createRequire(import.meta.url)('pg/lib/crypto/sasl.js') as Sasl;

/** What came back up to some message. */
export interface Answer {
  /** The message types in order, without notices and parameter reports. */
  readonly types: string;
  readonly rows: (string | null)[][];
  /** The fields of the first error, by their letter. */
  readonly error: Map<string, string> | undefined;
  /** Transaction status of ReadyForQuery. */
  readonly status: string | undefined;
}

/** A PostgreSQL client that sends exactly the given messages: half a pipeline, a lone Flush, a broken COPY. */
export class RawClient {
  readonly socket: Socket;
  readonly parameters = new Map<string, string>();
  pid = 0;
  secret = 0;
  private buffer: Buffer = Buffer.alloc(0);
  private messages: { type: string; body: Buffer }[] = [];
  private wake: () => void = () => {};
  private closed = false;
  private lastBody: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => this.receive(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.wake();
    });
  }

  static async connect(url: string, parameters: Record<string, string> = {}): Promise<RawClient> {
    const { hostname, port, username, pathname } = new URL(url);
    const client = new RawClient(connect(Number(port), hostname));
    const all = { user: username, database: pathname.slice(1), ...parameters };
    const body = Buffer.from(`${Object.entries(all).flat().join('\0')}\0\0`);
    client.socket.write(Buffer.concat([int32(body.length + 8), int32(196608), body]));
    await client.logIn(decodeURIComponent(new URL(url).password));
    await client.untilReady();
    return client;
  }

  /** SCRAM-SHA-256. */
  private async logIn(password: string): Promise<void> {
    const next = async () => {
      await this.until('R');
      return this.lastBody;
    };
    await next();
    const session = sasl.startSession(['SCRAM-SHA-256']);
    const first = Buffer.from(session.response);
    this.send([message('p', `${session.mechanism}\0`, int32(first.length), first)]);
    await sasl.continueSession(session, password, (await next()).toString('utf8', 4));
    this.send([message('p', session.response)]);
    sasl.finalizeSession(session, (await next()).toString('utf8', 4));
  }

  parse = (name: string, sql: string) => [message('P', `${name}\0${sql}\0`, int16(0))];
  bind = (portal: string, name: string, values: string[] = []) => {
    const parameters = values.flatMap((value) => [int32(Buffer.byteLength(value)), Buffer.from(value)]);
    return [message('B', `${portal}\0${name}\0`, int16(0), int16(values.length), ...parameters, int16(0))];
  };
  execute = (portal: string, rows = 0) => [message('E', `${portal}\0`, int32(rows))];
  sync = () => [message('S')];
  flush = () => [message('H')];
  query = (sql: string) => [message('Q', `${sql}\0`)];
  copyData = (data: string | Buffer) => [message('d', data)];
  copyDone = () => [message('c')];
  copyFail = (reason: string) => [message('f', `${reason}\0`)];

  send(messages: Buffer[]): void {
    this.socket.write(Buffer.concat(messages));
  }

  async simple(sql: string): Promise<Answer> {
    this.send(this.query(sql));
    return this.untilReady();
  }

  untilReady = () => this.until('Z');

  /** Everything up to and including the first message of this type. */
  async until(type: string): Promise<Answer> {
    for (;;) {
      const end = this.messages.findIndex((one) => one.type === type);
      if (end >= 0) {
        this.lastBody = this.messages[end]!.body;
        return this.summarise(this.messages.splice(0, end + 1));
      }
      if (this.closed)
        throw new Error(`connection closed before ${type}; got ${this.summarise(this.messages).types}`);
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  async untilClosed(): Promise<Answer> {
    while (!this.closed) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.summarise(this.messages);
  }

  /** Ends the connection without Terminate. */
  destroy(): void {
    this.socket.destroy();
  }

  private receive(chunk: Buffer): void {
    this.buffer = this.buffer.length === 0 ? chunk : Buffer.concat([this.buffer, chunk]);
    while (this.buffer.length >= 5 && this.buffer.length > this.buffer.readInt32BE(1)) {
      const end = 1 + this.buffer.readInt32BE(1);
      this.take(String.fromCharCode(this.buffer[0]!), this.buffer.subarray(5, end));
      this.buffer = this.buffer.subarray(end);
    }
    this.wake();
  }

  private take(type: string, body: Buffer): void {
    if (type === 'S') {
      const [name, value] = body.toString().split('\0');
      this.parameters.set(name!, value!);
    } else if (type === 'K') {
      this.pid = body.readInt32BE(0);
      this.secret = body.readInt32BE(4);
    } else if (type !== 'N') {
      this.messages.push({ type, body });
    }
  }

  private summarise(messages: readonly { type: string; body: Buffer }[]): Answer {
    const error = messages.find((one) => one.type === 'E');
    const last = messages.at(-1);
    return {
      // A run of rows counts once.
      types: messages
        .map((one) => one.type)
        .join('')
        .replace(/D+/g, 'D'),
      rows: messages.filter((one) => one.type === 'D').map((one) => row(one.body)),
      error:
        error &&
        new Map(
          error.body
            .toString()
            .split('\0')
            .filter(Boolean)
            .map((f) => [f[0]!, f.slice(1)]),
        ),
      status: last?.type === 'Z' ? last.body.toString() : undefined,
    };
  }
}

function row(body: Buffer): (string | null)[] {
  const cells: (string | null)[] = [];
  let at = 2;
  for (let left = body.readInt16BE(0); left > 0; left--) {
    const length = body.readInt32BE(at);
    cells.push(length < 0 ? null : body.toString('utf8', at + 4, at + 4 + length));
    at += 4 + Math.max(0, length);
  }
  return cells;
}

function message(type: string, ...parts: (string | Buffer)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}
function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}
function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
