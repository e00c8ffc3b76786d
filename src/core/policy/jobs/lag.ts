import { type IntervalText, formatInterval, intervalMs } from '../interval.ts';
import type { DeclaredPolicy, PolicyPlan } from '../plan.ts';
import type { PolicyKind } from '../schema/relations.ts';
import { type CatalogSnapshot, existingRelations } from '../snapshot.ts';

/**
 * How far behind a policy may be before that is a finding: two runs (one just missed, one failed) and ten minutes for
 * the run itself. With a fixed schedule a failed run does not delay the next one.
 */
export function graceOf(policy: DeclaredPolicy): IntervalText {
  return formatInterval({ months: 0, days: 0, ms: 2 * intervalMs(policy.every) + 600_000 });
}

/** The declared policies of one kind that are active, and whose relations exist. */
export function presentPolicies(
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  kind: PolicyKind,
): readonly DeclaredPolicy[] {
  return existingRelations(plan, snapshot)
    .flatMap(({ policies }) => policies)
    .filter((policy) => policy.kind === kind && policy.paused === undefined);
}

/**
 * `target(relation, after, grace, sch, tab)`: the hypertable in which each relation of `$1` keeps its chunks; for an
 * aggregate its materialization hypertable. `$2` and `$3` are intervals, one per relation.
 */
export const TARGETS = `
WITH target AS MATERIALIZED (
  SELECT w.relation, w.after::interval AS after, w.grace::interval AS grace,
    coalesce(a.materialization_hypertable_schema, current_schema()) AS sch,
    coalesce(a.materialization_hypertable_name, w.relation) AS tab
  FROM unnest($1::text[], $2::text[], $3::text[]) AS w(relation, after, grace)
  LEFT JOIN timescaledb_information.continuous_aggregates a
    ON a.view_schema = current_schema() AND a.view_name = w.relation)`;

export function targetValues(policies: readonly DeclaredPolicy[], key: string): readonly unknown[] {
  return [
    policies.map(({ relation }) => relation),
    policies.map(({ config }) => config[key]),
    policies.map(graceOf),
  ];
}
