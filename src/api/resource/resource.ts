import type { IncomingHttpHeaders } from 'node:http';
import type * as z from '../../core/schema/zod.ts';
import type { Visit } from '../access/access.ts';
import type { Caller, Role } from '../access/caller.ts';
import type { ApiDeps } from '../deps.ts';
import type { Answer, Streamed, Taken } from './answer.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** Input of a handler, checked, and its caller. */
export interface ResourceRequest<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly by: Caller;
  /** `by`, and the origin of the request. */
  readonly visit: Visit;
  readonly headers: IncomingHttpHeaders;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

type Input<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;

interface Described {
  /** Unique; the operationId of the document. */
  readonly id: string;
  readonly method: Method;
  /** Below /api/v1; a parameter is `:key`. */
  readonly path: `/${string}`;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** Role that may use it; `public`: any caller. */
  readonly role: Role | 'public';
  /** Codes of its own faults, for the document. */
  readonly faults?: readonly string[];
  /** Default 64 KiB. */
  readonly maxBodyBytes?: number;
}

export interface Resource<Params, Query, Body, Value> extends Described {
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  /** Schema of the JSON of a success; absent with 204. */
  readonly answer?: z.ZodType<Value>;
  /** HTTP status of a success; default 200. */
  readonly status?: 200 | 201 | 202 | 204;
  /** Media types of an answer that is no JSON. */
  readonly contentTypes?: readonly string[];
  /** The answer depends on the URL alone: readers who ask at the same time, or within a second, share one. */
  readonly shared?: true;
  readonly handle: (
    request: ResourceRequest<Input<Params>, Input<Query>, Input<Body>>,
    deps: ApiDeps,
  ) => Promise<Value | Answer<Value> | Streamed | Taken> | Value | Answer<Value> | Streamed | Taken;
}

/** A resource as the server registers it. */
export interface AnyResource extends Described {
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly answer?: z.ZodType;
  readonly status?: 200 | 201 | 202 | 204;
  readonly contentTypes?: readonly string[];
  readonly shared?: true;
  readonly handle: (request: ResourceRequest<never, never, never>, deps: ApiDeps) => unknown;
}

/** Declares a resource: the types of its handler follow from its schemas. */
export function resource<
  Value,
  Params extends z.ZodType | undefined = undefined,
  Query extends z.ZodType | undefined = undefined,
  Body extends z.ZodType | undefined = undefined,
>(given: Resource<Params, Query, Body, Value>): AnyResource {
  return given as unknown as AnyResource;
}
