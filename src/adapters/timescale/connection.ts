import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import { FieldwatchError } from '../../core/errors.ts';

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database?sslmode=verify-full`; `?host=/run/postgresql` for a unix socket. */
  readonly url: string;
  /** Asked at each connect, so that a rotated password is picked up. Wins over one in the URL. */
  readonly password?: string | (() => string | Promise<string>);
  /** PEM files, read again at each connect. */
  readonly tls?: {
    readonly caFile?: string | undefined;
    readonly certFile?: string | undefined;
    readonly keyFile?: string | undefined;
  };
  /** Shown in pg_stat_activity. */
  readonly applicationName?: string;
  /** Server-side bounds of one statement and of one wait for a lock; 0 is no bound. */
  readonly statementTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
  /** For TCP, TLS and login together. */
  readonly connectTimeoutMs?: number;
}

export const DEFAULT_TIMEOUTS = {
  statementTimeoutMs: 60_000,
  lockTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
} as const;

/** First key of every advisory lock of ours; the second tells the schemas of one database apart. */
const LOCK_CLASS = { migrate: 0x66770001, scheduler: 0x66770002, late: 0x66770003 } as const;
export type LockPurpose = keyof typeof LOCK_CLASS;
export const lockKey = (purpose: LockPurpose): string =>
  `${LOCK_CLASS[purpose]}, hashtext(coalesce(current_schema(), ''))`;

/** The pg configuration of one connection. Reads certificate files: call it anew for each connect. */
export async function connectionConfig(options: DatabaseOptions): Promise<pg.ClientConfig> {
  return currentConfig(options);
}

/** The same for who cannot wait: a pool that makes its clients itself. */
export function currentConfig(options: DatabaseOptions): pg.ClientConfig {
  const url = parseUrl(options.url);
  const query = url.searchParams;
  const host = query.get('host') ?? decodeURIComponent(url.hostname.replace(/^\[|\]$/g, ''));
  const startup = query.get('options');
  return {
    ...(host === '' ? {} : { host }),
    ...(url.port === '' ? {} : { port: Number(url.port) }),
    ...(url.username === '' ? {} : { user: decodeURIComponent(url.username) }),
    ...(url.pathname.length > 1 ? { database: decodeURIComponent(url.pathname.slice(1)) } : {}),
    password: () => passwordOf(options, url),
    ...(startup === null ? {} : { options: startup }),
    ssl: tlsOf(options, query),
    application_name: options.applicationName ?? query.get('application_name') ?? 'fieldwatch',
    statement_timeout: options.statementTimeoutMs ?? DEFAULT_TIMEOUTS.statementTimeoutMs,
    lock_timeout: options.lockTimeoutMs ?? DEFAULT_TIMEOUTS.lockTimeoutMs,
    connectionTimeoutMillis: options.connectTimeoutMs ?? DEFAULT_TIMEOUTS.connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: TYPES,
  };
}

/** The URL without its password: for logs and messages. */
export function redactedUrl(text: string): string {
  const url = parseUrl(text);
  if (url.password !== '') url.password = '***';
  if (url.searchParams.has('password')) url.searchParams.set('password', '***');
  return url.href;
}

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch (cause) {
    // The text may hold a password: it is not repeated.
    throw new FieldwatchError('database.url is not a URL such as postgres://user@host:5432/database', {
      code: 'DB_URL',
      kind: 'config',
      cause: (cause as { code?: unknown }).code,
      remedy:
        'Percent-encode special characters in user and password, or keep the password in password_file.',
    });
  }
}

/** Asked when the server wants one, and only then: a client certificate, `trust` and `peer` need none. */
async function passwordOf(options: DatabaseOptions, url: URL): Promise<string> {
  const configured = typeof options.password === 'function' ? await options.password() : options.password;
  const inUrl = url.password === '' ? url.searchParams.get('password') : decodeURIComponent(url.password);
  const password = configured ?? inUrl ?? '';
  if (password !== '') return password;
  throw new FieldwatchError('database: the server asks for a password, and none is configured', {
    code: 'DB_AUTH',
    kind: 'auth',
    remedy: 'Set database.password_file, FIELDWATCH_DATABASE_PASSWORD or the password in database.url.',
  });
}

/**
 * The modes of libpq. `require` encrypts without verifying, as there, unless an authority is given;
 * `prefer` and `allow` would silently fall back to clear text and are refused.
 */
function tlsOf(options: DatabaseOptions, query: URLSearchParams): false | ConnectionOptions {
  const caFile = options.tls?.caFile ?? query.get('sslrootcert') ?? undefined;
  const certFile = options.tls?.certFile ?? query.get('sslcert') ?? undefined;
  const keyFile = options.tls?.keyFile ?? query.get('sslkey') ?? undefined;
  const mode = query.get('sslmode') ?? (caFile === undefined ? 'disable' : 'verify-full');
  if (mode === 'disable') return false;
  if (!['require', 'verify-ca', 'verify-full'].includes(mode)) {
    throw new FieldwatchError(
      `database.url: sslmode=${mode}: expected disable, require, verify-ca or verify-full`,
      {
        code: 'DB_URL',
        kind: 'config',
        remedy: 'Use sslmode=verify-full, with database.tls.ca_file for an authority of your own.',
      },
    );
  }
  return {
    rejectUnauthorized: mode !== 'require' || caFile !== undefined,
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    ...(caFile === undefined ? {} : { ca: readPem(caFile) }),
    ...(certFile === undefined ? {} : { cert: readPem(certFile) }),
    ...(keyFile === undefined ? {} : { key: readPem(keyFile) }),
  };
}

function readPem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new FieldwatchError(`database TLS: cannot read ${file}`, {
      code: 'DB_TLS_FILE',
      kind: 'config',
      cause,
      remedy: 'Check the path, and that the user of the daemon may read it.',
    });
  }
}

const INT8 = 20;
const NUMERIC = 1700;

/** int8 and numeric as numbers: our counts and sums fit. An integer beyond 2^53 stays the text that the server sent. */
const TYPES: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (format !== 'binary' && (oid === INT8 || oid === NUMERIC)) return numberOrText;
    return pg.types.getTypeParser(oid, format) as (value: string) => unknown;
  },
};

function numberOrText(text: string): number | string {
  const value = Number(text);
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? text : value;
}
