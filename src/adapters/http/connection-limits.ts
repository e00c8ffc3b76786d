import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { MetricsRegistry } from './metrics.ts';

export type Cut = (socket: Socket, reason: string) => void;

export interface ConnectionLimits {
  /** Ends a connection, and counts it. */
  readonly cut: Cut;
  /** A request has come in; false: the one before it is not answered yet. */
  begin(socket: Socket, response: ServerResponse): boolean;
  /** So many requests are being answered that only health and metrics may be asked for. */
  readonly isCrowded: boolean;
  closeAll(): void;
}

/** More than a supervisor, a few scrapers and the readers of the page ever hold open. */
export const MAX_CONNECTIONS = 512;
/** Connections below the limit that are left to health and metrics. */
const RESERVED_CONNECTIONS = 64;
/** Sockets above the limit, while closed ones are still going. */
const CLOSING_CONNECTIONS = 128;
/** Time without traffic after which a connection is closed. */
export const IDLE_MS = 10_000;
export const HEADERS_MS = 5_000;
/** From the request line to the last byte of the answer. */
export const REQUEST_MS = 10_000;

const CLIENT_FAULTS: Readonly<Record<string, readonly [status: string, reason: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'timeout'],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'malformed'],
};

/**
 * A slow, silent or broken client is disconnected and counted, without a log line. Where there are too many connections, one without
 * a request makes room, the longest waiting one first: connections that only stay open shut no other client out.
 */
export function limitConnections(server: Server, metrics: MetricsRegistry): ConnectionLimits {
  const cut = metrics.counter(
    'fieldwatch_http_connections_cut_total',
    'Connections that the HTTP server closed: over the limit, without a complete request in time, malformed, or with a further request before the answer to one',
    ['reason'],
  );
  const open = metrics.gauge('fieldwatch_http_connections', 'Open connections of the HTTP server');
  const sockets = new Set<Socket>();
  /** Without a request, by their far side, in the order in which they became so. */
  const idle = new Map<string, Socket>();
  const busy = new WeakSet<Socket>();
  let answering = 0;
  metrics.onCollect(() => open.set(sockets.size));
  const cutOff: Cut = (socket, reason) => {
    cut.inc(1, { reason });
    socket.destroy();
  };
  server.maxConnections = MAX_CONNECTIONS + CLOSING_CONNECTIONS;
  server.headersTimeout = HEADERS_MS;
  server.requestTimeout = REQUEST_MS;
  server.on('connection', (socket) => {
    const peer = peerOf(socket);
    if (sockets.size >= MAX_CONNECTIONS) {
      const [[longest, other] = [peer, socket]] = idle;
      idle.delete(longest);
      sockets.delete(other);
      cutOff(other, 'limit');
      if (other === socket) return;
    }
    sockets.add(socket);
    idle.set(peer, socket);
    socket.once('close', () => {
      sockets.delete(socket);
      if (idle.get(peer) === socket) idle.delete(peer);
    });
  });
  server.on('drop', () => cut.inc(1, { reason: 'limit' }));
  server.setTimeout(IDLE_MS, (socket) => cutOff(socket, 'timeout'));
  server.on('clientError', ({ code }: NodeJS.ErrnoException, socket) => {
    const [status, reason] = CLIENT_FAULTS[code ?? ''] ?? ['400 Bad Request', 'malformed'];
    if (code !== 'ECONNRESET' && code !== 'EPIPE') cut.inc(1, { reason });
    socket.end(refusal(status), () => socket.destroy());
  });
  // Faults of the TLS handshake, before there is a request.
  server.on('tlsClientError', (_error: Error, socket: Socket) => cutOff(socket, 'malformed'));
  return {
    cut: cutOff,
    begin: (socket, response) => {
      if (busy.has(socket)) return false;
      const peer = peerOf(socket);
      // With TLS the socket of the requests is not that of the connection.
      const connection = idle.get(peer);
      busy.add(socket);
      idle.delete(peer);
      answering += 1;
      response.once('close', () => {
        busy.delete(socket);
        answering -= 1;
        if (connection !== undefined && sockets.has(connection)) idle.set(peer, connection);
      });
      return true;
    },
    get isCrowded() {
      return answering > MAX_CONNECTIONS - RESERVED_CONNECTIONS;
    },
    // Also those that are still shaking hands.
    closeAll: () => {
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Bytes that are no request get the answer of the API to a faulty one. */
function refusal(statusLine: string): string {
  const [, status, title = ''] = /^(\d+) (.*)$/.exec(statusLine) ?? [];
  const code = 'API_BAD_REQUEST';
  const detail = 'the server could not read the request';
  const body = `${JSON.stringify({ type: `/api/v1/problems/${code}`, title, status: Number(status), code, detail })}\n`;
  return [
    `HTTP/1.1 ${statusLine}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    `\r\n${body}`,
  ].join('\r\n');
}

const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
