import type { Catalog } from './catalog.ts';
import type { PolicyCheck } from './check.ts';
import { answerable, followsFrom, withoutEffects } from './check/causes.ts';
import { becauseOfOverloads } from './check/overloads.ts';
import { becauseOfRights } from './schema/extension-rights.ts';
import type { Finding } from './finding.ts';
import type { PolicyPlan } from './plan.ts';
import { type CatalogSnapshot, readSnapshot } from './snapshot.ts';
import {
  QUERY_TIMED_OUT,
  type TimedOut,
  VERIFICATION,
  answersTo,
  findingsOfTimedOut,
  isAway,
  isTimedOut,
  verdictFrom,
} from './timed-out.ts';

export interface Verification {
  readonly snapshot: CatalogSnapshot;
  readonly findings: readonly Finding[];
  /** Checks that were run and answered: the state of the others is unknown. */
  readonly answered: ReadonlySet<string>;
}

/**
 * Runs every check. One that gets no answer is reported as a finding and does not keep the others from running;
 * rejects only when the database cannot be queried at all.
 */
export async function verify(
  catalog: Catalog,
  plan: PolicyPlan,
  checks: readonly PolicyCheck[],
): Promise<Verification> {
  const snapshot = await readSnapshot(catalog).catch(async (error: unknown) => {
    throw isAway(error) ? error : await becauseOfRights(catalog, await becauseOfOverloads(catalog, error));
  });
  const findings: Finding[] = [];
  const silent: TimedOut[] = [];
  const answered = new Set<string>([VERIFICATION]);
  for (const check of answerable(checks, snapshot.server)) {
    const answers = await answersTo(catalog, plan, snapshot, check);
    const result = isTimedOut(answers) ? answers : verdictFrom(check, plan, snapshot, answers);
    if (isTimedOut(result)) silent.push(result);
    else {
      answered.add(check.name);
      findings.push(...result);
    }
  }
  // The finding about timed-out queries is over when none timed out, and goes on while any does.
  if (!silent.some(({ waited }) => waited)) answered.add(QUERY_TIMED_OUT);
  const follows = followsFrom(findings, plan);
  return {
    snapshot,
    findings: [
      ...findings.filter((finding) => !follows(finding)),
      ...(await findingsOfTimedOut(catalog, withoutEffects(silent, findings))),
    ],
    answered,
  };
}
