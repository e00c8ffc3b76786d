import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { type PolicyPlan, policyName } from '../plan.ts';
import type { ServerFacts } from '../snapshot.ts';
import type { TimedOut } from '../timed-out.ts';
import { auditCheck } from './audit.ts';
import { preparedCheck } from './prepared.ts';
import { rightsCheck } from './rights.ts';
import { isSwitchedOn, serverCheck } from './server.ts';

/** Without these conditions no other check can run. */
export function isConclusive(server: ServerFacts): boolean {
  return isSwitchedOn(server) && server.license !== 'apache' && server.hiddenSchema === undefined;
}

/** If nothing else can be evaluated, only the checks that explain why are run. */
export function answerable(checks: readonly PolicyCheck[], server: ServerFacts): readonly PolicyCheck[] {
  return isConclusive(server)
    ? checks
    : checks.filter((check) => check === serverCheck || check === rightsCheck);
}

/** Checks whose findings report missing tables and columns. */
const STRUCTURE: readonly string[] = ['relations', 'definitions'];

/** A check that lacked a right, a table or a column, or waited for a lock, adds nothing to the finding about these. */
export function withoutEffects(
  timedOut: readonly TimedOut[],
  findings: readonly Finding[],
): readonly TimedOut[] {
  // A right that another role lacks does not affect this one.
  const rights = findings.some(
    ({ check, severity }) => check === rightsCheck.name && severity === 'critical',
  );
  const structure = findings.some(
    ({ check, severity }) => STRUCTURE.includes(check) && severity === 'critical',
  );
  const held = findings.some(
    ({ check, severity }) => check === preparedCheck.name && severity === 'critical',
  );
  return timedOut.filter(
    ({ refused, lacking, waited }) => !(rights && refused) && !(structure && lacking) && !(held && waited),
  );
}

/** Checks that read an aggregate's rows, and are meaningless if these are counted differently. */
const OF_ROWS: readonly string[] = ['refresh', 'late', 'audit', 'history'];

/**
 * Whether a finding follows from another one: rows past a retention without a policy, rows of an aggregate that is
 * not defined as it should be, or is built on such a one or on manually changed rows, and rows in a range without a
 * chunk. Repairing the cause first may remove it; what is left is found again.
 */
export function followsFrom(causes: readonly Finding[], plan: PolicyPlan): (finding: About) => boolean {
  const without = new Set(
    causes
      .filter(({ check, verdict }) => check === 'policies' && verdict === 'missing')
      .map(({ subject }) => subject),
  );
  const wrong = new Set(
    causes
      .filter(({ check, severity }) => check === 'definitions' && severity === 'critical')
      .map(({ subject }) => subject),
  );
  const differing = new Set(
    causes.filter(({ check }) => check === auditCheck.name).map(({ subject }) => subject),
  );
  const withGaps = new Set(causes.filter(({ check }) => check === 'gaps').map(({ subject }) => subject));
  const ofWrong = new Set<string>();
  // Sources come before the aggregates built on them.
  for (const { relation } of plan.relations) {
    if (relation.kind !== 'aggregate') continue;
    const { name, source } = relation;
    if (!wrong.has(name) && !ofWrong.has(source) && !differing.has(source)) continue;
    for (const subject of [name, policyName({ relation: name, kind: 'refresh' })]) ofWrong.add(subject);
  }
  // Missing rows also differ: the audit has the repair.
  return ({ check, subject, severity }) =>
    (check === 'gaps' && severity === 'warning' && differing.has(subject)) ||
    (check === 'history' && (withGaps.has(subject) || differing.has(subject))) ||
    (check === 'retention' ? without.has(subject) : OF_ROWS.includes(check) && ofWrong.has(subject));
}

type About = Pick<Finding, 'check' | 'subject'> & Partial<Pick<Finding, 'severity'>>;
