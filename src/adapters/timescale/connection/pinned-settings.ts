import { DEFAULT_TIMEOUTS, type DatabaseOptions } from './connection.ts';

/** The process of the server behind a connection. */
export interface Backend {
  /** 0 in the embedded database, which has one for all. */
  readonly pid: number;
  /** Distinguishes it from a later one with the same number. As the text of the server, microseconds included. */
  readonly startedAt: string | null;
}

/** Facts of a connection that was just made: read in the same round trip that sets it up. */
export interface BackendSettings extends Backend {
  readonly standby: boolean;
  readonly readOnly: boolean;
  readonly encoding: string;
  readonly schema: string | null;
  /** Schemas that hold the tables, where the one in use is not among them. */
  readonly elsewhere: readonly string[];
}

/**
 * Settings that the code relies on, whatever role, database and server have set: how values are read and written, when a
 * connection that leads nowhere is given up by the server (25 s without a sign of the peer, 10 s under a long
 * statement), and that a reply to COMMIT means "on disk".
 */
const FIXED: Readonly<Record<string, string>> = {
  array_nulls: 'on',
  bytea_output: 'hex',
  client_connection_check_interval: '10s',
  DateStyle: 'ISO, MDY',
  default_transaction_isolation: 'read committed',
  extra_float_digits: '1',
  idle_session_timeout: '0',
  IntervalStyle: 'postgres',
  // A plan over hundreds of chunks takes seconds to compile, and milliseconds to run.
  jit: 'off',
  quote_all_identifiers: 'off',
  standard_conforming_strings: 'on',
  tcp_keepalives_count: '3',
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_user_timeout: '30s',
  'timescaledb.enable_dml_decompression': 'on',
  'timescaledb.skip_cagg_invalidation': 'off',
  TimeZone: 'UTC',
  transaction_timeout: '0',
  transform_null_equals: 'off',
};

/** Sets what differs, and reads `ServerFacts`: statements for one round trip, the facts come last. */
export function pinScript(options: DatabaseOptions, searchPathGiven: boolean): string {
  const limits = {
    statement_timeout: options.statementTimeoutMs ?? DEFAULT_TIMEOUTS.statementTimeoutMs,
    lock_timeout: options.lockTimeoutMs ?? DEFAULT_TIMEOUTS.lockTimeoutMs,
    idle_in_transaction_session_timeout: options.idleInTransactionMs ?? DEFAULT_TIMEOUTS.idleInTransactionMs,
  };
  const wanted = [
    ...Object.entries(FIXED),
    ...Object.entries(limits).map(([name, ms]) => [name, `${Math.round(ms)}ms`] as const),
  ];
  // Only Linux can look whether a client is still there while a statement runs; elsewhere setting it is an error. The
  // embedded database has no sockets.
  return `SELECT set_config(name, value, false)
  FROM (VALUES ${wanted.map(([name, value]) => `(${quoted(name)}, ${quoted(value)})`).join(', ')}) AS wanted (name, value)
 WHERE current_setting(name, true) IS DISTINCT FROM value AND current_setting(name, true) IS NOT NULL
   AND (name <> 'client_connection_check_interval' OR version() LIKE '%linux%')
   AND (name NOT LIKE 'tcp%' OR pg_backend_pid() > 0);
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
${pinnedSchema(options.schema, searchPathGiven)};
${FACTS}`;
}

/** Schemas with a migration table of ours; another program's table of that name has no checksum. */
const HOMES = `
  SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relname = 'schema_migrations' AND c.relkind = 'r'
     AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'checksum')`;

/**
 * The schema that has the tables comes first, then that of the extension, so that its functions are found wherever it
 * is, then what was there. Where the role's own search_path leads to another schema, the only one that has the tables
 * is meant, not an empty one that would be filled anew; where it leads nowhere and there are no tables yet, `public`.
 * `pg_catalog` is left out: PostgreSQL searches it first unless it is named. What
 * it calls is qualified: until then an overload in any schema may be called instead.
 */
function pinnedSchema(schema: string | undefined, searchPathGiven: boolean): string {
  const home =
    schema !== undefined
      ? quoted(schema)
      : searchPathGiven
        ? 'pg_catalog.current_schema()'
        : `(SELECT CASE WHEN pg_catalog.count(*) = 1 THEN pg_catalog.min(nspname)
                   ELSE coalesce(pg_catalog.current_schema(), pg_catalog.to_regnamespace('public')::text) END FROM
            (SELECT nspname::text FROM homes WHERE nspname = pg_catalog.current_schema() OR pg_catalog.current_schema() IS NULL
              OR NOT EXISTS (SELECT FROM homes WHERE nspname = pg_catalog.current_schema())) AS possible)`;
  return `WITH homes AS (${HOMES})
SELECT pg_catalog.set_config('search_path', pg_catalog.string_agg(pg_catalog.quote_ident(name), ', ' ORDER BY rank), false)
  FROM (SELECT name, pg_catalog.min(rank) AS rank
          FROM (SELECT ${home} AS name, 1 AS rank
                UNION ALL SELECT n.nspname::text, 2 FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                           WHERE e.extname = 'timescaledb'
                UNION ALL SELECT name::text, 2 + rank::int
                            FROM unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS given (name, rank)) AS every
         WHERE name IS NOT NULL AND name <> 'pg_catalog' GROUP BY name) AS path
HAVING pg_catalog.count(*) > 0`;
}

const FACTS = `
SELECT pg_backend_pid() AS pid, (SELECT backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()) AS "startedAt",
  pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS "readOnly",
  current_setting('server_encoding') AS encoding, current_schema()::text AS schema,
  ARRAY(SELECT nspname::text FROM (${HOMES}) AS homes
         WHERE NOT EXISTS (SELECT FROM (${HOMES}) AS h WHERE h.nspname = current_schema()) ORDER BY 1) AS elsewhere`;

/** A text that cannot end its own quotes, whatever \`standard_conforming_strings\` was before. */
const quoted = (text: string) => `'${text.replaceAll("'", "''").replaceAll('\\', '')}'`;
