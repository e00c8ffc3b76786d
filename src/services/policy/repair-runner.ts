import { messageOf } from '../../core/errors.ts';
import { type Assessment, assess } from '../../core/policy/assess.ts';
import type { Catalog } from '../../core/policy/catalog.ts';
import type { PolicyCheck, RepairEffect, RepairStep } from '../../core/policy/check.ts';
import type { PolicyPlan } from '../../core/policy/plan.ts';
import {
  type StatementExecutor,
  type RepairPlan,
  planSteps,
  sameFindings,
} from '../../core/policy/repair/repair-plan.ts';
import { numberOf, optionalText } from '../../core/policy/row.ts';

export interface RepairOptions {
  readonly catalog: Catalog;
  readonly executor: StatementExecutor;
  readonly plan: PolicyPlan;
  readonly checks: readonly PolicyCheck[];
  /** To start from; absent: the database is assessed first. */
  readonly first?: Assessment;
  /** Names of checks; empty: all. */
  readonly only?: readonly string[];
  /** Effects that are allowed. Without `drop` nothing is deleted. */
  readonly effects: readonly RepairEffect[];
  readonly signal: AbortSignal;
  /** Statements at most; the rest is left for another time, and nothing is half done. */
  readonly most?: number;
  readonly onStep?: (run: StepRun) => void;
}

export interface StepRun {
  readonly step: RepairStep;
  /** Chunks processed by a sliced step; 1 for any other that succeeded. */
  readonly done: number;
  readonly error: string | undefined;
}

export interface RepairResult {
  readonly runs: readonly StepRun[];
  /** The remaining findings: those without a repair step, or whose steps were not allowed, failed or had no time. */
  readonly left: RepairPlan;
}

/** One repair may reveal another: a refreshed hour outdates its day. */
const MOST_ROUNDS = 4;

/**
 * Repairs findings, least change first, each statement on its own: it can be interrupted anywhere and resumes from there
 * the next time. A step that fails does not keep the others from being done.
 */
export async function runRepair(options: RepairOptions): Promise<RepairResult> {
  const { catalog, plan, checks, only, effects, signal, onStep } = options;
  const runs: StepRun[] = [];
  const budget = { left: options.most ?? Number.POSITIVE_INFINITY };
  const look = (): Promise<Assessment> => assess(catalog, plan, checks, only);
  let left = await planSteps(catalog, plan, options.first ?? (await look()));
  const report = (run: StepRun): void => {
    runs.push(run);
    onStep?.(run);
  };
  // A step that fails because another is missing succeeds in the next round, or is no longer needed: then it did not fail.
  let failed: StepRun[] = [];
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const steps = left.steps.filter(({ effect }) => effects.includes(effect));
    failed = [];
    if (steps.length === 0) break;
    for (const step of steps) {
      if (signal.aborted || budget.left <= 0) break;
      const run = await runStep(options.executor, step, budget, signal);
      if (run.error === undefined) report(run);
      else failed.push(run);
    }
    const before = left;
    left = await planSteps(catalog, plan, await look());
    if (signal.aborted || budget.left <= 0 || sameFindings(before.findings, left.findings)) break;
  }
  failed.forEach(report);
  return { runs, left };
}

/** One step, or as many slices of it as the budget allows. */
export async function runStep(
  executor: StatementExecutor,
  step: RepairStep,
  budget: { left: number },
  signal: AbortSignal,
): Promise<StepRun> {
  let done = 0;
  try {
    do {
      budget.left -= 1;
      const [row = {}] = await executor.run(step.sql);
      if (step.sliced !== true) return { step, done: 1, error: undefined };
      const slice = numberOf(row, 'done');
      if (slice === 0) return { step, done, error: undefined };
      done += slice;
      const chunk = optionalText(row, 'chunk');
      // Without fresh statistics a newly compressed chunk is planned as if it were still large.
      if (chunk !== undefined) await executor.run(`ANALYZE ${chunk}`);
    } while (budget.left > 0 && !signal.aborted);
    return { step, done, error: undefined };
  } catch (error) {
    return { step, done, error: messageOf(error) };
  }
}
