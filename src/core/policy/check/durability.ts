import { counted } from '../../counted.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { OUR_TABLES } from '../schema/our-tables.ts';
import { qualified } from '../repair/policy-sql.ts';
import { numberOf, textOf } from '../row.ts';
import { type Setting, decodeSetting, settingsQuery } from '../setting.ts';

const CHECK = 'durability';

/** Settings that risk committed data, and their consequence. */
const UNSAFE: Readonly<Record<string, Pick<Finding, 'severity'> & { readonly effect: string }>> = {
  fsync: {
    severity: 'critical',
    effect: 'a crash of the machine may destroy the whole database',
  },
  full_page_writes: {
    severity: 'critical',
    effect: 'a crash of the machine may leave pages half written',
  },
  // The daemon turns it on in its own sessions: what it acknowledges is on disk.
  synchronous_commit: {
    severity: 'warning',
    effect:
      'a crash of the server loses the last commits of every program but this one, which turns it on for itself',
  },
};

const UNLOGGED = `
WITH held AS (
  SELECT c.oid, c.oid AS root FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema()))
    AND c.relname = ANY ($1::text[])
  UNION SELECT m.oid, m.oid FROM timescaledb_information.continuous_aggregates a
    JOIN pg_class m ON m.relname = a.materialization_hypertable_name
      AND m.relnamespace = to_regnamespace(quote_ident(a.materialization_hypertable_schema))
    WHERE a.view_schema = current_schema() AND a.view_name = ANY ($1::text[])),
parts AS (SELECT oid, root FROM held UNION ALL
  SELECT i.inhrelid, held.root FROM held JOIN pg_inherits i ON i.inhparent = held.oid)
SELECT root::regclass::text AS relation, count(*) FILTER (WHERE c.oid = root)::int AS roots,
  string_agg(c.oid::regclass::text, E'\\n' ORDER BY c.oid) AS names
FROM parts JOIN pg_class c ON c.oid = parts.oid WHERE c.relpersistence = 'u' GROUP BY root ORDER BY 1`;

/** Committed data survives a crash. */
export const durabilityCheck: PolicyCheck = {
  name: CHECK,
  about: 'what is committed stays after a crash: no unlogged table, no unsafe setting',
  // The embedded database has its own settings: it is one process, and writes by itself.
  queries: (_plan, { server }) => [
    { text: UNLOGGED, values: [OUR_TABLES] },
    ...(server.hasWorkers ? [settingsQuery(Object.keys(UNSAFE))] : []),
  ],
  evaluate: (_plan, { server }, [unlogged = [], settings = []]) => [
    ...unlogged.map((row) => checkTable(row, server.schema)),
    ...settings.map((row) => decodeSetting(row, server)).flatMap(checkSetting),
  ],
};

function checkSetting({ name, value, where, remedy }: Setting): readonly Finding[] {
  const unsafe = UNSAFE[name];
  if (unsafe === undefined || value !== 'off') return [];
  return [
    {
      ...{ check: CHECK, subject: name, verdict: 'unsafe', severity: unsafe.severity },
      expected: `${name} = on`,
      actual: `${name} = off, set for ${where}: ${unsafe.effect}`,
      remedy: remedy('on'),
    },
  ];
}

function checkTable(row: CatalogRow, schema: string): Finding {
  const [relation, isRoot] = [textOf(row, 'relation'), numberOf(row, 'roots') > 0];
  // All chunks of a hypertable become logged with it.
  const names = isRoot ? [relation] : textOf(row, 'names').split('\n');
  const chunks = counted(names.length, 'chunk');
  const what = isRoot
    ? relation
    : `${chunks} of ${relation} (${names.length === 1 ? '' : 'such as '}${names[0]})`;
  return {
    ...{ check: CHECK, subject: relation, verdict: 'unsafe', severity: 'critical' },
    expected: 'tables that are logged',
    actual: `${what} ${names.length === 1 ? 'is' : 'are'} UNLOGGED: empty after a crash, and not on a standby`,
    remedy: names.map((name) => `ALTER TABLE ${qualified(schema, name)} SET LOGGED;`).join(' '),
  };
}
