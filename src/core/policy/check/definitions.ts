import { counted } from '../../counted.ts';
import type { PolicyCheck } from '../check.ts';
import { EXPECTED_SCHEMA } from '../schema/expected-schema.ts';
import type { Finding } from '../finding.ts';
import type { PolicyPlan } from '../plan.ts';
import { numberOf } from '../row.ts';
import { type SchemaDrift, follows, keyOf, tableDrift } from '../schema/schema-drift.ts';
import {
  type ChunkFault,
  type FoundSchema,
  type RelationSchema,
  decodeSchema,
  schemaQueries,
} from '../schema/schema.ts';
import { type CatalogSnapshot, type ServerFacts, existingRelations } from '../snapshot.ts';
import { viewDrift } from '../schema/view-drift.ts';

const CHECK = 'definitions';

/**
 * Tables and aggregates are those of sql/, by PostgreSQL's own definitions. Additions of the operator are accepted
 * unless rows are rejected because of them: nullable columns, and indexes that are not unique.
 */
export const definitionsCheck: PolicyCheck = {
  name: CHECK,
  explains: 'lacking',
  causes: ({ severity }) => (severity === 'critical' ? 'definition_differs' : undefined),
  about: 'columns, keys, constraints and queries are those of sql/',
  queries: (plan, snapshot) => schemaQueries(snapshot.server.schema, comparable(plan, snapshot)),
  followUpQueries: (_plan, _facts, answers) =>
    decodeSchema(answers).relations.some(({ name }) => name === 'schema_migrations')
      ? [{ text: 'SELECT coalesce(max(version), 0)::int AS version FROM schema_migrations' }]
      : [],
  evaluate: (plan, snapshot, answers) => {
    const version = answers[3]?.[0] === undefined ? undefined : numberOf(answers[3][0], 'version');
    if (version !== undefined && version < EXPECTED_SCHEMA.version) return [pending(version)];
    const found = decodeSchema(answers);
    return comparable(plan, snapshot).flatMap((name) =>
      finding(name, differences(name, found, snapshot), snapshot.server),
    );
  },
};

/** Missing or different relations are findings of `relations`. */
function comparable(plan: PolicyPlan, snapshot: CatalogSnapshot): readonly string[] {
  const planned = plan.relations.map(({ relation }): string => relation.name);
  const usable = existingRelations(plan, snapshot).map(({ relation }): string => relation.name);
  return Object.keys(EXPECTED_SCHEMA.relations).filter(
    (name) => !planned.includes(name) || usable.includes(name),
  );
}

function differences(name: string, found: FoundSchema, { server }: CatalogSnapshot): readonly SchemaDrift[] {
  const expected = EXPECTED_SCHEMA.relations[name];
  const table = found.relations.find((relation) => relation.name === name);
  const view = found.views.find((each) => each.name === name);
  if (expected === undefined || table === undefined) return [];
  return [
    ...tableDrift(
      expected,
      table,
      found.relations.map((relation) => relation.name),
    ),
    ...(view === undefined ? [] : viewDrift(view, EXPECTED_SCHEMA, found.relations, server.schema)),
    ...found.chunkFaults
      .filter((fault) => fault.name === name && isOurs(fault, expected))
      .map(chunkDifference),
  ];
}

/** An index that an operator added to the table may be missing in a chunk; one that rejects nothing may exist there. */
function isOurs({ fault, definition, unique }: ChunkFault, expected: RelationSchema): boolean {
  const keys = Object.values(expected.unique).map(keyOf);
  switch (fault) {
    case 'missing':
    case 'invalid':
      return unique ? keys.includes(keyOf(definition)) : expected.indexes.includes(definition);
    case 'unique':
      return !keys.some((key) => follows(key, definition));
    case 'constraint':
      return true;
  }
}

function chunkDifference({ fault, definition, unique, chunks, chunk, object }: ChunkFault): SchemaDrift {
  const where = chunks === 1 ? `in ${chunk}` : `in ${counted(chunks, 'chunk')}, ${chunk} among them`;
  const twice = unique ? ': rows may be stored twice' : '';
  const each = chunks === 1 ? '' : '; the same in the others';
  const harmless = unique ? {} : ({ harmless: true } as const);
  switch (fault) {
    case 'missing':
      return {
        expected: `an index ${definition} in every chunk`,
        actual: `none ${where}${twice}`,
        remedy: `CREATE ${unique ? 'UNIQUE ' : ''}INDEX ON ${chunk} USING ${definition}${each}`,
        ...harmless,
      };
    case 'invalid':
      return {
        expected: `an index ${definition} in every chunk`,
        actual: `${object} is invalid ${where}${twice}`,
        remedy: `REINDEX INDEX ${object}${each}`,
        ...harmless,
      };
    case 'unique':
      return {
        expected: 'no other unique index',
        actual: `${object} on ${definition.replace(/^btree /, '')} ${where}: rows that belong together are refused`,
        remedy: `DROP INDEX ${object}${each}`,
      };
    case 'constraint':
      return {
        expected: 'no constraint that sql/ does not have',
        actual: `${object} ${definition} ${where}: rows may be refused`,
        remedy: `ALTER TABLE ${chunk} DROP CONSTRAINT ${object}${each}`,
      };
  }
}

const pending = (version: number): Finding => ({
  check: CHECK,
  subject: 'schema',
  verdict: 'mismatched',
  severity: 'critical',
  expected: `version ${EXPECTED_SCHEMA.version}`,
  actual: `version ${version}`,
  remedy: '`fieldwatch migrate`',
});

/** Their owner may alter chunks, but create nothing in their schema. */
const asWhom = (remedy: string, { superuser }: ServerFacts): string =>
  !superuser && / INDEX ON _timescaledb_internal\./.test(remedy) ? `as superuser: ${remedy}` : remedy;

const MOST_SHOWN = 5;

/** One finding per relation: a replaced relation differs in everything at once. */
function finding(
  subject: string,
  differences: readonly SchemaDrift[],
  server: ServerFacts,
): readonly Finding[] {
  if (differences.length === 0) return [];
  const show = (side: 'expected' | 'actual' | 'remedy') => {
    const texts = [...new Set(differences.map((difference) => difference[side]))];
    const more = texts.length - MOST_SHOWN;
    return texts.slice(0, MOST_SHOWN).join('; ') + (more > 0 ? `; and ${more} more` : '');
  };
  return [
    {
      ...{ check: CHECK, subject, verdict: 'mismatched' },
      severity: differences.every(({ harmless }) => harmless) ? 'warning' : 'critical',
      ...{ expected: show('expected'), actual: show('actual'), remedy: asWhom(show('remedy'), server) },
    },
  ];
}
