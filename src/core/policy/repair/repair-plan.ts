import { messageOf } from '../../errors.ts';
import type { Catalog, CatalogRow } from '../catalog.ts';
import { type PolicyCheck, type RepairStep, REPAIR_EFFECTS } from '../check.ts';
import { answerable, isConclusive, followsFrom, withoutEffects } from '../check/causes.ts';
import { becauseOfOverloads } from '../check/overloads.ts';
import { becauseOfRights } from '../schema/extension-rights.ts';
import { type Finding, findingKey, isNote } from '../finding.ts';
import type { PolicyPlan } from '../plan.ts';
import { type Answers, runChecks } from '../run-checks.ts';
import { type CatalogSnapshot, readSnapshot } from '../snapshot.ts';
import {
  type TimedOut,
  answersTo,
  findingsOfTimedOut,
  isAway,
  isTimedOut,
  verdictFrom,
  timedOutFindings,
} from '../timed-out.ts';

/** A finding that is left to the operator, and why. */
export interface Refusal {
  readonly check: string;
  readonly subject: string;
  readonly reason: string;
}

export interface RepairPlan {
  readonly steps: readonly RepairStep[];
  readonly refused: readonly Refusal[];
  /** The findings of the checks that were run. */
  readonly findings: readonly Finding[];
}

/** Runs statements of repairs, each separately. Rejects with the database's error. */
export interface StatementExecutor {
  run(sql: string): Promise<readonly CatalogRow[]>;
}

/** The steps that would repair the findings. Reads only; `only` names the checks to run, none: all. */
export async function planRepair(
  catalog: Catalog,
  plan: PolicyPlan,
  checks: readonly PolicyCheck[],
  only: readonly string[] = [],
): Promise<RepairPlan> {
  const snapshot = await readSnapshot(catalog).catch(async (error: unknown) => {
    throw isAway(error) ? error : await becauseOfRights(catalog, await becauseOfOverloads(catalog, error));
  });
  const wanted = checks.filter(({ name }) => only.length === 0 || only.includes(name));
  const usable = isConclusive(snapshot.server)
    ? answerable(wanted, snapshot.server)
    : answerable(checks, snapshot.server);
  const parts: RepairPlan[] = [];
  const timedOut: TimedOut[] = [];
  for (const check of usable) {
    const answers = await answersTo(catalog, plan, snapshot, check);
    if (isTimedOut(answers)) timedOut.push(answers);
    else parts.push(await planOne(catalog, plan, snapshot, check, answers));
  }
  const known = parts.flatMap(({ findings }) => findings);
  const silent = await findingsOfTimedOut(catalog, withoutEffects(timedOut, known));
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

/** A check whose repair cannot be planned leaves its findings to the operator; the other checks are not affected. */
async function planOne(
  catalog: Catalog,
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  check: PolicyCheck,
  answers: Answers,
): Promise<RepairPlan> {
  const findings = verdictFrom(check, plan, snapshot, answers);
  if (isTimedOut(findings)) {
    const silent = timedOutFindings([findings]);
    return { steps: [], refused: silent.map(refusal), findings: silent };
  }
  try {
    return await planCheck(catalog, plan, snapshot, check, answers);
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
  snapshot: CatalogSnapshot,
  check: PolicyCheck,
  answers: Answers,
): Promise<RepairPlan> {
  const findings = check.evaluate(plan, snapshot, answers);
  if (findings.length === 0) return { steps: [], refused: [], findings };
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
  return { steps: [...new Map(steps.map((step) => [step.sql, step])).values()], refused, findings };
}

const refusal = ({ check, subject, remedy }: Finding): Refusal => ({ check, subject, reason: remedy });

/** Whether two rounds of repair found the same faults: then another one would not help. */
export function sameFindings(a: readonly Finding[], b: readonly Finding[]): boolean {
  const keys = (findings: readonly Finding[]) => findings.map(findingKey).sort().join('\n');
  return keys(a) === keys(b);
}
