import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import { type DatabaseHost, type DatabaseUrl, readDatabaseUrl } from '../../../core/database-url.ts';
import { FieldwatchError } from '../../../core/errors.ts';

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database?sslmode=verify-full`; `?host=/run/postgresql` for a unix socket. */
  readonly url: string;
  /** Read at each connect, so that a rotated password is picked up. Wins over one in the URL. */
  readonly password?: string | (() => string | Promise<string>);
  /** PEM files, read again at each connect. */
  readonly tls?: {
    readonly caFile?: string | undefined;
    readonly certFile?: string | undefined;
    readonly keyFile?: string | undefined;
  };
  /** Whether a standby is sufficient: for readers. */
  readonly readsOnly?: boolean;
  /** Shown in pg_stat_activity. */
  readonly applicationName?: string;
  /** Where the tables are; without it the schema that has them, or the first of the role's search_path. */
  readonly schema?: string | undefined;
  /** Server-side bounds of one statement and of one wait for a lock; 0 is no bound. */
  readonly statementTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
  /**
   * How long the server waits for the next statement of a transaction before it rolls it back: a process that froze, or
   * that is behind a dead link, must not keep its locks.
   */
  readonly idleInTransactionMs?: number;
  /** For TCP, TLS and login together; also how long a server may be silent under a statement before it is checked. */
  readonly connectTimeoutMs?: number;
}

export const DEFAULT_TIMEOUTS = {
  statementTimeoutMs: 60_000,
  lockTimeoutMs: 10_000,
  idleInTransactionMs: 30_000,
  connectTimeoutMs: 10_000,
} as const;

/** First key of every advisory lock of ours; the second distinguishes the schemas of one database. */
const LOCK_CLASS = {
  migrate: 0x66770001,
  scheduler: 0x66770002,
  late: 0x66770003,
  retry: 0x66770004,
} as const;
export type LockPurpose = keyof typeof LOCK_CLASS;
export const lockKey = (purpose: LockPurpose): string =>
  `${LOCK_CLASS[purpose]}, hashtext(coalesce(current_schema(), ''))`;

/** The URL of the options. Throws where it has a fault. */
export function urlOf({ url }: DatabaseOptions): DatabaseUrl {
  const read = readDatabaseUrl(url);
  if (!('fault' in read)) return read;
  throw new FieldwatchError(`database.url: ${read.fault}`, {
    code: 'DB_URL',
    kind: 'config',
    remedy: 'Percent-encode special characters in user and password, or keep the password in password_file.',
  });
}

/**
 * The pg configuration of one connection to one of the URL's hosts. What a session sets is not in it
 * (`pinned-settings.ts`): a pooler refuses startup parameters.
 */
export function clientConfig(
  options: DatabaseOptions,
  url: DatabaseUrl,
  host: DatabaseHost,
  ssl: pg.ClientConfig['ssl'],
): pg.ClientConfig {
  return {
    ...(host.host === undefined ? {} : { host: host.host }),
    ...(host.port === undefined ? {} : { port: host.port }),
    ...(url.user === undefined ? {} : { user: url.user }),
    ...(url.database === undefined ? {} : { database: url.database }),
    password: () => passwordOf(options, url),
    ...(url.options === undefined ? {} : { options: url.options }),
    ssl,
    enableChannelBinding: url.channelBinding,
    application_name: options.applicationName ?? url.applicationName ?? 'fieldwatch',
    connectionTimeoutMillis: options.connectTimeoutMs ?? DEFAULT_TIMEOUTS.connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: TYPES,
  };
}

/** Read when the server requests one, and only then: a client certificate, `trust` and `peer` need none. */
async function passwordOf(options: DatabaseOptions, url: DatabaseUrl): Promise<string> {
  const configured = typeof options.password === 'function' ? await options.password() : options.password;
  const password = configured ?? url.password ?? '';
  if (password !== '') return password;
  throw new FieldwatchError('database: the server asks for a password, and none is configured', {
    code: 'DB_AUTH',
    kind: 'auth',
    remedy: 'Set database.password_file, FIELDWATCH_DATABASE_PASSWORD or the password in database.url.',
  });
}

/** Stands for the authorities that Node knows, as in libpq. */
const SYSTEM_AUTHORITIES = 'system';

/**
 * The modes of libpq. Reads the certificate files. `require` encrypts without verifying, as there, unless an authority is given;
 * `prefer` and `allow` would silently fall back to clear text and are refused.
 */
export function tlsOf({ tls }: DatabaseOptions, url: DatabaseUrl): false | ConnectionOptions {
  const caFile = tls?.caFile ?? url.sslRootCert;
  const certFile = tls?.certFile ?? url.sslCert;
  const keyFile = tls?.keyFile ?? url.sslKey;
  const mode = url.sslMode ?? (caFile === undefined ? 'disable' : 'verify-full');
  if (mode === 'disable') return false;
  return {
    rejectUnauthorized: mode !== 'require' || caFile !== undefined,
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    ...(caFile === undefined || caFile === SYSTEM_AUTHORITIES ? {} : { ca: readPem(caFile) }),
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
