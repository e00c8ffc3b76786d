import { counted } from '../../counted.ts';
import type { PolicyCheck } from '../check.ts';
import { cannotLogIn, type Facts, type RelationFacts } from '../facts.ts';
import type { Finding } from '../finding.ts';
import { identifier, qualified } from '../statement.ts';
import { isSwitchedOn } from './server.ts';

const CHECK = 'rights';

type Fault = Omit<Finding, 'check' | 'verdict' | 'severity'>;

/**
 * The daemon's role owns the tables (or is a member of their owner), and nothing was taken away from it. What is missing
 * here makes most other checks fail: they are not asked about such a relation, so that the cause is the finding.
 */
export const rightsCheck: PolicyCheck = {
  name: CHECK,
  about: 'tables belong to the right role, which may log in and has its rights',
  queries: () => [],
  judge: (_plan, facts) =>
    faults(facts).map((fault) => ({ check: CHECK, verdict: 'mismatched', severity: 'critical', ...fault })),
};

function faults(facts: Facts): readonly Fault[] {
  if (!isSwitchedOn(facts.server)) return [];
  const hidden = withoutUsage(facts);
  if (hidden !== undefined) return [hidden];
  const relations = [...facts.relations.values()];
  const owner = ownerOf(relations, facts);
  const strange = relations.filter((relation) => relation.owner !== owner);
  const own = relations.filter((relation) => relation.owner === owner);
  return [
    ...wrongOwner(strange, owner, relations.length, facts.server.schema),
    ...withoutLogin(own, facts),
    ...withoutRights(own, facts),
    ...withoutTemporary(facts),
  ];
}

function withoutUsage({ server: { hiddenSchema, role } }: Facts): Fault | undefined {
  if (hiddenSchema === undefined) return undefined;
  return {
    subject: `schema ${hiddenSchema}`,
    expected: `${role} may use the schema ${hiddenSchema}`,
    actual: `${role} has no USAGE on it, and sees none of its tables`,
    remedy: `as superuser: GRANT USAGE ON SCHEMA ${identifier(hiddenSchema)} TO ${identifier(role)};`,
  };
}

/** Who should own the tables: who has most of them, unless this role could do nothing with them then. */
function ownerOf(relations: readonly RelationFacts[], { server }: Facts): string {
  const count = (owner: string) => relations.filter((relation) => relation.owner === owner).length;
  const [most] = [...relations].sort((a, b) => count(b.owner) - count(a.owner));
  return most?.manageable === true ? most.owner : server.role;
}

function wrongOwner(
  strange: readonly RelationFacts[],
  owner: string,
  all: number,
  schema: string,
): readonly Fault[] {
  if (strange.length === 0) return [];
  const owners = [...new Set(strange.map((relation) => relation.owner))].join(', ');
  const names = strange.map(({ name }) => name);
  const what =
    names.length === all ? `all ${counted(all, 'table and view', 'tables and views')}` : names.join(', ');
  const alter = strange.map(
    ({ name, kind }) =>
      `ALTER ${kind === 'aggregate' ? 'MATERIALIZED VIEW' : 'TABLE'} ${qualified(schema, name)} OWNER TO ${identifier(owner)};`,
  );
  return [
    {
      subject: 'owner',
      expected: `all belong to ${owner}`,
      actual: `${owners} ${owners.includes(',') ? 'own' : 'owns'} ${what}`,
      remedy: `as superuser: ${alter.join(' ')}`,
    },
  ];
}

function withoutLogin(own: readonly RelationFacts[], { server }: Facts): readonly Fault[] {
  const relation = own.find((each) => cannotLogIn(each, server));
  if (relation === undefined) return [];
  return [
    {
      subject: `role ${relation.owner}`,
      expected: 'the owner of the tables may log in: background workers run its jobs in its name',
      actual: `${relation.owner} has NOLOGIN: no policy runs`,
      remedy: `as superuser: ALTER ROLE ${identifier(relation.owner)} LOGIN;`,
    },
  ];
}

function withoutRights(own: readonly RelationFacts[], { server: { role, schema } }: Facts): readonly Fault[] {
  const lacking = own.filter(({ lacks }) => lacks.length > 0);
  if (lacking.length === 0) return [];
  const groups = new Map<string, string[]>();
  for (const { name, lacks } of lacking) {
    const rights = lacks.join(', ');
    groups.set(rights, [...(groups.get(rights) ?? []), name]);
  }
  const list = [...groups].map(([rights, names]) => `${rights} on ${names.join(', ')}`);
  const grants = [...groups].map(
    ([rights, names]) =>
      `GRANT ${rights} ON ${names.map((name) => qualified(schema, name)).join(', ')} TO ${identifier(role)};`,
  );
  return [
    {
      subject: 'rights',
      expected: `${role} may read and write its tables`,
      actual: `${role} has no ${list.join('; no ')}`,
      remedy: `as their owner: ${grants.join(' ')}`,
    },
  ];
}

function withoutTemporary({ server: { temporary, database, role } }: Facts): readonly Fault[] {
  if (temporary) return [];
  return [
    {
      subject: `database ${database}`,
      expected: `${role} may make temporary tables: batches that may be stored already go through them`,
      actual: `${role} has no TEMPORARY on the database`,
      remedy: `as superuser: GRANT TEMPORARY ON DATABASE ${identifier(database)} TO ${identifier(role)};`,
    },
  ];
}
