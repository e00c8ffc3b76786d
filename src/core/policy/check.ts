import type { CatalogRow } from './catalog.ts';
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';
import type { PolicyPlan } from './plan.ts';
import type { RepairStep } from './repair.ts';

export interface CheckQuery {
  readonly text: string;
  readonly values?: readonly unknown[];
  /** It writes, and all of it is rolled back: the answer is the error, where there was one (`Catalog.tryOut`). */
  readonly rolledBack?: true;
}

/** One question about the database. Its queries change nothing, so a check is a pure function of what they return. */
export interface PolicyCheck {
  /** Short and stable: a metric label, and the word after `--only`. */
  readonly name: string;
  /** The question, for people. */
  readonly about: string;
  queries(plan: PolicyPlan, facts: Facts): readonly CheckQuery[];
  /**
   * Asked when those are answered, about what they found suspicious: reading rows takes planning every chunk they may be
   * in, so the catalog is asked first, and then for as few chunks as possible.
   */
  lookAgain?(
    plan: PolicyPlan,
    facts: Facts,
    answers: readonly (readonly CatalogRow[])[],
  ): readonly CheckQuery[];
  /** `answers[i]` are the rows of query i, those of `lookAgain` behind the others. No finding: all is well. */
  judge(plan: PolicyPlan, facts: Facts, answers: readonly (readonly CatalogRow[])[]): readonly Finding[];
  /** How its findings are mended; absent: by a person only. */
  readonly repair?: CheckRepair;
}

export interface CheckRepair {
  /** Asked besides, when there are findings. */
  queries?(
    plan: PolicyPlan,
    facts: Facts,
    answers: readonly (readonly CatalogRow[])[],
  ): readonly CheckQuery[];
  /** A finding whose subject no step names is left to a person. */
  steps(about: RepairContext): readonly RepairStep[];
}

export interface RepairContext {
  readonly plan: PolicyPlan;
  readonly facts: Facts;
  readonly findings: readonly Finding[];
  readonly answers: readonly (readonly CatalogRow[])[];
  /** The rows of the repair's own queries. */
  readonly details: readonly (readonly CatalogRow[])[];
}
