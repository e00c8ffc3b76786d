import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Answer } from './resource/answer.ts';

/** JSON with its entity tag. */
export class Written {
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tag: string;

  constructor(text: string, headers: Readonly<Record<string, string>>, tag: string | undefined) {
    this.text = text;
    this.headers = headers;
    this.tag = tag ?? `W/"${createHash('sha1').update(text).digest('base64url')}"`;
  }
}

export function writtenJson(result: unknown): Written {
  const given: Answer<unknown> = result instanceof Answer ? result : new Answer(result, {});
  const { value, etag, headers } = given;
  return new Written(`${JSON.stringify(value)}\n`, headers, etag);
}

/** A value as JSON; 304 where the client has it already. */
export function sendJson(request: FastifyRequest, reply: FastifyReply, result: unknown): FastifyReply {
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
export function matches(wanted: string | undefined, tag: string): boolean {
  if (wanted === undefined) return false;
  const opaque = (text: string) => text.trim().replace(/^W\//, '');
  return wanted.trim() === '*' || wanted.split(',').some((each) => opaque(each) === opaque(tag));
}
