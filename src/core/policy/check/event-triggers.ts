import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { identifier } from '../repair/policy-sql.ts';
import { flagOf, textOf } from '../row.ts';

const CHECK = 'event_triggers';

/** Commands that a batch, a migration or a remedy runs. */
const COMMANDS = [
  ...['CREATE TABLE', 'ALTER TABLE', 'CREATE INDEX', 'DROP TABLE', 'DROP TRIGGER', 'DROP INDEX'],
  ...['CREATE MATERIALIZED VIEW', 'CREATE VIEW', 'ALTER MATERIALIZED VIEW', 'CREATE FUNCTION', 'GRANT'],
];

// RAISE with a level below EXCEPTION only logs. Triggers of extensions are not checked.
const TRIGGERS = `
SELECT e.evtname::text AS name, p.oid::regprocedure::text AS function,
  p.prosrc ~* '\\m(if|case|when)\\M' OR e.evttags IS NOT NULL AS conditional,
  e.evttags IS NULL OR 'CREATE TABLE' = ANY (e.evttags) AS of_tables
FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid
WHERE e.evtenabled <> 'D' AND (e.evttags IS NULL OR e.evttags && $1::text[])
  AND p.prosrc ~* '\\mraise\\M(?!\\s+(debug|log|info|notice|warning)\\M)|\\massert\\M'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e')
ORDER BY 1`;

/**
 * No event trigger of the database rejects the DDL that this program needs: temporary tables of batches, migrations,
 * remedies.
 */
export const eventTriggersCheck: PolicyCheck = {
  name: CHECK,
  about: 'no event trigger refuses the DDL of batches, migrations and remedies',
  queries: () => [{ text: TRIGGERS, values: [COMMANDS] }],
  evaluate: (_plan, _facts, [triggers = []]) => triggers.map(evaluate),
};

function evaluate(row: CatalogRow): Finding {
  const name = textOf(row, 'name');
  const conditional = flagOf(row, 'conditional');
  // A conditional one may be about something else: it is known only when it rejects.
  const severity = conditional ? 'info' : flagOf(row, 'of_tables') ? 'critical' : 'warning';
  return {
    ...{ check: CHECK, subject: `event trigger ${name}`, verdict: 'unsafe', severity },
    expected: 'no event trigger that raises an exception',
    actual: `${name} calls ${textOf(row, 'function')}, which raises an exception${conditional ? ' on a condition' : ''}: temporary tables of batches, migrations and remedies may be refused`,
    remedy: `as superuser: ALTER EVENT TRIGGER ${identifier(name)} DISABLE; -- or let it pass the role of fieldwatch`,
  };
}
