import type { CatalogRow } from './catalog.ts';
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';
import type { PolicyPlan } from './plan.ts';

export interface CheckQuery {
  readonly text: string;
  readonly values?: readonly unknown[];
}

/**
 * One question about the database. Its queries only read, and never depend on each other's answers, so a check is a
 * pure function of what they return.
 */
export interface PolicyCheck {
  /** Short and stable: a metric label, and the word after `--only`. */
  readonly name: string;
  /** The question, for people. */
  readonly about: string;
  queries(plan: PolicyPlan, facts: Facts): readonly CheckQuery[];
  /** `answers[i]` are the rows of query i. No finding: all is well. */
  judge(plan: PolicyPlan, facts: Facts, answers: readonly (readonly CatalogRow[])[]): readonly Finding[];
}
