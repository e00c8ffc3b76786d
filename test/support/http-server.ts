import { once } from 'node:events';
import { type IncomingHttpHeaders, type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HttpCall {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What the server does with a request: answers with a status, never answers, or breaks the connection. */
export type HttpBehaviour =
  | { readonly status: number; readonly body?: string; readonly headers?: Record<string, string> }
  | 'hang'
  | 'reset';

/** An HTTP server that records its requests and answers as configured. */
export class HttpServer {
  readonly calls: HttpCall[] = [];
  behaviour: HttpBehaviour = { status: 200 };
  private readonly server: Server;
  private changed: () => void = () => {};

  private constructor() {
    this.server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('error', () => {});
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        const { behaviour } = this;
        this.calls.push({ method, path: url, headers, body });
        if (behaviour === 'reset') request.socket.resetAndDestroy();
        else if (behaviour !== 'hang') {
          response.writeHead(behaviour.status, behaviour.headers);
          response.end(behaviour.body ?? '');
        }
        this.changed();
      });
    });
  }

  static async start(port = 0): Promise<HttpServer> {
    const http = new HttpServer();
    http.server.listen(port, '127.0.0.1');
    await once(http.server, 'listening');
    return http;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What was posted, parsed. */
  get bodies(): unknown[] {
    return this.calls
      .filter(({ method }) => method === 'POST')
      .map(({ body }) => JSON.parse(body) as unknown);
  }

  /** Resolves once `enough` holds of the calls. */
  async until(enough: (calls: readonly HttpCall[]) => boolean): Promise<void> {
    while (!enough(this.calls)) await new Promise<void>((resolve) => (this.changed = resolve));
  }

  /** Breaks every connection, those that hang among them. */
  hangUp(): void {
    this.server.closeAllConnections();
  }

  async stop(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}
