import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';

/** A proxy that emulates a PostgreSQL role with a CONNECTION LIMIT: further connections are refused with 53300. */
export class CrowdedServer {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  readonly #target: URL;
  /** Connections that were refused. */
  refused = 0;
  limit: number;

  private constructor(target: string, limit: number) {
    this.#target = new URL(target);
    this.limit = limit;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(target: string, limit: number): Promise<CrowdedServer> {
    const crowded = new CrowdedServer(target, limit);
    crowded.#server.listen(0, '127.0.0.1');
    await once(crowded.#server, 'listening');
    return crowded;
  }

  get url(): string {
    const url = new URL(this.#target);
    url.hostname = '127.0.0.1';
    url.port = String((this.#server.address() as AddressInfo).port);
    return url.href;
  }

  get connections(): number {
    return this.#open.size;
  }

  /** Ends all that are open. */
  cut(): void {
    for (const socket of this.#open) socket.destroy();
  }

  close(): void {
    this.limit = 0;
    this.cut();
    this.#server.close();
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined);
    if (this.#open.size >= this.limit) {
      this.refused++;
      socket.once('data', () => socket.end(TOO_MANY));
      return;
    }
    this.#open.add(socket);
    const { hostname, port } = this.#target;
    const server = connect({ host: hostname, port: Number(port || 5432) });
    server.on('error', () => undefined);
    server.on('close', () => socket.destroy());
    socket.on('close', () => {
      this.#open.delete(socket);
      server.destroy();
    });
    socket.pipe(server).pipe(socket);
  }
}

const TOO_MANY = errorResponse('53300', 'too many connections for role "few"');

function errorResponse(sqlstate: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${sqlstate}\0M${message}\0\0`);
  const header = Buffer.from('E\0\0\0\0');
  header.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([header, fields]);
}
