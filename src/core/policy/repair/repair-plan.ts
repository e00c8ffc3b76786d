import { messageOf } from '../../errors.ts';
import type { Assessment, FaultyCheck } from '../assess.ts';
import type { Catalog, CatalogRow } from '../catalog.ts';
import { type RepairStep, REPAIR_EFFECTS } from '../check.ts';
import { followsFrom } from '../check/causes.ts';
import { type Finding, findingKey, isNote } from '../finding.ts';
import type { PolicyPlan } from '../plan.ts';
import { type Answers, runChecks } from '../run-checks.ts';
import type { CatalogSnapshot } from '../snapshot.ts';
import { isAway } from '../timed-out.ts';

/** A finding that is left to the operator, and why. */
export interface Refusal {
  readonly check: string;
  readonly subject: string;
  readonly reason: string;
}

/** The repair of the findings of an assessment. */
export interface RepairPlan extends Pick<Assessment, 'findings' | 'answered'> {
  readonly steps: readonly RepairStep[];
  readonly refused: readonly Refusal[];
}

/** Runs statements of repairs, each separately. Rejects with the database's error. */
export interface StatementExecutor {
  run(sql: string): Promise<readonly CatalogRow[]>;
}

/** The steps that would repair the findings, from the least effect to the most. Reads only what the assessment lacks. */
export async function planSteps(
  catalog: Catalog,
  plan: PolicyPlan,
  { snapshot, faulty, findings, answered, unanswered }: Assessment,
): Promise<RepairPlan> {
  const follows = followsFrom(faulty, plan);
  const parts: Part[] = [];
  for (const each of faulty) {
    const { steps, refused } = await planOne(catalog, plan, snapshot, each);
    const isCause = (about: RepairStep | Refusal): boolean => !follows(each.check, about);
    parts.push({ steps: steps.filter(isCause), refused: refused.filter(isCause) });
  }
  const order = ({ effect }: RepairStep): number => REPAIR_EFFECTS.indexOf(effect);
  return {
    steps: parts.flatMap(({ steps }) => steps).sort((a, b) => order(a) - order(b)),
    refused: [...parts.flatMap(({ refused }) => refused), ...unanswered.map(refusal)],
    findings,
    answered,
  };
}

type Part = Pick<RepairPlan, 'steps' | 'refused'>;

/** A check whose repair cannot be planned leaves its findings to the operator; the other checks are not affected. */
async function planOne(
  catalog: Catalog,
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  faulty: FaultyCheck,
): Promise<Part> {
  try {
    return await planCheck(catalog, plan, snapshot, faulty);
  } catch (error) {
    if (isAway(error)) throw error;
    const why = messageOf(error);
    const refused = faulty.findings.map((finding) => ({
      ...refusal(finding),
      reason: `${finding.remedy} (${why})`,
    }));
    return { steps: [], refused };
  }
}

async function planCheck(
  catalog: Catalog,
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  { check, answers, findings }: FaultyCheck,
): Promise<Part> {
  // Without details a step is left out, or is the cautious one.
  const details = await runChecks(catalog, check.repair?.queries?.(plan, snapshot, answers) ?? []).catch(
    (error: unknown): Answers => {
      if (isAway(error)) throw error;
      return [];
    },
  );
  const steps = check.repair?.steps({ plan, snapshot, findings, answers, details }) ?? [];
  const repaired = new Set(steps.map(({ subject }) => subject));
  const refused = findings
    .filter((finding) => !isNote(finding) && !repaired.has(finding.subject))
    .map(refusal);
  return { steps: [...new Map(steps.map((step) => [step.sql, step])).values()], refused };
}

const refusal = ({ check, subject, remedy }: Finding): Refusal => ({ check, subject, reason: remedy });

/** Whether two rounds of repair found the same faults: then another one would not help. */
export function sameFindings(a: readonly Finding[], b: readonly Finding[]): boolean {
  const keys = (findings: readonly Finding[]) => findings.map(findingKey).sort().join('\n');
  return keys(a) === keys(b);
}
