import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import swagger from '@fastify/swagger';
import {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type HTTPMethods,
  fastify,
} from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import { FieldwatchError } from '../core/errors.ts';
import * as z from '../core/schema/zod.ts';
import type { Connection } from '../ports/http.ts';
import { Access, type AccessOptions, type Visit } from './access/access.ts';
import { Refusal } from './access/refusal.ts';
import type { Problem } from './contract/problem.ts';
import type { ApiDeps, DaemonDeps } from './deps.ts';
import { Events } from './events/index.ts';
import { DatabaseChanges } from './events/stored-changes.ts';
import { PAGE_HEADERS, type Page, encodingFor, fileAt } from './page.ts';
import { documentOptions, schemaOf } from './openapi.ts';
import { Places } from './places.ts';
import { PROBLEM_TYPE, RequestFault, problemOf } from './problem.ts';
import { Answer, Streamed, Taken } from './resource/answer.ts';
import { serveLinks } from './links.ts';
import { SharedReads } from './shared-reads.ts';
import { RESOURCES } from './resource/index.ts';
import { type AnyResource, resource } from './resource/resource.ts';

export { readPage } from './page.ts';

export const API_PREFIX = '/api/v1';

export interface Api {
  handle(request: IncomingMessage, response: ServerResponse, connection: Connection): void;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface Served {
  readonly resources?: readonly AnyResource[];
  /** Absent: it was not built. */
  readonly page?: Page | undefined;
}

const BODY_BYTES = 64 * 1024;
/** The key of a sensor, escaped. */
const PARAMETER_CHARACTERS = 4096;
/** Of a path, in a message. */
const SHOWN_CHARACTERS = 256;
/** Each holds a few thousand rows, for as long as its client takes to read them. */
const EXPORTS = { total: 4, each: 2 };
/** Of an answer that is sent piece by piece. */
const STREAM_MS = 300_000;

/** Headers of an answer, for a browser that shows it by itself. */
const HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

/** The API below /api/v1, for requests that another server has accepted. */
export async function createApi(
  daemon: DaemonDeps,
  options: AccessOptions,
  { resources = RESOURCES, page }: Served = {},
): Promise<Api> {
  const access = new Access(options, daemon);
  const shared = new SharedReads({
    clock: daemon.clock,
    isBehind: () => daemon.daemon.isBehind(),
    sizeOf: (answer) => (answer instanceof Written ? answer.text.length : 0),
  });
  const events = eventsOf(daemon, shared, page);
  const deps: ApiDeps = { ...daemon, access, events, shared, exports: new Places(EXPORTS) };
  const all = [...resources, documentOf(() => app)];
  const connections = new WeakMap<IncomingMessage, Connection>();
  const app = fastify({
    bodyLimit: BODY_BYTES,
    frameworkErrors: (error, request, reply) => fail(error, request, reply, deps),
    logger: false,
    rewriteUrl: ({ url = '/' }) => below(options.basePath, originForm(url)),
    routerOptions: { maxParamLength: PARAMETER_CHARACTERS },
    // In place of ajv and fast-json-stringify, which are not in the bundle.
    schemaController: {
      compilersFactory: {
        buildValidator: (() => validatorCompiler) as never,
        buildSerializer: (() => () => (value: unknown) => JSON.stringify(value)) as never,
      },
    },
  });
  acceptJsonOnly(app);
  app.setErrorHandler((error, request, reply) => fail(error, request, reply, deps));
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers(HEADERS);
    // Before a body is read.
    if (request.is404) throw notFound(all, request, reply);
  });
  app.addHook('onSend', async (request, reply) => {
    // What of a body was not read cannot be distinguished from a following request.
    if (!request.raw.complete) void reply.header('connection', 'close');
  });
  await app.register(swagger, documentOptions(deps.program.version, options.basePath));
  await app.register(async (scope) => {
    for (const each of all) register(scope, each, { deps, connections });
    if (deps.links !== undefined) await scope.register(async (own) => serveLinks(own, deps, arrivalOf));
    servePage(scope, page, deps, (request, reply) => notFound(all, request, reply));
  });
  await app.ready();
  return {
    handle(request, response, connection) {
      connections.set(request, connection);
      app.routing(request, response);
    },
    close: async () => {
      events.stop();
      await app.close();
    },
  };
}

interface Registering {
  readonly deps: ApiDeps;
  readonly connections: WeakMap<IncomingMessage, Connection>;
}

function register(app: FastifyInstance, given: AnyResource, { deps, connections }: Registering): void {
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

/** JSON with its entity tag. */
class Written {
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tag: string;

  constructor(text: string, headers: Readonly<Record<string, string>>, tag: string | undefined) {
    this.text = text;
    this.headers = headers;
    this.tag = tag ?? `W/"${createHash('sha1').update(text).digest('base64url')}"`;
  }
}

function writtenJson(result: unknown): Written {
  const given: Answer<unknown> = result instanceof Answer ? result : new Answer(result, {});
  const { value, etag, headers } = given;
  return new Written(`${JSON.stringify(value)}\n`, headers, etag);
}

/** A value as JSON; 304 where the client has it already. */
function sendJson(request: FastifyRequest, reply: FastifyReply, result: unknown): FastifyReply {
  if (reply.statusCode === 204) return reply.headers(result instanceof Answer ? result.headers : {}).send();
  const { text, headers, tag } = result instanceof Written ? result : writtenJson(result);
  void reply.headers({ 'cache-control': 'private, no-cache', ...headers });
  if (request.method === 'GET' || request.method === 'HEAD') {
    void reply.header('etag', tag);
    if (matches(request.headers['if-none-match'], tag)) return reply.code(304).send();
  }
  return reply.type('application/json; charset=utf-8').send(text);
}

/** Weak comparison (RFC 9110, 8.8.3.2). */
function matches(wanted: string | undefined, tag: string): boolean {
  if (wanted === undefined) return false;
  const opaque = (text: string) => text.trim().replace(/^W\//, '');
  return wanted.trim() === '*' || wanted.split(',').some((each) => opaque(each) === opaque(tag));
}

const arrivalOf = ({ method, headers, socket }: FastifyRequest) => ({
  ...{ method, headers },
  peer: socket.remoteAddress ?? '',
  encrypted: (socket as Partial<TLSSocket>).encrypted === true,
});

/** Aborted when the connection ends before the answer does. */
function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}

const documentOf = (app: () => FastifyInstance): AnyResource =>
  resource({
    id: 'openapi',
    method: 'GET',
    path: '/openapi.json',
    tag: 'daemon',
    summary: 'This document',
    role: 'viewer',
    answer: z.record(z.string(), z.unknown()),
    handle: () => app().swagger() as unknown as Record<string, unknown>,
  });

/** A body of a form or of plain text, which any page may send anywhere, is not accepted. */
function acceptJsonOnly(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, parse);
}

/** A request target without scheme and host (RFC 9112, 3.2). */
const originForm = (target: string): string => target.replace(/^https?:\/\/[^/?#]*/i, '') || '/';

/** A proxy passes the path on with its base, or without. */
const below = (base: string, path: string): string =>
  base !== '' && path.startsWith(base) && /^[/?]|^$/.test(path.slice(base.length))
    ? path.slice(base.length).replace(/^(?!\/)/, '/')
    : path;

const METHODS: readonly HTTPMethods[] = ['GET', 'POST', 'PUT', 'DELETE'];

function notFound(
  resources: readonly AnyResource[],
  request: FastifyRequest,
  reply: FastifyReply,
): FieldwatchError {
  const path = pathOf(request);
  const allowed = METHODS.filter((method) =>
    resources.some((each) => each.method === method && patternOf(each).test(path)),
  );
  // With a method that is allowed: a part of the path is longer than any key.
  if (allowed.length === 0 || allowed.some((method) => method === request.method))
    return new FieldwatchError(`nothing is at ${path.slice(0, SHOWN_CHARACTERS)}`, {
      code: 'API_NOT_FOUND',
      kind: 'data',
      remedy: `${API_PREFIX}/openapi.json lists what there is.`,
    });
  void reply.header('allow', allowed.join(', '));
  return new FieldwatchError(`${path} has no method ${request.method}; expected ${allowed.join(' or ')}`, {
    code: 'API_METHOD',
    kind: 'data',
  });
}

const pathOf = ({ url }: FastifyRequest): string => url.replace(/[?#].*$/s, '');

const patternOf = ({ path }: AnyResource): RegExp =>
  new RegExp(`^${API_PREFIX}${path.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`);

/** The files of the page, and the page for every path of its own. They hold no data, so they ask for no token. */
function servePage(
  scope: FastifyInstance,
  page: Page | undefined,
  deps: ApiDeps,
  missing: (request: FastifyRequest, reply: FastifyReply) => FieldwatchError,
): void {
  scope.get('/*', {
    schema: { hide: true },
    onRequest: async (request) => void deps.access.admit(arrivalOf(request), 'public'),
    handler: async (request, reply) => {
      const path = pathOf(request);
      if (/^\/api(?:\/|$)/.test(path)) throw missing(request, reply);
      if (page === undefined)
        return reply
          .type('text/plain; charset=utf-8')
          .send(
            `fieldwatch ${deps.program.version}: its page was not built (npm run build). The API is described at ${API_PREFIX}/openapi.json.\n`,
          );
      const file = fileAt(page, path);
      if (file === undefined) throw missing(request, reply);
      void reply.headers({
        ...PAGE_HEADERS,
        etag: file.etag,
        vary: 'accept-encoding',
        'cache-control': file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
      });
      if (matches(request.headers['if-none-match'], file.etag)) return reply.code(304).send();
      const { body, encoding } = encodingFor(file, request.headers['accept-encoding']);
      if (encoding !== undefined) void reply.header('content-encoding', encoding);
      return reply.type(file.type).send(body);
    },
  });
}

function eventsOf(
  { program, daemon, ...deps }: DaemonDeps,
  shared: SharedReads,
  page: Page | undefined,
): Events {
  return new Events({
    ...deps,
    intake: () => daemon.intake(),
    findings: () => daemon.policies()?.findings ?? [],
    changes: new DatabaseChanges(deps.db, deps.clock, daemon.unitOf),
    // A client reads again after a change event.
    onChange: () => shared.expire(),
    hello: () => ({
      version: program.version,
      build: page?.build ?? program.version,
      startedAt: new Date(program.startedAtMs).toISOString(),
    }),
  });
}

function fail(error: unknown, request: FastifyRequest, reply: FastifyReply, deps: ApiDeps): void {
  const fault = faultOf(error, request);
  const problem = problemOf(fault, pathOf(request));
  if (problem.code === 'UNEXPECTED')
    deps.logger.error({ err: error, method: request.method, path: request.url }, 'api request failed');
  if (fault instanceof Refusal) void reply.headers(fault.headers);
  send(reply, problem);
}

function send(reply: FastifyReply, problem: Problem): void {
  void reply
    .code(problem.status)
    .headers({ ...HEADERS, 'cache-control': 'no-store' })
    .type(PROBLEM_TYPE)
    .send(`${JSON.stringify(problem)}\n`);
}

/** The server's own refusal, in our terms. */
function faultOf(error: unknown, request: FastifyRequest): unknown {
  // The zero character, one outside the encoding of the database, a number beyond its types: nothing is stored under such a name.
  if (error instanceof FieldwatchError && error.code === 'DB_ROW_REFUSED')
    return new RequestFault([
      { pointer: '/request', detail: 'has a character or a number that the database cannot hold' },
    ]);
  if (error instanceof FieldwatchError || !(error instanceof Error)) return error;
  const { validation, validationContext, code, statusCode = 500 } = error as FastifyError;
  if (validation !== undefined) {
    const where = validationContext === 'querystring' ? 'query' : (validationContext ?? 'request');
    return new RequestFault(
      validation.map(({ instancePath, message = 'is not as expected' }) => ({
        pointer: `/${where}${instancePath === '/' ? '' : instancePath}`,
        detail: message,
      })),
    );
  }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new FieldwatchError('the body is larger than this resource accepts', {
      code: 'API_BODY_TOO_LARGE',
      kind: 'data',
    });
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new FieldwatchError(
      `a body of type ${request.headers['content-type'] ?? 'unknown'}; expected application/json`,
      { code: 'API_MEDIA_TYPE', kind: 'data' },
    );
  if (statusCode >= 400 && statusCode < 500)
    return new RequestFault([{ pointer: '/request', detail: error.message }]);
  return error;
}
