import type { Cause, Causes, CheckFindings, FindingAbout, PolicyCheck } from '../check.ts';
import { type PolicyPlan, policyName } from '../plan.ts';
import type { ServerFacts } from '../snapshot.ts';
import type { TimedOut } from '../timed-out.ts';
import { isSwitchedOn } from './server.ts';

/** Without these conditions no other check can run. */
export function isConclusive(server: ServerFacts): boolean {
  return isSwitchedOn(server) && server.license !== 'apache' && server.hiddenSchema === undefined;
}

/** If nothing else can be evaluated, only the checks that explain why are run. */
export function answerable(checks: readonly PolicyCheck[], server: ServerFacts): readonly PolicyCheck[] {
  return isConclusive(server) ? checks : checks.filter(({ withoutExtension }) => withoutExtension === true);
}

/** A check that lacked a right, a table or a column, or waited for a lock, adds nothing to the finding about these. */
export function withoutEffects(
  timedOut: readonly TimedOut[],
  faulty: readonly CheckFindings[],
): readonly TimedOut[] {
  // Not one that is no more than a warning: a right that another role lacks does not affect this one.
  const explained = new Set(
    faulty
      .filter(({ findings }) => findings.some(({ severity }) => severity === 'critical'))
      .flatMap(({ check }) => check.explains ?? []),
  );
  return timedOut.filter((each) => ![...explained].some((why) => each[why]));
}

/**
 * Whether a finding follows from another one, as its check says: rows past a retention without a policy, rows of an
 * aggregate that is not defined as it should be, or is built on such a one or on manually changed rows, and rows in a range
 * without a chunk. Repairing the cause first may remove it; what is left is found again.
 */
export function followsFrom(
  faulty: readonly CheckFindings[],
  plan: PolicyPlan,
): (check: PolicyCheck, about: FindingAbout) => boolean {
  const causes = causesOf(faulty, plan);
  return (check, about) => check.follows?.(about, causes) ?? false;
}

function causesOf(faulty: readonly CheckFindings[], plan: PolicyPlan): Causes {
  const found = new Set<string>();
  for (const { check, findings } of faulty)
    for (const finding of findings) {
      const cause = check.causes?.(finding);
      if (cause !== undefined) found.add(`${cause} ${finding.subject}`);
    }
  const has = (cause: Cause, subject: string): boolean => found.has(`${cause} ${subject}`);
  const others = new Set<string>();
  // Sources come before the aggregates built on them.
  for (const { relation } of plan.relations) {
    if (relation.kind !== 'aggregate') continue;
    const { name, source } = relation;
    if (!has('definition_differs', name) && !others.has(source) && !has('rows_differ', source)) continue;
    for (const subject of [name, policyName({ relation: name, kind: 'refresh' })]) others.add(subject);
  }
  return { has, countsOthers: (subject) => others.has(subject) };
}
