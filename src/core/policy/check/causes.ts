import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { type PolicyPlan, policyName } from '../plan.ts';
import type { ServerFacts } from '../snapshot.ts';
import type { TimedOut } from '../timed-out.ts';
import { auditCheck } from './audit.ts';
import { preparedCheck } from './prepared.ts';
import { rightsCheck } from './rights.ts';
import { isSwitchedOn, serverCheck } from './server.ts';

/** Without these no other check has anything to look at. */
export function isConclusive(server: ServerFacts): boolean {
  return isSwitchedOn(server) && server.license !== 'apache' && server.hiddenSchema === undefined;
}

/** Where nothing else can be judged, only the checks that say why are worth asking. */
export function answerable(checks: readonly PolicyCheck[], server: ServerFacts): readonly PolicyCheck[] {
  return isConclusive(server)
    ? checks
    : checks.filter((check) => check === serverCheck || check === rightsCheck);
}

/** Checks whose findings say what tables and columns are missing. */
const STRUCTURE: readonly string[] = ['relations', 'definitions'];

/** A check that lacked a right, a table or a column, or waited for a lock, says nothing that the finding about these does not say. */
export function withoutEffects(
  timedOut: readonly TimedOut[],
  findings: readonly Finding[],
): readonly TimedOut[] {
  // That another role lacks a right keeps this one from nothing.
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

/** What is counted from an aggregate's rows, and says nothing where these are counted another way. */
const OF_ROWS: readonly string[] = ['refresh', 'late', 'audit', 'history'];

/**
 * Whether a finding only says what follows from another: rows past a retention that there is no policy for, and rows of
 * an aggregate that is not defined as it should be, or of one that is built on it or on rows that were changed by hand, and
 * rows in a range that has no chunk. Mended first, the cause may take it away;
 * what then is left is found again.
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
  // Sources come before what is built on them.
  for (const { relation } of plan.relations) {
    if (relation.kind !== 'aggregate') continue;
    const { name, source } = relation;
    if (!wrong.has(name) && !ofWrong.has(source) && !differing.has(source)) continue;
    for (const subject of [name, policyName({ relation: name, kind: 'refresh' })]) ofWrong.add(subject);
  }
  // Rows that are gone differ, too: the audit has the repair.
  return ({ check, subject, severity }) =>
    (check === 'gaps' && severity === 'warning' && differing.has(subject)) ||
    (check === 'history' && (withGaps.has(subject) || differing.has(subject))) ||
    (check === 'retention' ? without.has(subject) : OF_ROWS.includes(check) && ofWrong.has(subject));
}

type About = Pick<Finding, 'check' | 'subject'> & Partial<Pick<Finding, 'severity'>>;
