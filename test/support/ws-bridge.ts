import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type Server, createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createConnection } from 'node:net';
import { WebSocketServer, createWebSocketStream } from 'ws';
import type { Certificate } from './certificates.ts';

/** Carries MQTT over WebSocket to a broker's TCP port: many builds of mosquitto have no WebSocket listener. */
export class WebSocketBridge {
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  /** Paths that clients asked for. */
  readonly paths: (string | undefined)[] = [];

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    this.#sockets = new WebSocketServer({
      server,
      handleProtocols: (offered) => offered.has('mqtt') && 'mqtt',
    });
    this.#sockets.on('connection', (socket, request) => {
      this.paths.push(request.url);
      const upstream = createConnection({ port: targetPort, host: '127.0.0.1' });
      const stream = createWebSocketStream(socket);
      stream.pipe(upstream).pipe(stream);
      stream.on('error', () => upstream.destroy());
      upstream.on('error', () => stream.destroy());
    });
  }

  static async start(targetPort: number, certificate?: Certificate): Promise<WebSocketBridge> {
    const server =
      certificate === undefined
        ? createHttpServer()
        : createHttpsServer({
            cert: await readFile(certificate.certFile),
            key: await readFile(certificate.keyFile),
          });
    const bridge = new WebSocketBridge(server, targetPort);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return bridge;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
