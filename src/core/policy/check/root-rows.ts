import { counted } from '../../counted.ts';
import type { CatalogRow, CheckQuery } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import { EXPECTED_SCHEMA } from '../schema/expected-schema.ts';
import type { Finding } from '../finding.ts';
import type { PolicyPlan } from '../plan.ts';
import { qualified } from '../repair/policy-sql.ts';
import { numberOf, textOf } from '../row.ts';
import { keyColumns } from '../schema/schema-drift.ts';
import { type CatalogSnapshot, existingRelations } from '../snapshot.ts';

const CHECK = 'root_rows';

const QUERY = `
SELECT c.relname::text AS relation FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relname = ANY ($1::text[]) AND pg_relation_size(c.oid) > 0 ORDER BY 1`;

/**
 * A hypertable keeps its rows in chunks. Rows written while TimescaleDB was switched off (a restore that was not
 * ended, a server without the library) are in the root table itself, and no query sees them: TimescaleDB takes a root
 * table for empty, SELECT ... FROM ONLY included. COPY reads them all the same, and so does a superuser who switches
 * TimescaleDB off.
 */
export const rootRowsCheck: PolicyCheck = {
  name: CHECK,
  about: 'no rows are in the root table of a hypertable, where no query sees them',
  queries: (plan, snapshot) => [{ text: QUERY, values: [hypertables(plan, snapshot)] }],
  followUpQueries: (_plan, _facts, [rows = []]) =>
    rows.map((row): CheckQuery => ({ text: `COPY ${textOf(row, 'relation')} TO STDOUT` })),
  evaluate: (_plan, { server }, [rows = [], ...counts]) =>
    rows.flatMap((row, index) => evaluate(textOf(row, 'relation'), counts[index]?.[0], server.schema)),
};

const hypertables = (plan: PolicyPlan, snapshot: CatalogSnapshot): readonly string[] =>
  existingRelations(plan, snapshot)
    .filter(({ relation }) => relation.kind === 'hypertable')
    .map(({ relation }) => relation.name);

function evaluate(relation: string, row: CatalogRow | undefined, schema: string): readonly Finding[] {
  const rows = row === undefined ? 0 : numberOf(row, 'copied');
  if (rows === 0) return [];
  return [
    {
      check: CHECK,
      subject: relation,
      verdict: 'mismatched',
      severity: 'critical',
      expected: 'all rows in chunks',
      actual: `${counted(rows, 'row')} in the root table ${relation}, written while TimescaleDB was switched off: no query sees ${rows === 1 ? 'it' : 'them'}`,
      remedy: `as superuser, in this database: ${moveRows(relation, qualified(schema, relation))}`,
    },
  ];
}

/** One transaction, locked against writers: no row is lost or duplicated. A row that is already in a chunk stays once. */
function moveRows(relation: string, table: string): string {
  return [
    'BEGIN',
    `LOCK TABLE ONLY ${table}`,
    'SET LOCAL timescaledb.restoring = on',
    `CREATE TEMP TABLE root_rows ON COMMIT DROP AS SELECT * FROM ONLY ${table}`,
    `TRUNCATE ONLY ${table}`,
    'SET LOCAL timescaledb.restoring = off',
    `INSERT INTO ${table} SELECT * FROM root_rows${onConflict(relation)}`,
    'COMMIT;',
  ].join('; ');
}

/** The first value stays, and missing ones are filled in, as wherever readings are stored. */
function onConflict(relation: string): string {
  const { unique = {}, columns = {} } = EXPECTED_SCHEMA.relations[relation] ?? {};
  const [definition] = Object.values(unique);
  if (definition === undefined) return '';
  if (relation !== 'sensor_readings') return ' ON CONFLICT DO NOTHING';
  const key = keyColumns(definition);
  const filled = Object.keys(columns).filter((column) => !key.includes(column));
  const fill = filled.map((column) => `${column} = coalesce(${relation}.${column}, excluded.${column})`);
  return ` ON CONFLICT (${key.join(', ')}) DO UPDATE SET ${fill.join(', ')}`;
}
