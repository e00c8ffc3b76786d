import { type ErrorKind, FieldwatchError, messageOf } from '../../core/errors.ts';

/**
 * Classification of a database failure, by its SQLSTATE or errno and never by the server's text: texts are translated
 * and change between versions. One table for the whole adapter; each line has a test.
 *
 * Two codes stand for the absence of one. `DB_CONNECTION_LOST` is an error of the driver without any code: node-pg
 * reports a killed backend as a bare Error. `DB_UNKNOWN` is a code that is not in the table: its kind is `transient`, so
 * it is retried, but the caller must stop after some attempts and park the batch rather than drop it.
 */
export interface Classification {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly remedy?: string;
  /** The connection is gone, or must be treated so: a COMMIT under way may or may not have happened. */
  readonly lost?: true;
}

const LOST: Classification = {
  code: 'DB_CONNECTION_LOST',
  kind: 'transient',
  lost: true,
  remedy: 'If it stays, look at the server log and at the network between.',
};
const UNREACHABLE: Classification = {
  code: 'DB_UNREACHABLE',
  kind: 'transient',
  lost: true,
  remedy: 'Check host and port of database.url, that the server runs, and the firewall between.',
};
const STARTING: Classification = { code: 'DB_UNAVAILABLE', kind: 'transient', lost: true };
const CONTENTION: Classification = { code: 'DB_CONTENTION', kind: 'transient' };
const RESOURCES: Classification = {
  code: 'DB_RESOURCES',
  kind: 'transient',
  remedy:
    'Give the server room: disk, memory, max_connections or max_locks_per_transaction, as the message says.',
};
const TOO_MANY_CONNECTIONS: Classification = {
  code: 'DB_RESOURCES',
  kind: 'transient',
  remedy:
    'fieldwatch needs 8 connections more than database.pool (12 with the defaults), and one for each command; 3 are enough to ' +
    'store readings, with database.pool: 1. Raise the CONNECTION LIMIT of the role or max_connections, or lower database.pool.',
};
const POOL_BUSY: Classification = {
  code: 'DB_POOL_BUSY',
  kind: 'transient',
  remedy: 'All connections for lookups are at work: raise database.pool, or look for slow statements.',
};
const POOLER: Classification = {
  code: 'DB_POOLER',
  kind: 'transient',
  lost: true,
  remedy:
    'A pooler before the server gave up, or refuses a setting of database.url: see its log. It has to pool whole sessions.',
};
const BAD_ROW: Classification = {
  code: 'DB_ROW_REFUSED',
  kind: 'data',
  remedy: 'A value that the tables cannot hold: the dead letter has the message and what the database said.',
};
// Raised by PL/pgSQL: the tables of fieldwatch have no trigger that does.
const RAISED: Classification = {
  code: 'DB_ROW_REFUSED',
  kind: 'data',
  remedy:
    'A trigger that was added to the tables of fieldwatch raises this: see \\d of the table in psql. The dead letter has the message.',
};
// Away, as a server that is down: a database is renamed away for a restore, and comes back.
const NO_DATABASE: Classification = {
  code: 'DB_NO_DATABASE',
  kind: 'transient',
  lost: true,
  remedy: 'Create the database that database.url names, or correct the name.',
};
const SCHEMA: Classification = {
  code: 'DB_SCHEMA',
  kind: 'schema',
  remedy: 'Run `fieldwatch migrate --status`; the schema is not what this version expects.',
};
const AUTH: Classification = {
  code: 'DB_AUTH',
  kind: 'auth',
  remedy:
    'Check user, password and pg_hba.conf; a rotated password file is read again at the next connection.',
};
const RIGHTS: Classification = {
  code: 'DB_RIGHTS',
  kind: 'auth',
  remedy:
    'Grant the role what docs/policies.md (Rights) lists: it needs to own the tables, and to use what the extension has; `fieldwatch policies verify` names what is missing.',
};
// No fault of the configuration as such: a certificate that ran out is renewed at the other end.
const TLS: Classification = {
  code: 'DB_TLS',
  kind: 'auth',
  remedy: 'Check database.tls.ca_file and that the certificate names the host of database.url.',
};
const NO_TLS: Classification = {
  code: 'DB_TLS',
  kind: 'auth',
  remedy:
    'Turn TLS on in the server (ssl = on), or set sslmode=disable in database.url on a network you trust.',
};
const BUG: Classification = {
  code: 'DB_BUG',
  kind: 'bug',
  remedy: 'Please report this with the log around it.',
};
export const UNKNOWN: Classification = {
  code: 'DB_UNKNOWN',
  kind: 'transient',
  remedy: 'An error without a rule: it is retried, then set aside. Please report its code.',
};

/** Exact codes before classes (their first two characters). */
const BY_SQLSTATE: Readonly<Record<string, Classification>> = {
  '08': UNREACHABLE,
  '08P01': BAD_ROW, // protocol violation: binary COPY with a wrong field length, not a lost link
  '0A': SCHEMA,
  '22': BAD_ROW,
  '23': BAD_ROW,
  '25': BUG,
  '25006': {
    code: 'DB_READ_ONLY',
    kind: 'transient',
    lost: true, // reconnect: after a failover the name leads to the new primary
    remedy:
      'The server is a standby, or default_transaction_read_only is on for the server, database or role: reset it, point ' +
      'database.url at the primary, or list all hosts (postgres://a,b/name).',
  },
  '25P03': LOST, // idle in transaction for too long: this process was frozen
  '26': BUG,
  '28': AUTH,
  '34': BUG,
  '3D': NO_DATABASE,
  '3F': SCHEMA,
  '40': CONTENTION, // 40001 serialization, 40P01 deadlock; 40003 completion unknown
  '42': SCHEMA,
  '42501': RIGHTS,
  '53': RESOURCES,
  '53300': TOO_MANY_CONNECTIONS,
  '53400': {
    code: 'DB_BATCH_TOO_BIG',
    kind: 'transient', // the same batch would fail for ever: send a smaller one
    remedy:
      'Late rows touch too many compressed ones, and the batch is made smaller by itself; where even one row is too much, ' +
      'raise timescaledb.max_tuples_decompressed_per_dml_transaction.',
  },
  '55': {
    code: 'DB_OBJECT_STATE',
    kind: 'transient', // in use, or locked by a compression run
    remedy:
      'If it stays, `fieldwatch policies verify` names the cause: such as a publication without replica identity.',
  },
  '55P03': CONTENTION,
  '57': STARTING,
  '57014': { code: 'DB_TIMEOUT', kind: 'transient', remedy: 'Raise database.statement_timeout.' },
  '57P04': NO_DATABASE, // dropped while connected
  '58': RESOURCES,
  '58P01': {
    code: 'DB_SERVER_FILE',
    kind: 'transient',
    lost: true,
    remedy:
      'The server lacks one of its files, which the message names: see its log; a table of which it is lost is restored from a backup.',
  },
  P0001: RAISED, // RAISE EXCEPTION
  P0004: RAISED, // ASSERT
  TS: SCHEMA,
};

/** The library of an extension in the version that this database still has. Paths are not translated. */
const EXTENSION_FILE: Classification = {
  code: 'DB_EXTENSION_FILE',
  kind: 'transient',
  lost: true,
  remedy:
    "The server has no library of this database's version of the extension, as after an upgrade of its package. As superuser: " +
    "psql -X -d DATABASE -c 'ALTER EXTENSION timescaledb UPDATE'",
};

const BY_ERRNO: Readonly<Record<string, Classification>> = {
  ECONNREFUSED: UNREACHABLE,
  ECONNRESET: LOST,
  EPIPE: LOST,
  ECONNABORTED: LOST,
  ETIMEDOUT: UNREACHABLE,
  EHOSTUNREACH: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
  EHOSTDOWN: UNREACHABLE,
  ENETDOWN: UNREACHABLE,
  EADDRNOTAVAIL: UNREACHABLE,
  ENOTFOUND: UNREACHABLE,
  EAI_AGAIN: UNREACHABLE,
  ENOENT: UNREACHABLE, // the unix socket is not there
  EACCES: UNREACHABLE,
  EMFILE: RESOURCES,
  ENFILE: RESOURCES,
  CERT_HAS_EXPIRED: TLS,
  CERT_NOT_YET_VALID: TLS,
  DEPTH_ZERO_SELF_SIGNED_CERT: TLS,
  SELF_SIGNED_CERT_IN_CHAIN: TLS,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: TLS,
  UNABLE_TO_GET_ISSUER_CERT: TLS,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: TLS,
  ERR_TLS_CERT_ALTNAME_INVALID: TLS,
  EPROTO: TLS,
};

/** The beginnings of texts of the driver itself, without a code; its version is pinned, they are not translated. */
const BY_DRIVER_TEXT: readonly (readonly [string, Classification])[] = [
  ['The server does not support SSL connections', NO_TLS],
  ['SASL: ', AUTH], // a SCRAM exchange that the driver breaks off
  ['timeout expired', UNREACHABLE], // no connection within connect_timeout; and so says the pool:
  ['Connection terminated due to connection timeout', UNREACHABLE],
  ['timeout exceeded when trying to connect', POOL_BUSY],
];

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** The code of a driver error: an SQLSTATE, an errno, or undefined. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** True where `code` has the shape of an SQLSTATE: the server has answered. */
export const isSqlState = (code: string | undefined): boolean =>
  code !== undefined && SQLSTATE.test(code) && BY_ERRNO[code] === undefined;

/** True of what a trigger raises by itself. */
export const isRaised = (error: unknown): boolean => ['P0001', 'P0004'].includes(codeOf(error) ?? '');

/** Pure: the classification of an error. */
export function classify(error: unknown): Classification {
  const code = codeOf(error);
  if (code === undefined) return isProgrammingError(error) ? BUG : withoutCode(messageOf(error));
  const byErrno = BY_ERRNO[code];
  if (byErrno !== undefined) return byErrno;
  if (!isSqlState(code)) return code.startsWith('ERR_') ? BUG : UNKNOWN;
  // PgBouncer's own errors have this code, and end the connection.
  if (code === '08P01' && (error as { severity?: unknown }).severity === 'FATAL')
    return byPooler(messageOf(error));
  if (code === '58P01' && /\btimescaledb\b/.test(messageOf(error))) return EXTENSION_FILE;
  return BY_SQLSTATE[code] ?? BY_SQLSTATE[code.slice(0, 2)] ?? UNKNOWN;
}

/** PgBouncer has one code for all; its texts are not translated. */
const byPooler = (text: string): Classification =>
  /authentication failed|auth failed|no such user/i.test(text)
    ? AUTH
    : /no such database/i.test(text)
      ? NO_DATABASE
      : POOLER;

const withoutCode = (text: string): Classification =>
  BY_DRIVER_TEXT.find(([beginning]) => text.startsWith(beginning))?.[1] ?? LOST;

/** A fault of our own code has no code either, and must not pass for a lost connection. */
function isProgrammingError(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof ReferenceError ||
    error instanceof SyntaxError ||
    !(error instanceof Error)
  );
}

/** Wraps a driver error; an error that is ours already passes through. `doing` says where: "storing a batch". */
export function databaseError(error: unknown, doing: string): FieldwatchError {
  if (error instanceof FieldwatchError) return error;
  const verdict = classify(error);
  const code = codeOf(error);
  const remedy = ownRemedy(error, verdict) ?? verdict.remedy;
  return new FieldwatchError(
    `database: ${doing}: ${messageOf(error)}${code === undefined ? '' : ` (${code})`}`,
    {
      code: verdict.code,
      kind: verdict.kind,
      cause: error,
      ...(remedy === undefined ? {} : { remedy }),
    },
  );
}

/** The embedded server says with a refused login where its password is. */
function ownRemedy(error: unknown, { kind }: Classification): string | undefined {
  const { hint } = error as { readonly hint?: unknown };
  return kind === 'auth' && codeOf(error) === '28P01' && typeof hint === 'string' ? hint : undefined;
}
