import { type Server, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A reverse proxy that serves another server below a path, and passes requests on without that path. */
export interface PathProxy {
  readonly origin: string;
  /** Requests that were not below the path. */
  readonly outside: readonly string[];
  close(): Promise<void>;
}

export async function openPathProxy(base: string, targetPort: () => number): Promise<PathProxy> {
  const outside: string[] = [];
  const server: Server = createServer((incoming, answer) => {
    const { url = '/', method, headers, socket } = incoming;
    // A browser asks for it by itself.
    if (url === '/favicon.ico') return void answer.writeHead(404).end();
    if (!url.startsWith(`${base}/`)) {
      outside.push(url);
      return void answer.writeHead(404).end();
    }
    const forwarded = { 'x-forwarded-for': socket.remoteAddress ?? '', 'x-forwarded-proto': 'http' };
    const passed = request(
      {
        ...{ host: '127.0.0.1', port: targetPort(), path: url.slice(base.length), method },
        headers: { ...headers, ...forwarded },
      },
      (response) => {
        answer.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(answer);
        response.once('error', () => answer.destroy());
      },
    );
    passed.once('error', () => answer.destroy());
    answer.once('close', () => passed.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    outside,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
