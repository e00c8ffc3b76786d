import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { FieldwatchError } from '../core/errors.ts';
import { Refusal } from './access/refusal.ts';
import type { ApiDeps } from './deps.ts';
import { PROBLEM_TYPE, RequestFault, problemOf } from './problem.ts';
import { pathOf } from './request.ts';

/** Headers of an answer, for a browser that shows it by itself. */
export const ANSWER_HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

/** The answer for anything that was thrown while a request was served. */
export function sendProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  deps: Pick<ApiDeps, 'logger'>,
): void {
  const fault = faultOf(error, request);
  const problem = problemOf(fault, pathOf(request));
  if (problem.code === 'UNEXPECTED')
    deps.logger.error({ err: error, method: request.method, path: request.url }, 'api request failed');
  if (fault instanceof Refusal) void reply.headers(fault.headers);
  void reply
    .code(problem.status)
    .headers({ ...ANSWER_HEADERS, 'cache-control': 'no-store' })
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
