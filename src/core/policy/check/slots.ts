import { counted } from '../../counted.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import type { PolicyPlan } from '../plan.ts';
import { literal } from '../repair/policy-sql.ts';
import { flagOf, numberOf, textOf } from '../row.ts';

const CHECK = 'slots';
const GIB = 1024 ** 3;
/** A restarted replica catches up with this in a moment. */
const LEAST_BYTES = GIB;
/** If the disk size is unknown: more than this, and than the database itself, will eventually fill it. */
const MUCH_BYTES = 16 * GIB;

const QUERY = `
SELECT s.slot_name::text AS name, s.slot_type AS type, pg_database_size(current_database())::float8 AS size,
  pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)::float8 AS retained,
  current_setting('max_slot_wal_keep_size') <> '-1' AS bounded
FROM pg_replication_slots s WHERE NOT s.active AND NOT s.temporary AND s.restart_lsn IS NOT NULL
  AND pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn) > ${LEAST_BYTES} ORDER BY 1`;

/** No replication slot without a consumer retains WAL until the disk is full, which would stop the database and thus ingest. */
export const slotsCheck: PolicyCheck = {
  name: CHECK,
  about: 'no replication slot that nothing reads keeps WAL without end',
  queries: (_plan, { server }) => (server.standby ? [] : [{ text: QUERY }]),
  evaluate: (plan, _facts, [rows = []]) => rows.map((row) => evaluate(plan, row)),
};

function evaluate({ disk }: PolicyPlan, row: CatalogRow): Finding {
  const [name, retained, size] = [textOf(row, 'name'), numberOf(row, 'retained'), numberOf(row, 'size')];
  const bounded = flagOf(row, 'bounded');
  const limit = disk.budgetBytes === undefined ? Math.max(MUCH_BYTES, size) : (disk.budgetBytes - size) / 2;
  return {
    ...{ check: CHECK, subject: `slot ${name}`, verdict: 'unsafe' },
    severity: !bounded && retained > limit ? 'critical' : 'warning',
    expected: 'each replication slot has a consumer, or max_slot_wal_keep_size bounds what it keeps',
    actual: `the ${textOf(row, 'type')} slot ${name} is inactive and keeps ${counted(Math.round(retained / GIB), 'GiB', 'GiB')} of WAL${bounded ? '' : '; max_slot_wal_keep_size = -1: until the disk is full'}`,
    remedy: `as superuser: SELECT pg_drop_replication_slot(${literal(name)}); -- if its consumer does not come back; otherwise start that, and bound all slots: ALTER SYSTEM SET max_slot_wal_keep_size = '${Math.max(16, Math.ceil((2 * retained) / GIB))}GB'; SELECT pg_reload_conf();`,
  };
}
