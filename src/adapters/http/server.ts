import { readFileSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createSecureContext, type SecureContextOptions, type Server as TlsServer } from 'node:tls';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import type { Connection } from '../../ports/http.ts';
import type { Logger } from '../../ports/metrics.ts';
import { type Cut, HEADERS_MS, IDLE_MS, limitConnections, REQUEST_MS } from './connection-limits.ts';
import type { MetricsRegistry } from './metrics.ts';

/** One part of readiness: the fault as text, or nothing. */
export interface ReadinessCheck {
  readonly name: string;
  /** `fail` makes the daemon not ready; `degraded` is only reported. */
  readonly check: () => { readonly status: 'ok' | 'degraded' | 'fail'; readonly detail?: string };
}

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface HttpOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Absent: clear text. */
  readonly tls?: TlsFiles | undefined;
}

export interface HttpDeps {
  readonly metrics: MetricsRegistry;
  readonly readiness: readonly ReadinessCheck[];
  /** False when the event loop or the ingest stands still: the reason for a restart. */
  readonly alive: () => boolean;
  readonly logger: Logger;
  /** Answers every request for another path; absent: 404. */
  readonly rest?: RequestHandler | undefined;
}

/** Rejects, or throws, before anything is sent. */
export type RequestHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  connection: Connection,
) => void | Promise<void>;

export interface HttpServer {
  readonly port: number;
  /** Reads certificate and key again; the returned function puts them in force. Throws where they cannot be used. */
  rereadTls(): () => void;
  stop(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

const json = (status: number, body: unknown, headers: Answer['headers'] = {}): Answer => ({
  status,
  headers,
  type: 'application/json',
  body: `${JSON.stringify(body)}\n`,
});

const MAX_HEADER_BYTES = 8192;
/** From the request line to the last byte of the answer, where a query of the database may have to be waited for. */
const REST_REQUEST_MS = 30_000;

/** `/livez`, `/readyz` and `/metrics`, for a supervisor and for Prometheus; other paths where there is a handler for them. */
export async function startHttp(options: HttpOptions, deps: HttpDeps): Promise<HttpServer> {
  const respond = responder(deps);
  const server = await serverOf(options.tls, (request, response) => {
    const { socket } = request;
    // What one read brings is processed to the end, whatever became of the connection.
    if (socket.destroyed) return;
    if (!connections.begin(socket, response)) return connections.cut(socket, 'pipelined');
    const failed = (error: unknown) => {
      deps.logger.error({ err: error, path: request.url }, 'http request failed');
      if (response.headersSent) socket.destroy();
      else send(response, json(500, { error: 'internal error, see the log' }), false);
    };
    if (deps.rest !== undefined && !OWN_PATHS.includes(pathOf(request.url ?? '/'))) {
      if (connections.isCrowded) return send(response, CROWDED, false);
      return void hand(deps.rest, request, response, connections.cut).catch(failed);
    }
    // A body is not read: a following request on this connection could not be distinguished from it.
    if (hasBody(request)) response.setHeader('connection', 'close');
    const late = setTimeout(() => socket.destroy(), REQUEST_MS);
    response.once('close', () => clearTimeout(late));
    respond(request).then((result) => send(response, result, request.method === 'HEAD'), failed);
  });
  const connections = limitConnections(server, deps.metrics);
  await listen(server, options);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    rereadTls: () => {
      if (options.tls === undefined) return () => undefined;
      const context = readTlsFiles(options.tls);
      return () => (server as Server & TlsServer).setSecureContext(context);
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        connections.closeAll();
      }),
  };
}

/** The module for TLS is loaded where it is needed. */
async function serverOf(tls: TlsFiles | undefined, listener: RequestListener): Promise<Server> {
  const limits: ServerOptions = { maxHeaderSize: MAX_HEADER_BYTES, connectionsCheckingInterval: 1000 };
  if (tls === undefined) return createServer(limits, listener);
  const https = await import('node:https');
  return https.createServer({ ...limits, ...readTlsFiles(tls), handshakeTimeout: HEADERS_MS }, listener);
}

/** Hands a request over, with the limits of time that a query of the database needs. */
async function hand(
  rest: RequestHandler,
  request: IncomingMessage,
  response: ServerResponse,
  cut: Cut,
): Promise<void> {
  const { socket } = request;
  let late: NodeJS.Timeout | undefined;
  const limit = (ms: number) => {
    clearTimeout(late);
    if (response.closed) return;
    late = ms === Infinity ? undefined : setTimeout(() => cut(socket, 'timeout'), ms);
    socket.setTimeout(ms === Infinity ? 0 : REST_REQUEST_MS);
  };
  response.once('close', () => {
    clearTimeout(late);
    socket.setTimeout(IDLE_MS);
  });
  limit(REST_REQUEST_MS);
  await rest(request, response, { limit });
}

const OWN_PATHS = ['/livez', '/readyz', '/metrics'];

const CROWDED = json(
  503,
  { error: 'too many connections are open' },
  { connection: 'close', 'retry-after': '5' },
);

const hasBody = ({ headers }: IncomingMessage) =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';

function responder({
  metrics,
  readiness: checks,
  alive,
}: HttpDeps): (request: IncomingMessage) => Promise<Answer> {
  let scraping: Promise<Buffer> | undefined;
  // Concurrent requests get the same bytes.
  const scrape = () =>
    (scraping ??= metrics
      .scrape()
      .then((text) => Buffer.from(text))
      .finally(() => {
        scraping = undefined;
      }));
  return async ({ method, url = '/' }) => {
    if (method !== 'GET' && method !== 'HEAD')
      return json(405, { error: 'GET only' }, { allow: 'GET, HEAD' });
    switch (pathOf(url)) {
      case '/livez':
        return alive() ? json(200, { status: 'ok' }) : json(503, { status: 'stuck' });
      case '/readyz':
        return readiness(checks);
      case '/metrics':
        return { status: 200, type: metrics.contentType, body: await scrape() };
      default:
        return json(404, { error: 'not found', paths: OWN_PATHS });
    }
  };
}

/**
 * The path of a request target, in origin or absolute form (RFC 9112, 3.2). Not by URL, which throws for what any
 * client may send: `//`, or a host with a bad port.
 */
const pathOf = (target: string): string => target.replace(/^https?:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '');

function readiness(checks: readonly ReadinessCheck[]): Answer {
  const results = checks.map(({ name, check }) => ({ name, ...check() }));
  const failed = results.some(({ status }) => status === 'fail');
  const degraded = results.some(({ status }) => status === 'degraded');
  return json(failed ? 503 : 200, {
    status: failed ? 'fail' : degraded ? 'degraded' : 'ok',
    checks: results,
  });
}

function send(response: ServerResponse, { status, type, body, headers }: Answer, headOnly: boolean): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...headers,
  });
  response.end(headOnly ? undefined : body);
}

function listen(server: Server, { host, port }: HttpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE';
      reject(
        new FieldwatchError(
          `http: cannot listen on ${host}:${port}: ${taken ? 'the port is taken' : cause.message}`,
          {
            code: taken ? 'PORT_IN_USE' : 'HTTP_LISTEN_FAILED',
            kind: 'config',
            remedy: 'set http.port to a free port (0 takes any), or http.enabled: false',
            cause,
          },
        ),
      );
    });
    server.listen(port, host, resolve);
  });
}

/** Certificate and key as they are now. Throws where they cannot be used. */
function readTlsFiles({ certFile, keyFile }: TlsFiles): SecureContextOptions {
  try {
    const context = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
    createSecureContext(context);
    return context;
  } catch (cause) {
    throw new FieldwatchError(`http.tls: ${certFile} and ${keyFile} cannot be used: ${messageOf(cause)}`, {
      ...{ code: 'HTTP_TLS_FILE', kind: 'config', cause },
      remedy: 'Both have to be PEM, belong together, and be readable for the user of the daemon.',
    });
  }
}
