import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, createConnection, createServer } from 'node:net';

/** `up`: from the client to the target; `down`: back. */
export type Direction = 'up' | 'down';
/** True for a chunk that shall vanish. */
export type Swallow = (chunk: Buffer, direction: Direction) => boolean;

interface Link {
  readonly client: Socket;
  readonly target: Socket;
  stranded: boolean;
}

/** A fault proxy on loopback, for links that break, stall or lose bytes: between client and broker or database. */
export class TcpProxy {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #links = new Set<Link>();
  readonly #stalled = new Set<Direction>();
  #swallow: Swallow | undefined;
  #refusing = false;
  /** Connections accepted and forwarded, connections refused, bytes that came through or vanished. */
  accepted = 0;
  refused = 0;
  readonly forwardedBytes = { up: 0, down: 0 };
  readonly swallowedBytes = { up: 0, down: 0 };

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
    this.#server = createServer((client) => this.#accept(client));
  }

  /** `port`: where clients look for it already; otherwise a free one. */
  static async start(targetPort: number, targetHost = '127.0.0.1', port = 0): Promise<TcpProxy> {
    const proxy = new TcpProxy({ host: targetHost, port: targetPort });
    proxy.#server.listen(port, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get openLinks(): number {
    return this.#links.size;
  }

  /** Resets every connection, as a router that forgets its table. */
  cut(): void {
    for (const { client, target } of this.#links) {
      client.resetAndDestroy();
      target.resetAndDestroy();
    }
  }

  /** Stops reading: the sender's buffers fill up, and no side notices. Both directions make a half-open link. */
  stall(...directions: Direction[]): void {
    for (const direction of directions.length === 0 ? (['up', 'down'] as const) : directions) {
      this.#stalled.add(direction);
    }
    for (const link of this.#links) this.#applyStall(link);
  }

  /**
   * Leaves the links that are open now half open for ever: nothing passes, and neither side learns of the other's end. New
   * ones are as usual.
   */
  strand(): void {
    for (const link of this.#links) {
      link.stranded = true;
      this.#applyStall(link);
    }
  }

  /** Ends `stall`, `swallow` and `refuse`. */
  resume(): void {
    this.#stalled.clear();
    this.#swallow = undefined;
    this.#refusing = false;
    for (const link of this.#links) this.#applyStall(link);
  }

  /** Reads and discards: one direction, or the chunks that a function picks. */
  swallow(what: Direction | Swallow): void {
    this.#swallow = typeof what === 'function' ? what : (_chunk, direction) => direction === what;
  }

  /** Resets every new connection; those that are open stay. */
  refuse(): void {
    this.#refusing = true;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    if (this.#server.listening) await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    if (this.#refusing) {
      this.refused++;
      client.resetAndDestroy();
      return;
    }
    this.accepted++;
    const target = createConnection({ ...this.#target });
    const link: Link = { client, target, stranded: false };
    this.#links.add(link);
    this.#forward(link, client, target, 'up');
    this.#forward(link, target, client, 'down');
    for (const [socket, peer] of [
      [client, target],
      [target, client],
    ] as const) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        if (link.stranded && !peer.destroyed) return;
        peer.destroy();
        this.#links.delete(link);
      });
    }
    this.#applyStall(link);
  }

  #forward(link: Link, from: Socket, to: Socket, direction: Direction): void {
    from.on('data', (chunk: Buffer) => {
      if (this.#swallow?.(chunk, direction) === true) {
        this.swallowedBytes[direction] += chunk.length;
        return;
      }
      this.forwardedBytes[direction] += chunk.length;
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => {
      if (!link.stranded && !this.#stalled.has(direction)) from.resume();
    });
    from.on('end', () => to.end());
  }

  #applyStall({ client, target, stranded }: Link): void {
    for (const [socket, direction] of [
      [client, 'up'],
      [target, 'down'],
    ] as const) {
      if (stranded || this.#stalled.has(direction)) socket.pause();
      else socket.resume();
    }
  }
}

/** A proxy before the server of a URL, and the URL that leads through it. */
export async function proxyTo(target: string): Promise<{ readonly proxy: TcpProxy; readonly url: string }> {
  const url = new URL(target);
  const proxy = await TcpProxy.start(Number(url.port || 5432), url.hostname);
  [url.hostname, url.port] = ['127.0.0.1', String(proxy.port)];
  return { proxy, url: url.href };
}
