import { type ErrorKind, FieldwatchError } from '../core/errors.ts';
import type { Problem } from './contract/problem.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** HTTP status of a code, where its kind alone does not decide it. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  ALERT_NOT_OPEN: 409,
  ALERT_UNKNOWN: 404,
  API_BAD_REQUEST: 400,
  API_BODY_TOO_LARGE: 413,
  API_FORBIDDEN: 403,
  API_LOGIN_NEEDED: 401,
  API_MEDIA_TYPE: 415,
  API_METHOD: 405,
  API_NOT_FOUND: 404,
  API_TOKEN_UNKNOWN: 401,
  API_TOO_MANY: 429,
  API_WRONG_HOST: 421,
  API_WRONG_ORIGIN: 403,
  CONFIG_UNKNOWN: 404,
  DEAD_LETTER_UNKNOWN: 404,
  LEARN_RUNNING: 409,
  LEARN_UNKNOWN: 404,
  LOCATION_UNKNOWN: 404,
  METRIC_UNKNOWN: 404,
  QUERY_TOO_LARGE: 422,
  RELATION_UNKNOWN: 404,
  ROUTE_INVALID: 422,
  RETRY_RUNNING: 409,
  SENSOR_DECLARED: 409,
  SENSOR_UNKNOWN: 404,
  SILENCE_UNKNOWN: 404,
};

const STATUS_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  transient: 503,
  data: 422,
  config: 409,
  schema: 503,
  auth: 503,
  bug: 500,
};

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Login needed',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  413: 'Body too large',
  415: 'Unsupported media type',
  421: 'Wrong host',
  422: 'Cannot be done',
  429: 'Too many requests',
  500: 'Internal error',
  503: 'Not available at the moment',
};

/** A fault of a request, with where it is in its input. */
export class RequestFault extends FieldwatchError {
  readonly errors: readonly { readonly pointer: string; readonly detail: string }[];

  constructor(errors: RequestFault['errors']) {
    const [first] = errors;
    super(first === undefined ? 'the request has a fault' : `${first.pointer}: ${first.detail}`, {
      code: 'API_BAD_REQUEST',
      kind: 'data',
      remedy: 'The document at /api/v1/openapi.json has names, types and bounds of every parameter.',
    });
    this.errors = errors;
  }
}

/**
 * The answer for anything that was thrown. What was not thrown on purpose stays in the log: it may hold
 * anything.
 */
export function problemOf(error: unknown, instance: string): Problem {
  if (!(error instanceof FieldwatchError))
    return describe(500, {
      ...{ code: 'UNEXPECTED', instance },
      detail: 'an internal error, see the log of the daemon',
    });
  const { code, kind, message: detail, remedy } = error;
  return {
    ...describe(STATUS_OF_CODE[code] ?? STATUS_OF_KIND[kind], { code, detail, instance }),
    ...(remedy === undefined ? {} : { remedy }),
    ...(error instanceof RequestFault ? { errors: [...error.errors] } : {}),
  };
}

function describe(status: number, about: Pick<Problem, 'code' | 'detail' | 'instance'>): Problem {
  const title = TITLES[status] ?? 'Error';
  return { type: `/api/v1/problems/${about.code}`, title, status, ...about };
}
