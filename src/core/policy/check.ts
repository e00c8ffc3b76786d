import type { CatalogRow, CheckQuery } from './catalog.ts';
import type { Finding } from './finding.ts';
import type { PolicyPlan } from './plan.ts';

import type { CatalogSnapshot } from './snapshot.ts';

/** A check of the database. Its queries change nothing, so a check is a pure function of their results. */
export interface PolicyCheck {
  /** Short and stable: a metric label, and the value of `--only`. */
  readonly name: string;
  /** Description for the operator. */
  readonly about: string;
  queries(plan: PolicyPlan, snapshot: CatalogSnapshot): readonly CheckQuery[];
  /**
   * Queries that depend on the first answers: reading rows means planning every chunk that may hold them, so the
   * catalog is queried first, and then as few chunks as possible.
   */
  followUpQueries?(
    plan: PolicyPlan,
    snapshot: CatalogSnapshot,
    answers: readonly (readonly CatalogRow[])[],
  ): readonly CheckQuery[];
  /** `answers[i]` are the rows of query i, followed by those of `followUpQueries`. No finding: all is well. */
  evaluate(
    plan: PolicyPlan,
    snapshot: CatalogSnapshot,
    answers: readonly (readonly CatalogRow[])[],
  ): readonly Finding[];
  /** It answers where TimescaleDB cannot be used, and says why. No other check is run then. */
  readonly withoutExtension?: true;
  /** A critical finding of it explains why other checks had no answer: they lacked a right, a relation or column, or waited for a lock. */
  readonly explains?: 'refused' | 'lacking' | 'waited';
  /** The fault of a finding's subject from which findings of other checks may follow. */
  causes?(finding: Finding): Cause | undefined;
  /** Whether a finding of this check, or a step of its repair, follows from the findings of others: then it is left out. */
  follows?(about: FindingAbout, causes: Causes): boolean;
  /** The repair of its findings; absent: by the operator only. */
  readonly repair?: CheckRepair;
}

export type Cause = 'policy_missing' | 'definition_differs' | 'rows_differ' | 'rows_missing';

/** The faults that were found. */
export interface Causes {
  has(cause: Cause, subject: string): boolean;
  /** For an aggregate, or its refresh: its definition differs, or it is built on one whose definition or rows do. */
  countsOthers(subject: string): boolean;
}

/** A finding, or a step of its repair, which has no severity. */
export type FindingAbout = Pick<Finding, 'subject'> & Partial<Pick<Finding, 'severity'>>;

export interface CheckFindings {
  readonly check: PolicyCheck;
  readonly findings: readonly Finding[];
}

export interface CheckRepair {
  /** Additional queries when there are findings. */
  queries?(
    plan: PolicyPlan,
    snapshot: CatalogSnapshot,
    answers: readonly (readonly CatalogRow[])[],
  ): readonly CheckQuery[];
  /** A finding whose subject no step names is left to the operator. */
  steps(about: RepairContext): readonly RepairStep[];
}

export interface RepairContext {
  readonly plan: PolicyPlan;
  readonly snapshot: CatalogSnapshot;
  readonly findings: readonly Finding[];
  readonly answers: readonly (readonly CatalogRow[])[];
  /** The rows of the repair's own queries. */
  readonly details: readonly (readonly CatalogRow[])[];
}

/** One statement of a repair; running it again does no harm. */
export interface RepairStep {
  readonly check: string;
  readonly subject: string;
  readonly effect: RepairEffect;
  /** Description for the operator: a sentence without its full stop. */
  readonly about: string;
  /** Run separately, outside of any transaction. */
  readonly sql: string;
  /**
   * One slice of more work: it returns one row with `done`, the number of chunks it has processed, and is run again
   * until that is 0. `chunk`, if returned, is then analyzed.
   */
  readonly sliced?: true;
}

export type RepairEffect = (typeof REPAIR_EFFECTS)[number];

/** The effect of a step, from the least to the most; steps run in this order. `drop` deletes data. */
export const REPAIR_EFFECTS = ['settings', 'refresh', 'compress', 'drop'] as const;
