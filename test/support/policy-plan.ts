import { policiesSchema } from '../../src/config/schema/policies.ts';
import { type PolicyPlan, planOf } from '../../src/core/policy/plan.ts';
import type { CatalogSnapshot, RelationFacts, ServerFacts } from '../../src/core/policy/snapshot.ts';

/** The plan of a `policies` section; without one, of the defaults. */
export function planWith(section: Record<string, unknown> = {}): PolicyPlan {
  return planOf(policiesSchema.parse(section));
}

export const HEALTHY_SERVER: ServerFacts = {
  extension: '2.28.3',
  license: 'timescale',
  loaded: true,
  loadDisabled: false,
  restoring: false,
  serverVersion: 150_020,
  standby: false,
  hasWorkers: true,
  workerProcesses: 32,
  backgroundWorkers: 16,
  locksPerTransaction: 256,
  schedulers: 1,
  startedSecondsAgo: 86_400,
  schema: 'public',
  hiddenSchema: undefined,
  temporary: true,
  database: 'fieldwatch',
  role: 'fieldwatch',
  loginRole: 'fieldwatch',
  superuser: false,
};

/** A server on which everything of the plan is there. */
export function factsOf(plan: PolicyPlan, server: Partial<ServerFacts> = {}): CatalogSnapshot {
  const relations = plan.relations.map(({ relation }): RelationFacts => ({
    name: relation.name,
    kind: relation.kind,
    owner: 'fieldwatch',
    ownerCanLogin: true,
    manageable: true,
    lacks: [],
  }));
  return {
    server: { ...HEALTHY_SERVER, ...server },
    relations: new Map(relations.map((relation) => [relation.name, relation])),
  };
}
