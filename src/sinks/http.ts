import { SinkError, type SinkFault } from '../core/notify/sink-error.ts';
import { certificateFault } from './certificate.ts';

export interface HttpRequest {
  readonly url: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The fault that an answer reports where its status alone does not; undefined: the status decides. */
  readonly faultOf?: (status: number, answer: string) => AnswerFault | undefined;
  /** Bytes of an answer that are read; default: 4096. */
  readonly maxAnswer?: number;
  /** Secrets that must not appear in a message, wherever it comes from: the far side may echo them. */
  readonly secrets?: readonly (string | undefined)[];
}

export interface AnswerFault {
  readonly fault: SinkFault;
  readonly retryAfterMs?: number | undefined;
}

/** No more of an answer is read or awaited. */
const MAX_ANSWER = 4096;
const MAX_SHOWN = 200;
const MAX_RETRY_AFTER_S = 3600;

/**
 * Node loads its HTTP client when it is first used: at the start, so that a limit that keeps it from loading ends the start
 * with its reason, and not the daemon at its first alert.
 */
export function loadHttpClient(): void {
  void new Response(null);
}

/**
 * One request of a sink; resolves with the (cut) answer of a 2xx, rejects with a SinkError otherwise. A redirect is
 * refused instead of followed: it would carry the credentials and the alert to wherever the answer says.
 */
export async function request(
  {
    url,
    method = 'POST',
    headers = {},
    body,
    secrets = [],
    faultOf: meaning,
    maxAnswer = MAX_ANSWER,
  }: HttpRequest,
  signal: AbortSignal,
): Promise<string> {
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers: { 'user-agent': 'fieldwatch', ...headers },
      redirect: 'manual',
      signal,
      ...(body === undefined ? {} : { body }),
    });
  } catch (error) {
    throw notReached(url, error, secrets);
  }
  const answer = await readSome(response, maxAnswer).catch(() => '');
  if (response.ok) return answer;
  const { status } = response;
  const shown = clean(answer, secrets);
  const said = response.type === 'opaqueredirect' || (status >= 300 && status < 400) ? 'a redirect' : shown;
  const { fault, retryAfterMs } = meaning?.(status, answer) ?? { fault: faultOf(status) };
  throw new SinkError(fault, `${hostOf(url)}: HTTP ${status}${said === '' ? '' : `: ${said}`}`, {
    ...(retryAfterMs === undefined
      ? retryAfter(response.headers.get('retry-after'))
      : { retryAfterMs: Math.min(retryAfterMs, MAX_RETRY_AFTER_S * 1000) }),
  });
}

/** Whether anything answers HTTP there, whatever it says to a HEAD. */
export async function reach(url: string, signal: AbortSignal): Promise<string> {
  try {
    const response = await fetch(url, { method: 'HEAD', redirect: 'manual', signal });
    await response.body?.cancel();
    return `${hostOf(url)} answers`;
  } catch (error) {
    throw notReached(url, error, []);
  }
}

function notReached(url: string, error: unknown, secrets: readonly (string | undefined)[]): SinkError {
  const certificate = certificateFault(error);
  const reason = `${hostOf(url)}: ${clean(reasonOf(error), secrets)}`;
  return certificate === undefined
    ? new SinkError('away', reason)
    : new SinkError('certificate', `${reason} (${certificate})`);
}

/** Among 4xx only a fault of the notification itself is final; what the operator can fix is retried. */
export function faultOf(status: number): SinkFault {
  if (status === 401 || status === 403 || status === 407) return 'auth';
  if (status < 400 || [404, 405, 410].includes(status)) return 'setup';
  if (status >= 500 || [408, 421, 425, 429].includes(status)) return 'away';
  return 'refused';
}

/** The only part of a URL that is ever shown: the rest may be a secret. */
export function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return 'the configured url';
  }
}

/** Credentials inside a URL as a header, where fetch wants them. */
export function splitCredentials(url: string): { readonly url: string; readonly authorization?: string } {
  const parsed = new URL(url);
  if (parsed.username === '' && parsed.password === '') return { url };
  const user = decodeURIComponent(parsed.username);
  const password = decodeURIComponent(parsed.password);
  parsed.username = '';
  parsed.password = '';
  return { url: parsed.href, authorization: basic(user, password) };
}

export interface HttpCredentials {
  readonly token?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** The header, and the secrets in it. */
export function credentials({ token, username, password }: HttpCredentials): {
  readonly headers: Readonly<Record<string, string>>;
  readonly secrets: readonly (string | undefined)[];
} {
  const authorization =
    token !== undefined
      ? `Bearer ${token}`
      : username !== undefined
        ? basic(username, password ?? '')
        : undefined;
  return {
    headers: authorization === undefined ? {} : { authorization },
    secrets: [token, password, authorization],
  };
}

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** One line, cut, without any of the secrets. */
export function clean(text: string, secrets: readonly (string | undefined)[]): string {
  const known = secrets.filter((secret): secret is string => secret !== undefined && secret.length >= 3);
  const scrubbed = known
    .sort((a, b) => b.length - a.length)
    .reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
  return scrubbed
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_SHOWN);
}

/** `fetch failed` has no detail; its cause has. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof AggregateError && cause.errors[0] instanceof Error) return cause.errors[0].message;
  return cause instanceof Error && cause.message !== '' ? cause.message : error.message;
}

async function readSome(response: Response, most: number): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return '';
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size < most) {
    const { done, value } = (await reader.read()) as { done: boolean; value?: Uint8Array };
    if (done || value === undefined) return textOf(chunks, most);
    chunks.push(value);
    size += value.length;
  }
  await reader.cancel();
  return textOf(chunks, most);
}

const textOf = (chunks: readonly Uint8Array[], most: number) =>
  Buffer.concat(chunks).subarray(0, most).toString('utf8');

function retryAfter(header: string | null): { retryAfterMs?: number } {
  const seconds = Number(header ?? Number.NaN);
  if (header === null || !(seconds >= 0)) return {};
  return { retryAfterMs: Math.min(seconds, MAX_RETRY_AFTER_S) * 1000 };
}
