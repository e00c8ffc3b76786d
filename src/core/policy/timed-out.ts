import { FieldwatchError, messageOf } from '../errors.ts';
import type { Catalog } from './catalog.ts';
import type { PolicyCheck } from './check.ts';
import type { Finding } from './finding.ts';
import { type LockHolder, lockHolders } from './lock-holders.ts';
import type { PolicyPlan } from './plan.ts';
import { type Answers, runCheck } from './run-checks.ts';
import type { CatalogSnapshot } from './snapshot.ts';

/** Pseudo check name of the finding about timed-out checks. */
export const QUERY_TIMED_OUT = 'unanswered';

/** Pseudo check name of the finding that there was no verification at all. */
export const VERIFICATION = 'verification';

/** The database is reachable, but the facts that every check relies on are not. */
export const verificationFailed = (error: unknown): Finding => ({
  check: VERIFICATION,
  subject: 'verification',
  verdict: 'stalled',
  severity: 'critical',
  expected: 'the policies can be verified',
  actual: messageOf(error),
  remedy:
    (error instanceof FieldwatchError ? error.remedy : undefined) ??
    'what the message names; until then nothing is known of the policies: `fieldwatch doctor`',
});

/** A check without an answer: it timed out, or the server has none for it. */
export interface TimedOut {
  readonly check: string;
  readonly waited: boolean;
  /** A right was missing. */
  readonly refused: boolean;
  /** It queried a table or a column that does not exist. */
  readonly lacking: boolean;
  readonly reason: string;
}

/** Error codes of a Catalog for a query that ran into its time limit, an unreleased lock, or got no answer. */
const TIMED_OUT: readonly string[] = ['DB_TIMEOUT', 'DB_CONTENTION', 'CATALOG_TIMEOUT'];

/** Error codes for an unreachable database: no other check would get an answer either. */
const AWAY: readonly string[] = [
  ...[
    'DB_CONNECTION_LOST',
    'DB_UNREACHABLE',
    'DB_UNAVAILABLE',
    'DB_POOLER',
    'DB_NO_DATABASE',
    'DB_AUTH',
    'DB_TLS',
  ],
  ...['DB_NO_ANSWER', 'DB_CLOSED', 'DB_URL', 'DB_SCHEMA_AMBIGUOUS', 'DB_READ_ONLY', 'DB_EXTENSION_FILE'],
];

/** The answers to a check, or why there are none; rejects only when the database cannot be queried at all. */
export async function answersTo(
  catalog: Catalog,
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  check: PolicyCheck,
): Promise<Answers | TimedOut> {
  try {
    return await runCheck(catalog, plan, snapshot, check);
  } catch (error) {
    if (isAway(error)) throw error;
    return timedOut(check, error);
  }
}

/** Whether the database cannot be queried at all. */
export const isAway = (error: unknown): boolean =>
  error instanceof FieldwatchError && AWAY.includes(error.code);

/** A fault of one check, whatever it is, must not keep the others from running. */
export const timedOut = ({ name }: PolicyCheck, error: unknown): TimedOut => ({
  check: name,
  waited: error instanceof FieldwatchError && TIMED_OUT.includes(error.code),
  refused: error instanceof FieldwatchError && error.code === 'DB_RIGHTS',
  lacking: error instanceof FieldwatchError && error.code === 'DB_SCHEMA',
  reason: messageOf(error),
});

/** The findings of a check, or why it could not evaluate the answers. */
export function verdictFrom(
  check: PolicyCheck,
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  answers: Answers,
): readonly Finding[] | TimedOut {
  try {
    return check.evaluate(plan, snapshot, answers);
  } catch (error) {
    return timedOut(check, error);
  }
}

/** The findings about checks without an answer; for those that timed out, with the sessions they waited for. */
export async function findingsOfTimedOut(
  catalog: Catalog,
  timedOut: readonly TimedOut[],
): Promise<readonly Finding[]> {
  const waited = timedOut.some((each) => each.waited);
  return timedOutFindings(timedOut, waited ? await lockHolders(catalog) : []);
}

export const isTimedOut = (result: Answers | readonly Finding[] | TimedOut): result is TimedOut =>
  'reason' in result;

/** One lock blocks several checks: they are one finding, whichever they are at the moment. */
export function timedOutFindings(
  timedOut: readonly TimedOut[],
  holders: readonly LockHolder[] = [],
): readonly Finding[] {
  const waited = timedOut.filter((each) => each.waited);
  return [
    ...(waited.length === 0 ? [] : [inVain(waited, holders)]),
    ...timedOut.filter((each) => !each.waited).map(withoutAnswer),
  ];
}

function inVain(waited: readonly TimedOut[], holders: readonly LockHolder[]): Finding {
  const checks = waited.map(({ check }) => check);
  const reasons = [...new Set(waited.map(({ reason }) => reason))];
  return {
    check: QUERY_TIMED_OUT,
    checks,
    subject: 'verification',
    verdict: 'stalled',
    severity: 'warning',
    expected: 'an answer to every check',
    actual: [
      `none to ${checks.join(', ')}: ${reasons.join('; ')}`,
      ...holders.map(({ session }) => session),
    ].join('; '),
    remedy:
      holders.length === 0
        ? 'passes when the lock is released (a chunk being compressed holds one); if it stays, see pg_stat_activity'
        : `passes when the lock is released (a chunk being compressed holds one); if it stays: ${holders.map(({ remedy }) => remedy).join(' ')}`,
  };
}

const withoutAnswer = ({ check, reason }: TimedOut): Finding => ({
  check,
  subject: check,
  verdict: 'unsupported',
  severity: 'warning',
  expected: 'an answer from the database',
  actual: reason,
  remedy:
    'what the message names: a relation or column that was replaced (see `relations` and `definitions`), or a right (docs/policies.md, Rights); otherwise please report it with the TimescaleDB version',
});
