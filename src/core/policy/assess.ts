import type { Catalog } from './catalog.ts';
import type { CheckFindings, PolicyCheck } from './check.ts';
import { answerable, followsFrom, isConclusive, withoutEffects } from './check/causes.ts';
import { becauseOfOverloads } from './check/overloads.ts';
import { becauseOfRights } from './schema/extension-rights.ts';
import type { Finding } from './finding.ts';
import type { PolicyPlan } from './plan.ts';
import type { Answers } from './run-checks.ts';
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

/** The state of the database, read once: what is reported of it, and what its repair is planned from. */
export interface Assessment {
  readonly snapshot: CatalogSnapshot;
  /** To be reported: those that follow from another are left out, and those about checks without an answer are last. */
  readonly findings: readonly Finding[];
  /** Checks that were run and answered: the state of the others is unknown. */
  readonly answered: ReadonlySet<string>;
  readonly faulty: readonly FaultyCheck[];
  /** About checks without an answer. */
  readonly unanswered: readonly Finding[];
}

/** A check with findings, those included that follow from the findings of another. */
export interface FaultyCheck extends CheckFindings {
  readonly answers: Answers;
}

/**
 * Runs every check, or those named by `only`. One that gets no answer is reported as a finding and does not keep the
 * others from running; rejects only when the database cannot be queried at all.
 */
export async function assess(
  catalog: Catalog,
  plan: PolicyPlan,
  checks: readonly PolicyCheck[],
  only: readonly string[] = [],
): Promise<Assessment> {
  const snapshot = await readSnapshot(catalog).catch(async (error: unknown) => {
    throw isAway(error) ? error : await becauseOfRights(catalog, await becauseOfOverloads(catalog, error));
  });
  const faulty: FaultyCheck[] = [];
  const silent: TimedOut[] = [];
  const answered = new Set<string>([VERIFICATION]);
  for (const check of selected(checks, only, snapshot)) {
    const answers = await answersTo(catalog, plan, snapshot, check);
    const result = isTimedOut(answers) ? answers : verdictFrom(check, plan, snapshot, answers);
    if (isTimedOut(result)) silent.push(result);
    else {
      answered.add(check.name);
      if (result.length > 0 && !isTimedOut(answers)) faulty.push({ check, answers, findings: result });
    }
  }
  // The finding about timed-out queries is over when none timed out, and goes on while any does.
  if (!silent.some(({ waited }) => waited)) answered.add(QUERY_TIMED_OUT);
  const follows = followsFrom(faulty, plan);
  const causes = faulty.flatMap(({ check, findings }) =>
    findings.filter((finding) => !follows(check, finding)),
  );
  const unanswered = await findingsOfTimedOut(catalog, withoutEffects(silent, faulty));
  return {
    snapshot,
    findings: [...causes, ...unanswered],
    answered,
    faulty,
    unanswered,
  };
}

/** Where nothing else can be evaluated, the checks that explain why are run whatever is asked for. */
function selected(
  checks: readonly PolicyCheck[],
  only: readonly string[],
  { server }: CatalogSnapshot,
): readonly PolicyCheck[] {
  return only.length === 0 || !isConclusive(server)
    ? answerable(checks, server)
    : checks.filter(({ name }) => only.includes(name));
}
