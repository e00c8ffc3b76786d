export interface FieldFault {
  /** `/query/limit` */
  readonly pointer: string;
  readonly detail: string;
}

/** An answer that is no success (RFC 9457), or none at all. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string | undefined;
  /** The remedy. */
  readonly remedy: string | undefined;
  /** Faults of single parts of a request. */
  readonly fields: readonly FieldFault[];

  constructor(problem: {
    readonly status: number;
    readonly code: string;
    readonly title: string;
    readonly detail?: string | undefined;
    readonly remedy?: string | undefined;
    readonly fields?: readonly FieldFault[];
  }) {
    super(problem.detail ?? problem.title);
    this.status = problem.status;
    this.code = problem.code;
    this.title = problem.title;
    this.detail = problem.detail;
    this.remedy = problem.remedy;
    this.fields = problem.fields ?? [];
  }
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Meaning of a body that is no problem document, by its status: a proxy in between has its own words. */
const BY_STATUS: Readonly<Record<number, readonly [title: string, remedy: string]>> = {
  401: ['The daemon asks for a token', 'Log in with a token of `http.token_file`.'],
  403: ['Not allowed', 'Log in with a token of the role `operator`.'],
  404: ['Not found', 'It may have been deleted, or the address is wrong.'],
  429: ['Too many requests', 'Wait a moment and try again.'],
  502: ['The proxy does not reach the daemon', 'Look whether the daemon runs.'],
  503: ['The daemon cannot answer at the moment', 'It is tried again; the overview says what is away.'],
  504: ['The daemon did not answer in time', 'Choose a shorter time range, or try again.'],
};

export function problemOf(status: number, body: unknown): ApiProblem {
  const given = isObject(body) ? body : {};
  const [title, remedy] = BY_STATUS[status] ?? [`The daemon answered with status ${status}`, undefined];
  const errors = Array.isArray(given['errors']) ? given['errors'].filter(isObject) : [];
  return new ApiProblem({
    status,
    code: text(given['code']) ?? `HTTP_${status}`,
    title: text(given['title']) ?? title,
    detail: text(given['detail']),
    remedy: text(given['remedy']) ?? remedy,
    fields: errors.map((one) => ({ pointer: text(one['pointer']) ?? '', detail: text(one['detail']) ?? '' })),
  });
}

export const unreachable = (): ApiProblem =>
  new ApiProblem({
    status: 0,
    code: 'UNREACHABLE',
    title: 'The daemon cannot be reached',
    remedy: 'It is tried again by itself. Look whether the daemon runs and the network is there.',
  });

export const noAnswer = (): ApiProblem =>
  new ApiProblem({
    status: 0,
    code: 'TIMEOUT',
    title: 'The daemon did not answer in time',
    remedy: 'Choose a shorter time range, or try again.',
  });
