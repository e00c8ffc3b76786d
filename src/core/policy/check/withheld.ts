import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import { deletesOurs, deletingPatterns } from '../repair/deleting.ts';
import type { Finding } from '../finding.ts';
import { OUR_TABLES } from '../schema/our-tables.ts';
import { identifier, qualified } from '../repair/policy-sql.ts';
import { flagOf, numberOf, textOf } from '../row.ts';
import { type Refusal, type TrialEvent, refusalOf, trialWrite } from '../trial-write.ts';

const CHECK = 'withheld';

const OURS = `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
    AND c.relname = ANY ($1::text[])`;

// Effects that a rollback does not undo, or locks on whole tables.
const REACHES_OUT =
  '\\m(dblink\\w*|http\\w*|net|aws_\\w+|pg_advisory\\w*|pg_background\\w*|pg_sleep\\w*|nextval|setval|copy|program|truncate|drop|alter|create|lock|lo_\\w+)\\M';

// tgtype: 1 for each row, 2 before. A trigger of a hypertable is also on each of its chunks; one of a single chunk is
// not.
const TRIGGERS = `
WITH ours AS (SELECT c.oid, c.relname FROM ${OURS} AND c.relkind = 'r'),
held AS (SELECT ours.oid AS root, ours.oid, ours.relname::text AS relation FROM ours
  UNION ALL SELECT ours.oid, i.inhrelid, i.inhrelid::regclass::text FROM ours JOIN pg_inherits i ON i.inhparent = ours.oid)
SELECT held.relation, (SELECT relname::text FROM ours WHERE ours.oid = held.root) AS root, t.tgname::text AS name, p.oid::regprocedure::text AS function,
  t.tgenabled NOT IN ('O', 'A') AS disabled, t.tgenabled IN ('O', 'A') AS fires, t.tgtype::int AS type,
  (SELECT lanname = 'plpgsql' FROM pg_language WHERE oid = p.prolang) AND p.prosrc !~* '${REACHES_OUT}' AS transactional,
  t.tgtype & 3 = 3 AS before, p.prosrc ~* $2 AS deletes_some,
  f.nspname IN ('_timescaledb_functions', '_timescaledb_internal') AS of_timescale,
  t.tgtype & 3 = 3 AND p.prosrc ~* 'return\\s+null' AS withholds,
  ${deletesOurs(`(p.prosrc || ' ' || CASE WHEN p.prosrc ~* '\\mtg_(table_name|relid)\\M' THEN 'sensors' ELSE '' END)`, '$2', '$3')} AS deletes
FROM pg_trigger t JOIN held ON held.oid = t.tgrelid
JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace f ON f.oid = p.pronamespace
WHERE NOT t.tgisinternal
  AND (held.oid = held.root OR NOT EXISTS (SELECT FROM pg_trigger r WHERE r.tgrelid = held.root AND r.tgname = t.tgname))
ORDER BY relation, name`;

// ev_type: 2 update, 3 insert, 4 delete.
const RULES = `
SELECT c.relname::text AS relation, r.rulename::text AS name FROM ${OURS} AND c.relkind = 'r'
JOIN pg_rewrite r ON r.ev_class = c.oid
WHERE r.is_instead AND r.ev_type IN ('2', '3', '4') AND r.ev_enabled <> 'D' ORDER BY 1, 2`;

const ROW_SECURITY = `
SELECT c.relname::text AS relation, row_security_active(c.oid) AS active, c.relforcerowsecurity AS forced
FROM ${OURS} AND c.relkind = 'r' AND (c.relrowsecurity OR c.relforcerowsecurity) ORDER BY 1`;

/** Nothing between a statement and its table drops rows silently: the server would report success all the same. */
export const withheldCheck: PolicyCheck = {
  name: CHECK,
  about: 'no trigger, rule or row level security takes away rows',
  queries: (_plan, { server }) => [
    { text: TRIGGERS, values: [OUR_TABLES, ...deletingPatterns(server.schema)] },
    ...[RULES, ROW_SECURITY].map((text) => ({ text, values: [OUR_TABLES] })),
  ],
  followUpQueries: (_plan, { server }, [triggers = []]) =>
    server.standby
      ? []
      : trialsOf(triggers).map(({ root, events }) => trialWrite(server.schema, root, events)),
  evaluate: (_plan, { server: { schema } }, [triggers = [], rules = [], tables = [], ...trials]) => [
    ...triggers.flatMap((row) => checkTrigger(row, schema, refusedBy(row, triggers, trials))),
    ...rules.map((row) => checkRule(row, schema)),
    ...tables.map((row) => checkRowSecurity(row, schema)),
  ],
};

const EVENT_BITS: readonly (readonly [TrialEvent, number])[] = [
  ['INSERT', 4],
  ['UPDATE', 16],
  ['DELETE', 8],
];

interface Trial {
  readonly root: string;
  readonly events: readonly TrialEvent[];
}

/**
 * Whether a trigger fails shows only when it is called: where there is one that is not TimescaleDB's, a row is
 * stored, changed and deleted, and all is rolled back. Not if a function may have effects that a rollback does not
 * undo.
 */
function trialsOf(triggers: readonly CatalogRow[]): readonly Trial[] {
  const called = triggers.filter((row) => flagOf(row, 'fires') && !flagOf(row, 'of_timescale'));
  return [...new Set(called.map((row) => textOf(row, 'root')))].flatMap((root) => {
    const own = called.filter((row) => textOf(row, 'root') === root);
    if (own.some((row) => !flagOf(row, 'transactional') || takesAway(row))) return [];
    const events = EVENT_BITS.filter(
      ([event, bit]) => event === 'INSERT' || own.some((row) => (numberOf(row, 'type') & bit) !== 0),
    );
    return [{ root, events: events.map(([event]) => event) }];
  });
}

/** The error of the trial write of its table, if it came from the function of this trigger. */
function refusedBy(
  row: CatalogRow,
  triggers: readonly CatalogRow[],
  trials: readonly (readonly CatalogRow[])[],
): Refusal | undefined {
  const index = trialsOf(triggers).findIndex(({ root }) => root === textOf(row, 'root'));
  const refusal = refusalOf(trials[index] ?? []);
  return refusal?.context.includes(` ${textOf(row, 'function')} `) === true ? refusal : undefined;
}

function checkTrigger(row: CatalogRow, schema: string, refusal: Refusal | undefined): readonly Finding[] {
  const [relation, name] = [textOf(row, 'relation'), textOf(row, 'name')];
  const table = qualified(schema, relation);
  const finding = { check: CHECK, subject: `${relation} trigger ${name}` };
  const effect = refusal === undefined ? effectOf(row) : failing(refusal);
  if (flagOf(row, 'disabled')) {
    if (!flagOf(row, 'of_timescale')) return [];
    return [
      {
        ...{ ...finding, verdict: 'paused', severity: 'critical' },
        expected: 'the triggers of TimescaleDB are enabled',
        actual: `${name} of ${relation} is disabled: aggregates do not see what changes, or rows go to the root table`,
        remedy: `ALTER TABLE ${table} ENABLE TRIGGER ${identifier(name)};`,
      },
    ];
  }
  if (flagOf(row, 'of_timescale')) return [];
  return [
    {
      ...{ ...finding, verdict: 'extra', severity: effect.severity },
      expected: 'no trigger that changes rows or takes them away',
      actual: `${name} calls ${textOf(row, 'function')}, which ${effect.text}`,
      remedy: `DROP TRIGGER ${identifier(name)} ON ${table};`,
    },
  ];
}

/** An empty table has no known row that it would be called with. */
const failing = ({ code, message, event, copied }: Refusal): Effect => ({
  severity: copied ? 'critical' : 'warning',
  text: `fails, and each ${event} with it: ${message} (${code})${copied ? '' : ', tried with a row that was made up, for the table is empty'}`,
});

type Effect = Pick<Finding, 'severity'> & { readonly text: string };

const takesAway = (row: CatalogRow): boolean => flagOf(row, 'withholds') || flagOf(row, 'deletes');

function effectOf(row: CatalogRow): Effect {
  if (flagOf(row, 'withholds'))
    return { severity: 'critical', text: 'returns NULL: rows are taken away without an error' };
  if (flagOf(row, 'deletes'))
    return { severity: 'critical', text: 'deletes rows of the tables of fieldwatch' };
  if (flagOf(row, 'before')) return { severity: 'info', text: 'may change rows or take them away' };
  return flagOf(row, 'deletes_some')
    ? { severity: 'info', text: 'deletes rows, of whatever table' }
    : { severity: 'info', text: 'runs with each write: where it fails, so does the write' };
}

function checkRule(row: CatalogRow, schema: string): Finding {
  const [relation, name] = [textOf(row, 'relation'), textOf(row, 'name')];
  return {
    ...{ check: CHECK, subject: `${relation} rule ${name}`, verdict: 'extra', severity: 'critical' },
    expected: 'no rule with DO INSTEAD',
    actual: `the rule ${name} of ${relation} does something else instead: rows are taken away without an error`,
    remedy: `DROP RULE ${identifier(name)} ON ${qualified(schema, relation)};`,
  };
}

function checkRowSecurity(row: CatalogRow, schema: string): Finding {
  const [relation, active] = [textOf(row, 'relation'), flagOf(row, 'active')];
  const table = qualified(schema, relation);
  const force = flagOf(row, 'forced') ? `ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY; ` : '';
  return {
    ...{ check: CHECK, subject: `${relation} row security`, verdict: 'extra' },
    severity: active ? 'critical' : 'warning',
    expected: 'no row level security',
    actual: `row level security is on for ${relation}: ${active ? 'this role' : 'another role than its owner'} sees and writes only what a policy allows`,
    remedy: `${force}ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY;`,
  };
}
