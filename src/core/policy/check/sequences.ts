import type { CatalogRow, CheckQuery } from '../catalog.ts';
import type { PolicyCheck, RepairStep } from '../check.ts';
import type { Finding } from '../finding.ts';
import { OUR_TABLES } from '../schema/our-tables.ts';
import { identifier, literal, qualified } from '../repair/policy-sql.ts';

import { flagOf, numberOf, optionalNumber, textOf } from '../row.ts';

const CHECK = 'sequences';

const SEQUENCES = `
SELECT c.relname::text AS relation, a.attname::text AS "column", format('%I.%I', n.nspname, q.relname) AS sequence,
  format_type(a.atttypid, NULL) AS type, s.seqtypid = a.atttypid AS of_type, s.seqmin::float8 AS least, s.seqmax::float8 AS most, s.seqincrement::float8 AS step, s.seqcycle AS cycles, s.seqcache::float8 AS cache
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
JOIN pg_depend d ON d.refobjid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_class'::regclass
  AND d.deptype IN ('a', 'i')
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
JOIN pg_sequence s ON s.seqrelid = d.objid JOIN pg_class q ON q.oid = s.seqrelid AND q.relnamespace = n.oid
WHERE c.relname = ANY ($1::text[]) AND has_table_privilege(c.oid, 'SELECT')
  AND CASE WHEN q.relkind = 'S' THEN has_sequence_privilege(q.oid, 'SELECT') END
ORDER BY 1, 2`;

// Only the sequence itself knows whether its last value was used.
const state = (row: CatalogRow): string =>
  `SELECT ${literal(textOf(row, 'sequence'))} AS sequence, last_value::float8 AS last, is_called AS called,
  (SELECT max(${identifier(textOf(row, 'column'))}) FROM ${identifier(textOf(row, 'relation'))})::float8 AS highest
FROM ${textOf(row, 'sequence')}`;

/** Rows copied with their ids leave the sequence behind; the next registration then gets an id that is taken. */
export const sequencesCheck: PolicyCheck = {
  name: CHECK,
  about: 'the next id of a table is one that is free',
  queries: () => [{ text: SEQUENCES, values: [OUR_TABLES] }],
  followUpQueries: (_plan, _facts, [rows = []]): readonly CheckQuery[] =>
    rows.length === 0 ? [] : [{ text: rows.map(state).join(' UNION ALL\n') }],
  evaluate: (_plan, { server }, answers) =>
    sequencesOf(answers).flatMap((sequence) => evaluate(sequence, server.schema)),
  repair: {
    steps: ({ snapshot, answers }) =>
      sequencesOf(answers).flatMap((sequence) => steps(sequence, snapshot.server.schema)),
  },
};

interface Sequence {
  readonly relation: string;
  readonly column: string;
  /** Qualified and quoted. */
  readonly name: string;
  /** Type of the column. */
  readonly type: string;
  readonly ofType: boolean;
  readonly least: number;
  readonly most: number;
  readonly step: number;
  readonly cycles: boolean;
  /** Ids that each session reserves, and loses when it ends. */
  readonly cache: number;
  readonly next: number;
  readonly highest: number;
}

function sequencesOf([rows = [], states = []]: readonly (readonly CatalogRow[])[]): readonly Sequence[] {
  return rows.flatMap((row) => {
    const now = states.find(({ sequence }) => sequence === row['sequence']);
    if (now === undefined) return [];
    const last = numberOf(now, 'last');
    return {
      relation: textOf(row, 'relation'),
      column: textOf(row, 'column'),
      name: textOf(row, 'sequence'),
      type: textOf(row, 'type'),
      ofType: flagOf(row, 'of_type'),
      least: numberOf(row, 'least'),
      most: numberOf(row, 'most'),
      step: numberOf(row, 'step'),
      cycles: flagOf(row, 'cycles'),
      cache: numberOf(row, 'cache'),
      next: flagOf(now, 'called') ? last + numberOf(row, 'step') : last,
      highest: optionalNumber(now, 'highest') ?? 0,
    };
  });
}

/** With more, a day's connections could exhaust an integer. */
const MOST_CACHED = 1000;

const countsDown = ({ step }: Sequence): boolean => step < 0;
const isBehind = ({ next, highest }: Sequence): boolean => next <= highest;
/** The last value of the column's type. */
const LAST: Readonly<Record<string, number>> = { smallint: 32_767, integer: 2_147_483_647 };
const lastOf = ({ type }: Sequence): number => LAST[type] ?? Infinity;
const isUsedUp = ({ next, highest, most }: Sequence): boolean => Math.max(next, highest + 1) > most;
/** Next ids that the column cannot hold, although free ones exist: the sequence was set there. */
const isBeyond = (sequence: Sequence): boolean => sequence.next > lastOf(sequence);

function statements(sequence: Sequence, schema: string): readonly string[] {
  const { relation, column, name, type, ofType, least } = sequence;
  const highest = `(SELECT coalesce(max(${identifier(column)}), 1) FROM ${qualified(schema, relation)})`;
  const sets = isBehind(sequence) || isBeyond(sequence);
  return [
    ...(countsDown(sequence) ? [`ALTER SEQUENCE ${name} INCREMENT BY 1`] : []),
    ...(sequence.cycles ? [`ALTER SEQUENCE ${name} NO CYCLE`] : []),
    ...(sequence.cache > MOST_CACHED ? [`ALTER SEQUENCE ${name} CACHE 1`] : []),
    ...(isUsedUp(sequence) && !ofType ? [`ALTER SEQUENCE ${name} AS ${type}`] : []),
    ...(isUsedUp(sequence) ? [`ALTER SEQUENCE ${name} NO MAXVALUE`] : []),
    ...(sets && least > 1 ? [`ALTER SEQUENCE ${name} NO MINVALUE`] : []),
    ...(sets ? [`SELECT setval(${literal(name)}, ${highest})`] : []),
  ];
}

function whyStopped(sequence: Sequence): string {
  const { next, highest, most, column } = sequence;
  if (countsDown(sequence)) return 'it counts down';
  return isBehind(sequence)
    ? `its next value is ${next}, and the highest ${column} is ${highest}`
    : `its next value is ${next}, and it ends at ${Math.min(most, lastOf(sequence))}`;
}

function evaluate(sequence: Sequence, schema: string): readonly Finding[] {
  const { relation, column, name } = sequence;
  const sql = statements(sequence, schema);
  if (sql.length === 0) return [];
  const stops = [countsDown, isBehind, isUsedUp, isBeyond].some((is) => is(sequence));
  return [
    {
      ...{ check: CHECK, subject: relation },
      ...(stops
        ? { verdict: 'stalled', severity: 'critical' }
        : { verdict: 'mismatched', severity: 'warning' }),
      expected: `${name} goes on above the highest ${column}`,
      actual: stops
        ? `${whyStopped(sequence)}: no new row of ${relation} can be stored`
        : sequence.cycles
          ? 'it begins anew at its end, with ids that are taken'
          : `each session takes ${sequence.cache} ids ahead, and loses them at its end`,
      remedy: sql.map((statement) => `${statement};`).join(' '),
    },
  ];
}

const steps = (sequence: Sequence, schema: string): readonly RepairStep[] =>
  statements(sequence, schema).map((sql) => ({
    ...{ check: CHECK, subject: sequence.relation, effect: 'settings', sql },
    about: `${sequence.name} goes on above the highest ${sequence.column}`,
  }));
