import { connect } from 'node:net';
import { createMetrics } from '../../src/adapters/http/metrics.ts';
import { type HttpServer, startHttp, type TlsFiles } from '../../src/adapters/http/server.ts';
import { type Api, createApi } from '../../src/api/app.ts';
import type { AccessOptions } from '../../src/api/access/access.ts';
import { parseTokens, Tokens } from '../../src/api/access/tokens.ts';
import type { Page } from '../../src/api/page.ts';
import type { DaemonDeps } from '../../src/api/deps.ts';
import { RESOURCES } from '../../src/api/resource/index.ts';
import type { AnyResource } from '../../src/api/resource/resource.ts';
import { openFrameWriter } from '../../src/app/export/write.ts';
import { createSystemClock } from '../../src/adapters/system/clock.ts';
import type { Db } from '../../src/queries/db.ts';
import { SensorIndex } from '../../src/queries/sensor-index.ts';
import { daemonAtRest, noOperations } from './api-daemon.ts';
import { QuietLogger } from './quiet-logger.ts';

export interface ApiServer {
  readonly port: number;
  readonly logger: QuietLogger;
  /** How often the API was loaded. */
  readonly loaded: () => number;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** What comes back for these bytes, until the server closes or has said `until`. */
  raw(text: string, until?: RegExp): Promise<string>;
  metrics(): Promise<string>;
  rereadTls(): () => void;
  stop(): Promise<void>;
}

const NO_DATABASE: Db = { query: () => Promise.reject(new Error('no database here')) };

/** What the API needs, of nothing: tests replace what they are about. */
export const apiDeps = (given: Partial<DaemonDeps> = {}): DaemonDeps => ({
  db: NO_DATABASE,
  clock: createSystemClock(),
  sensors: new SensorIndex(given.db ?? NO_DATABASE, given.clock ?? createSystemClock()),
  daemon: daemonAtRest(),
  operations: noOperations(),
  frames: (columns, format, write) => openFrameWriter(columns, { format }, write),
  logger: new QuietLogger(),
  metrics: createMetrics(),
  program: {
    version: '1.2.3',
    startedAtMs: Date.UTC(2026, 0, 1),
    clientId: 'test',
    embedded: { database: false, broker: false },
  },
  ...given,
});

export const OPERATOR_TOKEN = 'anna-0123456789abcdefghij';
export const VIEWER_TOKEN = 'bert-0123456789abcdefghij';

export const testTokens = () =>
  new Tokens(parseTokens(`anna operator ${OPERATOR_TOKEN}\nbert viewer ${VIEWER_TOKEN}\n`, 'tokens'));

/** As on a loopback address, with two tokens. */
export const accessOptions = (given: Partial<AccessOptions> = {}): AccessOptions => ({
  tokens: testTokens(),
  loopback: true,
  allowedHosts: [],
  trustedProxies: [],
  basePath: '',
  machine: 'machine-1',
  clientId: 'test',
  ...given,
});

/** The daemon's HTTP server with the API behind it, as `src/app/wiring/api.ts` joins them. */
export async function startApiServer(
  resources: readonly AnyResource[] = RESOURCES,
  given: Partial<DaemonDeps> = {},
  options: Partial<AccessOptions> = {},
  tls?: TlsFiles,
  page?: Page,
): Promise<ApiServer> {
  const logger = new QuietLogger();
  const metrics = createMetrics();
  let api: Promise<Api> | undefined;
  let loaded = 0;
  const open = () => {
    loaded += 1;
    return createApi(apiDeps({ logger, metrics, ...given }), accessOptions(options), { resources, page });
  };
  const server: HttpServer = await startHttp(
    { host: '127.0.0.1', port: 0, tls },
    {
      ...{ metrics, logger, readiness: [], alive: () => true },
      rest: async (request, response, connection) =>
        (await (api ??= open())).handle(request, response, connection),
    },
  );
  return {
    port: server.port,
    logger,
    loaded: () => loaded,
    fetch: (path, init) => fetch(`http://127.0.0.1:${server.port}${path}`, init),
    raw: (text, until = /\r\n\r\n/) => rawRequest(server.port, text, until),
    metrics: () => metrics.scrape(),
    rereadTls: () => server.rereadTls(),
    stop: async () => {
      await server.stop();
      await (await api)?.close();
    },
  };
}

function rawRequest(port: number, text: string, until: RegExp): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  return new Promise<string>((resolve) => {
    let got = '';
    socket.on('data', (chunk) => {
      got += chunk.toString();
      if (!until.test(got)) return;
      resolve(got);
      socket.destroy();
    });
    socket.once('close', () => resolve(got));
    socket.write(text);
  });
}
