import type { Catalog, CatalogRow } from './catalog.ts';
import { OUR_TABLES } from './schema/our-tables.ts';
import { flagOf, numberOf, optionalText, textOf } from './row.ts';

/** Another session that blocks readers of one of our tables, or of TimescaleDB's metadata for it. */
export interface LockHolder {
  /** For display. */
  readonly session: string;
  readonly remedy: string;
}

const MOST_HOLDERS = 3;

// Holders of locks that block readers, and sessions that block those waiting for such a lock: readers queue behind
// these.
const HOLDERS = `
WITH locked AS (SELECT l.pid, l.granted, CASE WHEN n.nspname = current_schema() THEN c.relname::text ELSE format('%I.%I', n.nspname, c.relname) END AS relation
  FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (n.nspname = current_schema() AND c.relname = ANY ($1::text[]) OR n.nspname ~ '^_timescaledb_')),
holder AS (SELECT pid, relation FROM locked WHERE granted
  UNION SELECT blocking.pid, locked.relation FROM locked CROSS JOIN LATERAL unnest(pg_blocking_pids(locked.pid)) AS blocking(pid)
  WHERE NOT locked.granted)
SELECT a.pid, a.usename::text AS role, nullif(a.application_name, '') AS application, a.xact_start::text AS since,
  (array_agg(holder.relation ORDER BY holder.relation ~ '^_timescaledb_', holder.relation))[1] AS relation, r.rolsuper AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    OR NOT (pg_has_role(a.usesysid, 'MEMBER') OR pg_has_role('pg_signal_backend', 'MEMBER')) AS of_superuser
FROM holder JOIN pg_stat_activity a ON a.pid = holder.pid JOIN pg_roles r ON r.oid = a.usesysid
GROUP BY a.pid, a.usename, a.application_name, a.xact_start, a.usesysid, r.rolsuper
ORDER BY a.xact_start NULLS LAST, a.pid LIMIT ${MOST_HOLDERS}`;

/** Run when a query timed out waiting: the sessions it may have waited for, as far as they still exist. Never rejects. */
export async function lockHolders(catalog: Catalog): Promise<readonly LockHolder[]> {
  const rows = await catalog.select(HOLDERS, [OUR_TABLES]).catch((): readonly CatalogRow[] => []);
  return rows.map((row) => {
    const pid = numberOf(row, 'pid');
    const application = optionalText(row, 'application');
    const since = optionalText(row, 'since');
    return {
      session: `pid ${pid} of ${textOf(row, 'role')}${application === undefined ? '' : ` (${application})`} locks ${textOf(row, 'relation')}${since === undefined ? '' : ` in a transaction since ${since}`}`,
      remedy: `${flagOf(row, 'of_superuser') ? 'as superuser: ' : ''}SELECT pg_terminate_backend(${pid});`,
    };
  });
}
