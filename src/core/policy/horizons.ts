import type { RepairStep } from './check.ts';
import type { IntervalText } from './interval.ts';
import { type PolicyPlan, declaredPolicy } from './plan.ts';
import { interval, literal } from './repair/policy-sql.ts';
import { RELATIONS } from './schema/relations.ts';

/** Nothing was dropped. */
const NEVER = `'1970-01-01 00:00:00+00'::timestamptz`;

/** How long a relation keeps its rows by the plan; undefined: forever, or while its retention is paused. */
export function keptBy(plan: PolicyPlan, relation: string): string | undefined {
  const retention = declaredPolicy(plan, relation, 'retention');
  return retention?.paused === undefined ? retention?.config['drop_after'] : undefined;
}

/**
 * The time from which a relation has to have its rows: current retention, intentional drops, and the retention
 * declared so far. NULL if neither is known.
 */
export function heldFrom(relation: string, kept: string | undefined): string {
  const noted = `(SELECT greatest(h.dropped_before, now() - h.kept) FROM storage_horizons h WHERE h.relation = ${literal(relation)})`;
  return kept === undefined ? noted : `greatest(now() - ${interval(kept)}, ${noted})`;
}

/** Records the retention of the plan: what it drops while declared is dropped intentionally. */
export function noteHorizons(plan: PolicyPlan): string {
  const rows = RELATIONS.map(({ name }) => {
    const kept = keptBy(plan, name);
    return `(${literal(name)}, ${kept === undefined ? 'NULL::interval' : interval(kept)})`;
  });
  return `INSERT INTO storage_horizons AS h (relation, kept, dropped_before)
SELECT relation, kept, coalesce(now() - kept, ${NEVER}) FROM (VALUES ${rows.join(', ')}) AS declared (relation, kept)
ON CONFLICT (relation) DO UPDATE SET kept = excluded.kept, noted_at = now(),
  dropped_before = greatest(h.dropped_before, now() - h.kept, excluded.dropped_before)`;
}

/** Records that rows older than `age` are dropped intentionally. */
export function noteDropped(relation: string, age: IntervalText): RepairStep {
  return {
    ...{ check: 'retention', subject: relation, effect: 'settings' },
    about: `note that what is older than ${age} of ${relation} is dropped on purpose`,
    sql: `INSERT INTO storage_horizons AS h (relation, dropped_before) VALUES (${literal(relation)}, now() - ${interval(age)})
ON CONFLICT (relation) DO UPDATE SET dropped_before = greatest(h.dropped_before, excluded.dropped_before), noted_at = now()`,
  };
}
