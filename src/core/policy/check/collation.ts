import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { identifier } from '../repair/policy-sql.ts';
import { optionalText } from '../row.ts';

const CHECK = 'collation';

const QUERY = `
SELECT datcollversion AS recorded, pg_database_collation_actual_version(oid) AS actual
FROM pg_database WHERE datname = current_database()`;

/**
 * Indexes of texts are in the order of the library that built them. After an upgrade of the system, or a restore of
 * the files on another one, a lookup by key may miss an existing row, and a unique index may admit it twice.
 */
export const collationCheck: PolicyCheck = {
  name: CHECK,
  about: 'the order of texts is the one with which the indexes were built',
  queries: () => [{ text: QUERY }],
  evaluate: (_plan, { server }, [rows = []]) => rows.flatMap((row) => evaluate(row, server.database)),
};

function evaluate(row: CatalogRow, database: string): readonly Finding[] {
  const [recorded, actual] = [optionalText(row, 'recorded'), optionalText(row, 'actual')];
  if (recorded === undefined || actual === undefined || recorded === actual) return [];
  const name = identifier(database);
  return [
    {
      ...{ check: CHECK, subject: 'database', verdict: 'mismatched', severity: 'critical' },
      expected: `collation version ${recorded}, with which the indexes of ${database} were built`,
      actual: `version ${actual} of the system's library: sensors and metrics may not be found by their names, and be registered twice`,
      remedy: `with the daemon stopped, as superuser: REINDEX DATABASE ${name}; ALTER DATABASE ${name} REFRESH COLLATION VERSION; -- a 23505 of it names rows that were stored twice meanwhile`,
    },
  ];
}
