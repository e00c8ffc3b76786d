import type { Catalog } from './catalog.ts';
import type { PolicyCheck } from './check.ts';
import { becauseOfOverloads } from './check/overloads.ts';
import { askable, followsFrom, withoutEffects } from './check/causes.ts';
import { becauseOfRights } from './extension-rights.ts';
import { readFacts, type Facts } from './facts.ts';
import type { Finding } from './finding.ts';
import type { PolicyPlan } from './plan.ts';
import {
  answersTo,
  isAway,
  VERIFICATION,
  isUnanswered,
  judgedBy,
  UNANSWERED,
  findingsOfUnanswered,
  type Unanswered,
} from './unanswered.ts';

export interface Verification {
  readonly facts: Facts;
  readonly findings: readonly Finding[];
  /** Checks that were asked and gave an answer: of the others nothing is known. */
  readonly answered: ReadonlySet<string>;
}

/**
 * Asks every check. One that gets no answer is told of in a finding and does not keep the others from being asked;
 * rejects only when the database cannot be asked at all.
 */
export async function verify(
  catalog: Catalog,
  plan: PolicyPlan,
  checks: readonly PolicyCheck[],
): Promise<Verification> {
  const facts = await readFacts(catalog).catch(async (error: unknown) => {
    throw isAway(error) ? error : await becauseOfRights(catalog, await becauseOfOverloads(catalog, error));
  });
  const findings: Finding[] = [];
  const silent: Unanswered[] = [];
  const answered = new Set<string>([VERIFICATION]);
  for (const check of askable(checks, facts.server)) {
    const answers = await answersTo(catalog, plan, facts, check);
    const judged = isUnanswered(answers) ? answers : judgedBy(check, plan, facts, answers);
    if (isUnanswered(judged)) silent.push(judged);
    else {
      answered.add(check.name);
      findings.push(...judged);
    }
  }
  // Waiting in vain is over when nobody did, and goes on when others do.
  if (!silent.some(({ waited }) => waited)) answered.add(UNANSWERED);
  const follows = followsFrom(findings, plan);
  return {
    facts,
    findings: [
      ...findings.filter((finding) => !follows(finding)),
      ...(await findingsOfUnanswered(catalog, withoutEffects(silent, findings))),
    ],
    answered,
  };
}
