import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Connection } from '../ports/http.ts';
import type { Visit } from './access/access.ts';
import type { ApiDeps } from './deps.ts';
import { schemaOf } from './openapi.ts';
import { API_PREFIX, arrivalOf } from './request.ts';
import { Streamed, Taken } from './resource/answer.ts';
import type { AnyResource } from './resource/resource.ts';
import { sendJson, writtenJson } from './send-json.ts';

export const BODY_BYTES = 64 * 1024;
/** Limit of an answer that is sent piece by piece. */
const STREAM_MS = 300_000;

interface Registering {
  readonly deps: ApiDeps;
  readonly connections: WeakMap<IncomingMessage, Connection>;
}

/** The resource as a route: admits the visit, runs the handler, sends what it gives. */
export function register(app: FastifyInstance, given: AnyResource, { deps, connections }: Registering): void {
  const { method, path, handle, status = 200, maxBodyBytes = BODY_BYTES } = given;
  const visits = new WeakMap<FastifyRequest, Visit>();
  app.route({
    method,
    url: `${API_PREFIX}${path}`,
    bodyLimit: maxBodyBytes,
    schema: schemaOf(given),
    onRequest: async (request) => void visits.set(request, deps.access.admit(arrivalOf(request), given.role)),
    handler: async (request, reply) => {
      const visit = visits.get(request) as Visit;
      const run = async () =>
        handle(
          {
            params: request.params as never,
            query: request.query as never,
            body: request.body as never,
            ...{ visit, by: visit.caller, headers: request.headers },
            signal: goneSignal(reply.raw),
          },
          deps,
        );
      const result = await (given.shared === true
        ? sharedResult(run, `${given.id} ${request.url}`, deps)
        : method === 'GET'
          ? run()
          : run().finally(() => deps.shared.expire()));
      if (result instanceof Taken && request.method === 'HEAD')
        return reply
          .header('cache-control', 'no-store')
          .type(given.contentTypes?.[0] ?? '')
          .send();
      if (result instanceof Taken) {
        connections.get(request.raw)?.limit(Infinity);
        reply.hijack();
        // What the server itself has set for every answer.
        for (const [name, value] of Object.entries(reply.getHeaders()))
          if (value !== undefined) reply.raw.setHeader(name, value);
        return result.take(reply.raw);
      }
      if (result instanceof Streamed) {
        void reply.headers({ 'cache-control': 'no-store', ...result.headers }).type(result.contentType);
        if (request.method === 'HEAD') {
          // Otherwise all of it would be read, as fast as the database gives it, and discarded.
          await result.pieces[Symbol.asyncIterator]().return?.();
          return reply.send();
        }
        connections.get(request.raw)?.limit(STREAM_MS);
        return reply.send(Readable.from(result.pieces, { objectMode: false }));
      }
      if (given.role === 'operator')
        deps.logger.info({ by: visit.caller.name, resource: given.id }, 'api: done');
      return sendJson(request, reply.code(status), result);
    },
  });
}

/** A result that is read piece by piece belongs to one reader; all others are written once for every reader. */
async function sharedResult(
  run: () => Promise<unknown>,
  key: string,
  { shared }: Pick<ApiDeps, 'shared'>,
): Promise<unknown> {
  let own: unknown;
  const written = await shared.read(key, async () => {
    own = await run();
    return own instanceof Streamed || own instanceof Taken ? undefined : writtenJson(own);
  });
  return written ?? own ?? run();
}

/** Aborted when the connection ends before the answer does. */
function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}
