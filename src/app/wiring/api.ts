import { join } from 'node:path';
import type { RequestHandler } from '../../adapters/http/server.ts';
import { createPool, endPool, readerOf } from '../../adapters/timescale/connection/pool.ts';
import type { AccessOptions } from '../../api/access/access.ts';
import type { Api } from '../../api/app.ts';
import { BackgroundDb } from '../../api/background-db.ts';
import type { DaemonDeps, ProgramFacts } from '../../api/deps.ts';
import { packageRoot } from '../../lib/package-root.ts';
import { version } from '../../lib/version.ts';
import type { Db } from '../../queries/db.ts';
import { SensorIndex } from '../../queries/sensor-index.ts';
import type { Context } from '../context.ts';
import { openFrameWriter } from '../export/write.ts';
import { databaseOptions } from '../options.ts';
import { linkDepsOf } from './links.ts';
import { operationsOf } from './api-operations.ts';
import { viewOf } from './api-view.ts';

/** Enough for the readers of a page, and little next to what the daemon itself may have open. */
const CONNECTIONS = 3;
/** The embedded database has one session: at most one query waits there before what is to be stored. */
const EMBEDDED_CONNECTIONS = 1;
const STATEMENT_MS = 10_000;
const LOCK_MS = 2000;

type ApiContext = Omit<Context, 'http'>;

/** The API. It is loaded, and connects, with the first request. */
export function openApi(context: ApiContext, access: AccessOptions): RequestHandler {
  const { clock, cleanup } = context;
  const startedAtMs = clock.nowMs();
  let opening: Promise<Api> | undefined;
  const open = () =>
    (opening ??= loadApi(context, access, startedAtMs).catch((error: unknown) => {
      opening = undefined;
      throw error;
    }));
  cleanup.add('api', async () => (await opening?.catch(() => undefined))?.close());
  return async (request, response, connection) => {
    const api = await open();
    if (!response.destroyed) api.handle(request, response, connection);
  };
}

async function loadApi(context: ApiContext, access: AccessOptions, startedAtMs: number): Promise<Api> {
  const { createApi, readPage } = await import('../../api/app.ts');
  const { db, end } = await openReader(context);
  const api = await createApi(apiDepsOf(context, db, startedAtMs), access, {
    page: readPage(join(packageRoot(), 'dist/web'), access.basePath),
  });
  return {
    handle: (request, response, connection) => api.handle(request, response, connection),
    close: async () => {
      await api.close();
      await end();
    },
  };
}

/** Connections apart from the daemon's own. */
async function openReader({
  config,
  clock,
  logger,
  database,
  servers,
  ingest,
}: ApiContext): Promise<{ readonly db: Db; readonly end: () => Promise<void> }> {
  const options = databaseOptions(config, database.url, 'api');
  const limits = { statementTimeoutMs: STATEMENT_MS, lockTimeoutMs: LOCK_MS };
  const max = servers.embeddedDatabase ? EMBEDDED_CONNECTIONS : CONNECTIONS;
  const pool = await createPool({ ...options, ...limits, max }, logger);
  const db = new BackgroundDb(readerOf(pool), { clock, isBehind: () => ingest.isBehind });
  return { db, end: () => endPool(pool, clock) };
}

function apiDepsOf(context: ApiContext, db: Db, startedAtMs: number): DaemonDeps {
  const { clock, logger, metrics } = context;
  return {
    ...{ db, clock, logger, metrics, program: programOf(context, startedAtMs) },
    sensors: new SensorIndex(db, clock),
    daemon: viewOf(context),
    operations: operationsOf(context, db),
    links: linkDepsOf(context, db),
    frames: (columns, format, write) => openFrameWriter(columns, { format }, write),
  };
}

const programOf = ({ config, servers }: ApiContext, startedAtMs: number): ProgramFacts => ({
  version: version(),
  startedAtMs,
  clientId: config.mqtt.client_id,
  embedded: { database: servers.embeddedDatabase, broker: config.mqtt.url === undefined },
});
