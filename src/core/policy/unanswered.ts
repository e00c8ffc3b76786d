import { FieldwatchError, messageOf } from '../errors.ts';
import { askCheck, type Answers } from './ask.ts';
import type { Catalog } from './catalog.ts';
import type { PolicyCheck } from './check.ts';
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';
import type { PolicyPlan } from './plan.ts';

/** In the place of a check's name: the finding about those that waited in vain. */
export const UNANSWERED = 'unanswered';

/** A check that got no answer: it waited in vain, or the server has none for it. */
export interface Unanswered {
  readonly check: string;
  readonly waited: boolean;
  readonly reason: string;
}

/** How a Catalog says that a query ran into its time limit, into a lock that was not given up, or got no answer. */
const TIMED_OUT: readonly string[] = ['DB_TIMEOUT', 'DB_CONTENTION', 'CATALOG_TIMEOUT'];

/** The answers to a check, or why there are none; rejects only when the database cannot be asked at all. */
export async function answersTo(
  catalog: Catalog,
  plan: PolicyPlan,
  facts: Facts,
  check: PolicyCheck,
): Promise<Answers | Unanswered> {
  try {
    return await askCheck(catalog, plan, facts, check);
  } catch (error) {
    if (!(error instanceof FieldwatchError)) throw error;
    const waited = TIMED_OUT.includes(error.code);
    if (!waited && error.kind !== 'schema' && error.kind !== 'auth') throw error;
    return { check: check.name, waited, reason: messageOf(error) };
  }
}

export const isUnanswered = (answers: Answers | Unanswered): answers is Unanswered => 'reason' in answers;

/** One lock keeps several checks waiting: they are one finding, whichever they are at the moment. */
export function unansweredFindings(unanswered: readonly Unanswered[]): readonly Finding[] {
  const waited = unanswered.filter((each) => each.waited);
  return [
    ...(waited.length === 0 ? [] : [inVain(waited)]),
    ...unanswered.filter((each) => !each.waited).map(withoutAnswer),
  ];
}

function inVain(waited: readonly Unanswered[]): Finding {
  const checks = waited.map(({ check }) => check);
  const reasons = [...new Set(waited.map(({ reason }) => reason))];
  return {
    check: UNANSWERED,
    checks,
    subject: 'verification',
    verdict: 'stalled',
    severity: 'warning',
    expected: 'an answer to every check',
    actual: `none to ${checks.join(', ')}: ${reasons.join('; ')}`,
    remedy:
      'passes when the lock is released (a chunk being compressed holds one); if it stays, see pg_stat_activity',
  };
}

const withoutAnswer = ({ check, reason }: Unanswered): Finding => ({
  check,
  subject: check,
  verdict: 'unsupported',
  severity: 'warning',
  expected: 'an answer from the database',
  actual: reason,
  remedy: 'grant the role what docs/policies.md says this check needs, or report the TimescaleDB version',
});
