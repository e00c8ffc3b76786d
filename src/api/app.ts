import type { IncomingMessage, ServerResponse } from 'node:http';
import swagger from '@fastify/swagger';
import {
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
import { Access, type AccessOptions } from './access/access.ts';
import type { ApiDeps, DaemonDeps } from './deps.ts';
import { Events } from './events/index.ts';
import { DatabaseChanges } from './events/stored-changes.ts';
import { type Page, servePage } from './page.ts';
import { documentOptions } from './openapi.ts';
import { Places } from './places.ts';
import { BODY_BYTES, register } from './register.ts';
import { API_PREFIX, pathOf } from './request.ts';
import { serveLinks } from './links.ts';
import { Written } from './send-json.ts';
import { ANSWER_HEADERS, sendProblem } from './send-problem.ts';
import { SharedReads } from './shared-reads.ts';
import { RESOURCES } from './resource/index.ts';
import { type AnyResource, resource } from './resource/resource.ts';

export { readPage } from './page.ts';

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

/** The key of a sensor, escaped. */
const PARAMETER_CHARACTERS = 4096;
/** Characters of a path in a message. */
const SHOWN_CHARACTERS = 256;
/** Each holds a few thousand rows, for as long as its client takes to read them. */
const EXPORTS = { total: 4, each: 2 };

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
    frameworkErrors: (error, request, reply) => sendProblem(error, request, reply, deps),
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
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, deps));
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers(ANSWER_HEADERS);
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
    if (deps.links !== undefined) await scope.register(async (own) => serveLinks(own, deps));
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

const patternOf = ({ path }: AnyResource): RegExp =>
  new RegExp(`^${API_PREFIX}${path.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`);

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
