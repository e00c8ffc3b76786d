import type { PolicyCheck } from '../check.ts';
import type { Facts } from '../facts.ts';
import type { Finding } from '../finding.ts';
import type { RelationPlan } from '../plan.ts';

const CHECK = 'relations';

/** The tables and views are there and are what they should be. Nothing else is said of one that is not. */
export const relationsCheck: PolicyCheck = {
  name: CHECK,
  about: 'every hypertable and aggregate exists and is one',
  queries: () => [],
  judge: (plan, facts) => plan.relations.flatMap((relation) => judge(relation, facts)),
};

function judge({ relation }: RelationPlan, facts: Facts): readonly Finding[] {
  const found = facts.relations.get(relation.name);
  if (found?.kind === relation.kind) return [];
  const expected = relation.kind === 'hypertable' ? 'a hypertable' : 'a continuous aggregate';
  return [
    {
      check: CHECK,
      subject: relation.name,
      verdict: found === undefined ? 'missing' : 'mismatched',
      severity: 'critical',
      expected,
      actual: found === undefined ? `nothing in schema ${facts.server.schema}` : 'a plain table or view',
      remedy:
        found === undefined
          ? 'run `fieldwatch migrate`; if it says the schema is current, the relation was dropped: restore it from a backup'
          : `rename it away, then restore ${relation.name} from sql/`,
    },
  ];
}
