import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { FieldwatchError } from '../../core/errors.ts';
import type { Logger } from '../../ports.ts';
import type { MetricsRegistry } from '../metrics.ts';

/** One part of readiness: what is wrong, in words, or nothing. */
export interface ReadinessCheck {
  readonly name: string;
  /** `fail` makes the daemon not ready; `degraded` is told and nothing more. */
  readonly check: () => { readonly status: 'ok' | 'degraded' | 'fail'; readonly detail?: string };
}

export interface HttpOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

export interface HttpDeps {
  readonly metrics: MetricsRegistry;
  readonly readiness: readonly ReadinessCheck[];
  /** False when the event loop or the intake stands still: the reason for a restart. */
  readonly alive: () => boolean;
  readonly logger: Logger;
}

export interface HttpServer {
  readonly port: number;
  stop(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const json = (status: number, body: unknown): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(body)}\n`,
});

/** `/livez`, `/readyz` and `/metrics`, for a supervisor and for Prometheus. */
export async function startHttp(options: HttpOptions, deps: HttpDeps): Promise<HttpServer> {
  const server = createServer((request, response) => {
    answer(request, deps).then(
      (result) => send(response, result, request.method === 'HEAD'),
      (error: unknown) => {
        deps.logger.error({ err: error, path: request.url }, 'http request failed');
        send(response, json(500, { error: 'internal error, see the log' }), false);
      },
    );
  });
  // Nothing here takes a body or keeps a client waiting: a slow client is cut off.
  server.requestTimeout = 10_000;
  server.headersTimeout = 5_000;
  await listen(server, options);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, deps: HttpDeps): Promise<Answer> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return json(405, { error: 'GET only' });
  switch (new URL(request.url ?? '/', 'http://localhost').pathname) {
    case '/livez':
      return deps.alive() ? json(200, { status: 'ok' }) : json(503, { status: 'stuck' });
    case '/readyz':
      return readiness(deps.readiness);
    case '/metrics':
      return { status: 200, type: deps.metrics.contentType, body: await deps.metrics.scrape() };
    default:
      return json(404, { error: 'not found', paths: ['/livez', '/readyz', '/metrics'] });
  }
}

function readiness(checks: readonly ReadinessCheck[]): Answer {
  const results = checks.map(({ name, check }) => ({ name, ...check() }));
  const failed = results.some(({ status }) => status === 'fail');
  const degraded = results.some(({ status }) => status === 'degraded');
  return json(failed ? 503 : 200, {
    status: failed ? 'fail' : degraded ? 'degraded' : 'ok',
    checks: results,
  });
}

function send(response: ServerResponse, { status, type, body }: Answer, headOnly: boolean): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(headOnly ? undefined : body);
}

function listen(server: ReturnType<typeof createServer>, { host, port }: HttpOptions): Promise<void> {
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
