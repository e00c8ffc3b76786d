import { searchOf } from '../router.ts';
import { ApiProblem, noAnswer, problemOf, unreachable } from './problem.ts';

export type Query = Readonly<
  Record<string, string | number | boolean | null | undefined | readonly string[]>
>;

export interface ClientOptions {
  /** `/base/api/v1/` */
  readonly root: string;
  readonly fetch: typeof fetch;
  /** A request was refused for want of a token. */
  readonly onUnauthorised: () => void;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;

/** The REST side of the daemon. Every failure is an `ApiProblem`; one that was aborted by its caller is the abort itself. */
export class ApiClient {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  urlOf(path: string, query: Query = {}): string {
    const single: Record<string, string | number | boolean | null | undefined> = {};
    const parameters = new URLSearchParams();
    for (const [key, value] of Object.entries(query))
      if (Array.isArray(value)) for (const one of value as readonly string[]) parameters.append(key, one);
      else single[key] = value as string | number | boolean | null | undefined;
    const search = searchOf(single);
    const rest = parameters.toString();
    const joined = rest === '' ? search : `${search === '' ? '?' : `${search}&`}${rest}`;
    return `${this.#options.root}${path}${joined}`;
  }

  get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
    return this.#send<T>('GET', this.urlOf(path, query), undefined, signal);
  }

  post<T>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    return this.#send<T>('POST', this.urlOf(path), body ?? {}, signal);
  }

  delete<T>(path: string, signal?: AbortSignal): Promise<T> {
    return this.#send<T>('DELETE', this.urlOf(path), undefined, signal);
  }

  async #send<T>(method: string, url: string, body: unknown, signal: AbortSignal | undefined): Promise<T> {
    const timeout = AbortSignal.timeout(this.#options.timeoutMs ?? TIMEOUT_MS);
    const { fetch } = this.#options;
    let answer: Response;
    let content: unknown;
    try {
      answer = await fetch(url, {
        method,
        credentials: 'same-origin',
        headers: {
          accept: 'application/json, application/problem+json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      });
      content = await contentOf(answer);
    } catch (error) {
      if (signal?.aborted) throw error;
      throw timeout.aborted ? noAnswer() : unreachable();
    }
    if (answer.ok) return content as T;
    if (answer.status === 401) this.#options.onUnauthorised();
    throw problemOf(answer.status, content);
  }
}

async function contentOf(answer: Response): Promise<unknown> {
  const text = await answer.text();
  if (text === '' || !/\bjson\b/.test(answer.headers.get('content-type') ?? '')) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    if (!answer.ok) return undefined;
    throw new Error('cut short');
  }
}

/** For texts: whatever was thrown. */
export const asProblem = (error: unknown): ApiProblem =>
  error instanceof ApiProblem
    ? error
    : new ApiProblem({
        status: 0,
        code: 'PAGE',
        title: 'The page failed',
        detail: error instanceof Error ? error.message : String(error),
        remedy: 'Reload the page.',
      });

/** The path of a sensor: its key may hold anything. A browser takes `.` and `..` out of a path, also where they are escaped once. */
export const sensorPath = (key: string): string =>
  `sensors/${encodeURIComponent(/^\.{1,2}$/.test(key) ? key.replaceAll('.', '%2E') : key)}`;
