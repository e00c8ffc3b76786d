import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { OUR_TABLES } from '../schema/our-tables.ts';
import { literal } from '../repair/policy-sql.ts';
import { flagOf, textOf } from '../row.ts';

const CHECK = 'prepared';

// It belongs to no session: its locks have no pid, and survive a restart of the server. A transaction manager ends
// its own within moments. Only lock modes that block writers.
const QUERY = `
SELECT p.gid, p.owner::text AS owner, p.prepared::text AS since, pg_has_role(p.owner, 'USAGE') AND p.owner = current_user AS own,
  bool_or(l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')) AS blocks,
  string_agg(DISTINCT t.relname, ', ') AS relations
FROM pg_prepared_xacts p
JOIN pg_locks x ON x.locktype = 'transactionid' AND x.transactionid = p.transaction AND x.pid IS NULL
JOIN pg_locks l ON l.virtualtransaction = x.virtualtransaction AND l.pid IS NULL AND l.locktype = 'relation'
JOIN pg_class t ON t.oid = coalesce((SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = l.relation LIMIT 1), l.relation)
JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = current_schema()
WHERE p.database = current_database() AND t.relname = ANY ($1::text[]) AND p.prepared < now() - INTERVAL '1 minute'
GROUP BY p.gid, p.owner, p.prepared ORDER BY p.prepared`;

/** No prepared transaction (two-phase commit) that was abandoned holds locks on the tables. */
export const preparedCheck: PolicyCheck = {
  name: CHECK,
  explains: 'waited',
  about: 'no prepared transaction that was left behind holds locks on the tables',
  queries: (_plan, { server }) => (server.standby ? [] : [{ text: QUERY, values: [OUR_TABLES] }]),
  evaluate: (_plan, _facts, [rows = []]) => rows.map(evaluate),
};

function evaluate(row: CatalogRow): Finding {
  const [gid, owner, blocks] = [textOf(row, 'gid'), textOf(row, 'owner'), flagOf(row, 'blocks')];
  return {
    ...{ check: CHECK, subject: `prepared transaction ${gid}`, verdict: 'stalled' },
    severity: blocks ? 'critical' : 'warning',
    expected: 'prepared transactions are committed or rolled back within a minute',
    actual: `${gid} of ${owner}, prepared at ${textOf(row, 'since')}, holds locks on ${textOf(row, 'relations')}: ${blocks ? 'writes, and checks, wait for it' : 'the rows that it changed cannot be changed by others, and nothing is vacuumed'}`,
    remedy: `${flagOf(row, 'own') ? '' : `as ${owner} or superuser: `}ROLLBACK PREPARED ${literal(gid)}; -- or COMMIT PREPARED, as its transaction manager says`,
  };
}
