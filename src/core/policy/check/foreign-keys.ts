import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { OUR_TABLES } from '../schema/our-tables.ts';
import { qualified } from '../repair/policy-sql.ts';
import { flagOf, optionalText, textOf } from '../row.ts';

const CHECK = 'foreign_keys';

// Keys of chunks follow those of their table. ON UPDATE matters only to columns other than `id`: ids never change.
const KEYS = `
SELECT format('%I.%I', n.nspname, t.relname) AS "table", quote_ident(k.conname) AS name, r.relname::text AS referenced,
  pg_get_constraintdef(k.oid) AS definition, t.relnamespace = r.relnamespace AND t.relname = ANY ($1::text[]) AS own,
  k.confdeltype IN ('a', 'r') AS keeps_rows,
  k.confupdtype IN ('a', 'r') AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attnum = ANY (k.confkey) AND a.attname <> 'id') AS keeps_keys,
  EXISTS (SELECT FROM timescaledb_information.hypertables h WHERE h.hypertable_schema = current_schema() AND h.hypertable_name = r.relname) AS chunks,
  (SELECT string_agg(DISTINCT g.tgrelid::regclass::text, ' and ') FROM pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgenabled NOT IN ('O', 'A')) AS unchecked,
  pg_has_role(t.relowner, 'USAGE') AS manageable, pg_get_userbyid(t.relowner)::text AS owner
FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_class r ON r.oid = k.confrelid AND r.relnamespace = current_schema()::regnamespace AND r.relname = ANY ($1::text[])
WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = t.oid)
ORDER BY 1, 2`;

/** The foreign keys between these tables are checked, and none of another program keeps them from what is declared. */
export const foreignKeysCheck: PolicyCheck = {
  name: CHECK,
  about: 'foreign keys are checked, and none of another program is in the way',
  queries: () => [{ text: KEYS, values: [OUR_TABLES] }],
  evaluate: (_plan, { server }, [rows = []]) =>
    rows.flatMap((row) => (flagOf(row, 'own') ? ownKey(row, server.schema) : othersKey(row))),
};

/** PostgreSQL checks a foreign key by triggers of its own, which `DISABLE TRIGGER ALL` takes along. */
function ownKey(row: CatalogRow, schema: string): readonly Finding[] {
  const [table, name, unchecked] = [
    textOf(row, 'table'),
    textOf(row, 'name'),
    optionalText(row, 'unchecked'),
  ];
  if (unchecked === undefined) return [];
  const referenced = textOf(row, 'referenced');
  const definition = textOf(row, 'definition').replace(
    `REFERENCES ${referenced}(`,
    `REFERENCES ${qualified(schema, referenced)}(`,
  );
  return [
    {
      ...{ check: CHECK, subject: `${table} ${name}`, verdict: 'paused', severity: 'warning' },
      expected: `the foreign key ${name} is checked`,
      actual: `its triggers on ${unchecked} are disabled: rows of what was deleted stay, or are stored`,
      // Made anew, it has triggers that are enabled, and no superuser is needed.
      remedy: `ALTER TABLE ${table} DROP CONSTRAINT ${name}, ADD CONSTRAINT ${name} ${definition}; -- a 23503 of it names a row to delete first`,
    },
  ];
}

function othersKey(row: CatalogRow): readonly Finding[] {
  const [table, name, referenced] = [textOf(row, 'table'), textOf(row, 'name'), textOf(row, 'referenced')];
  const effect = effectOf(row, referenced);
  if (effect === undefined) return [];
  const who = flagOf(row, 'manageable') ? '' : `as ${textOf(row, 'owner')} or superuser: `;
  return [
    {
      ...{ check: CHECK, subject: `${table} ${name}`, verdict: 'extra', severity: effect.severity },
      expected: `no foreign key of another program keeps rows of ${referenced}`,
      actual: `${table} has the ${textOf(row, 'definition')}: ${effect.text}`,
      remedy: `${who}ALTER TABLE ${table} DROP CONSTRAINT ${name};${effect.instead}`,
    },
  ];
}

type Effect = Pick<Finding, 'severity'> & Readonly<Record<'text' | 'instead', string>>;

function effectOf(row: CatalogRow, referenced: string): Effect | undefined {
  // TimescaleDB drops and empties no chunk that a foreign key refers to, whatever its action, and whether or not it has such a row.
  if (flagOf(row, 'chunks'))
    return {
      severity: 'critical',
      text: `chunks of ${referenced} cannot be dropped or compressed`,
      instead: '',
    };
  const kept = [
    ...(flagOf(row, 'keeps_rows') ? ['deleted or merged'] : []),
    ...(flagOf(row, 'keeps_keys') ? ['renamed'] : []),
  ];
  if (kept.length === 0) return undefined;
  return {
    severity: 'info',
    text: `what it refers to in ${referenced} cannot be ${kept.join(', nor ')}`,
    instead: ` -- or delete its rows before \`fieldwatch sensors forget\``,
  };
}
