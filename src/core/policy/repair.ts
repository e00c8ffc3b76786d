import { messageOf } from '../errors.ts';
import { askAll, type Answers } from './ask.ts';
import type { Catalog, CatalogRow } from './catalog.ts';
import type { PolicyCheck } from './check.ts';
import { becauseOfOverloads } from './check/overloads.ts';
import { askable, canBeJudged, followsFrom, withoutEffects } from './check/causes.ts';
import { becauseOfRights } from './extension-rights.ts';
import { readFacts, type Facts } from './facts.ts';
import { findingKey, isNote, type Finding } from './finding.ts';
import type { PolicyPlan } from './plan.ts';
import {
  answersTo,
  findingsOfUnanswered,
  isAway,
  isUnanswered,
  judgedBy,
  unansweredFindings,
  type Unanswered,
} from './unanswered.ts';

/** What a step changes, from the least to the most: also the order in which steps are done. `drop` deletes data. */
export const REPAIR_EFFECTS = ['settings', 'refresh', 'compress', 'drop'] as const;
export type RepairEffect = (typeof REPAIR_EFFECTS)[number];

/** One statement of a repair; what it does once more, it does no harm. */
export interface RepairStep {
  readonly check: string;
  readonly subject: string;
  readonly effect: RepairEffect;
  /** For people, as a sentence without its end. */
  readonly about: string;
  /** Run on its own, outside of any transaction. */
  readonly sql: string;
  /**
   * A slice of more work: it returns one row with `done`, how many chunks it has dealt with, and is run again until that
   * is 0. `chunk`, where it returns one, is then analyzed.
   */
  readonly sliced?: true;
}

/** A finding that is left to a person, and why. */
export interface Refusal {
  readonly check: string;
  readonly subject: string;
  readonly reason: string;
}

export interface RepairPlan {
  readonly steps: readonly RepairStep[];
  readonly refused: readonly Refusal[];
  /** What it is about: all findings of the checks that were asked. */
  readonly findings: readonly Finding[];
}

/** Runs statements of repairs, each on its own. Rejects with what the database said. */
export interface RepairHand {
  run(sql: string): Promise<readonly CatalogRow[]>;
}

/** What would mend the findings. Reads only; `only` names the checks to ask, none: all. */
export async function planRepair(
  catalog: Catalog,
  plan: PolicyPlan,
  checks: readonly PolicyCheck[],
  only: readonly string[] = [],
): Promise<RepairPlan> {
  const facts = await readFacts(catalog).catch(async (error: unknown) => {
    throw isAway(error) ? error : await becauseOfRights(catalog, await becauseOfOverloads(catalog, error));
  });
  const wanted = checks.filter(({ name }) => only.length === 0 || only.includes(name));
  const usable = canBeJudged(facts.server) ? askable(wanted, facts.server) : askable(checks, facts.server);
  const parts: RepairPlan[] = [];
  const unanswered: Unanswered[] = [];
  for (const check of usable) {
    const answers = await answersTo(catalog, plan, facts, check);
    if (isUnanswered(answers)) unanswered.push(answers);
    else parts.push(await planOne(catalog, plan, facts, check, answers));
  }
  const known = parts.flatMap(({ findings }) => findings);
  const silent = await findingsOfUnanswered(catalog, withoutEffects(unanswered, known));
  parts.push({ steps: [], refused: silent.map(refusal), findings: silent });
  const order = ({ effect }: RepairStep): number => REPAIR_EFFECTS.indexOf(effect);
  const follows = followsFrom(known, plan);
  const causes = <Item extends RepairStep | Refusal | Finding>(items: readonly Item[]): readonly Item[] =>
    items.filter((item) => !follows(item));
  return {
    steps: [...causes(parts.flatMap(({ steps }) => steps))].sort((a, b) => order(a) - order(b)),
    refused: causes(parts.flatMap(({ refused }) => refused)),
    findings: causes(parts.flatMap(({ findings }) => findings)),
  };
}

/** A check whose repair cannot be planned leaves its findings to the operator, and the other checks theirs. */
async function planOne(
  catalog: Catalog,
  plan: PolicyPlan,
  facts: Facts,
  check: PolicyCheck,
  answers: Answers,
): Promise<RepairPlan> {
  const findings = judgedBy(check, plan, facts, answers);
  if (isUnanswered(findings)) {
    const silent = unansweredFindings([findings]);
    return { steps: [], refused: silent.map(refusal), findings: silent };
  }
  try {
    return await planCheck(catalog, plan, facts, check, answers);
  } catch (error) {
    if (isAway(error)) throw error;
    const why = messageOf(error);
    const refused = findings.map((finding) => ({
      ...refusal(finding),
      reason: `${finding.remedy} (${why})`,
    }));
    return { steps: [], refused, findings };
  }
}

async function planCheck(
  catalog: Catalog,
  plan: PolicyPlan,
  facts: Facts,
  check: PolicyCheck,
  answers: Answers,
): Promise<RepairPlan> {
  const findings = check.judge(plan, facts, answers);
  if (findings.length === 0) return { steps: [], refused: [], findings };
  // Without details a step is left out, or is the careful one.
  const details = await askAll(catalog, check.repair?.queries?.(plan, facts, answers) ?? []).catch(
    (error: unknown): Answers => {
      if (isAway(error)) throw error;
      return [];
    },
  );
  const steps = check.repair?.steps({ plan, facts, findings, answers, details }) ?? [];
  const mended = new Set(steps.map(({ subject }) => subject));
  const refused = findings.filter((finding) => !isNote(finding) && !mended.has(finding.subject)).map(refusal);
  return { steps: [...new Map(steps.map((step) => [step.sql, step])).values()], refused, findings };
}

const refusal = ({ check, subject, remedy }: Finding): Refusal => ({ check, subject, reason: remedy });

/** Whether two rounds of repair are about the same faults: then another one would not help. */
export function sameFindings(a: readonly Finding[], b: readonly Finding[]): boolean {
  const keys = (findings: readonly Finding[]) => findings.map(findingKey).sort().join('\n');
  return keys(a) === keys(b);
}
