import type { CatalogRow, CheckQuery } from './catalog.ts';
import type { Finding } from './finding.ts';
import type { PolicyPlan } from './plan.ts';

import type { CatalogSnapshot } from './snapshot.ts';

/** One question about the database. Its queries change nothing, so a check is a pure function of what they return. */
export interface PolicyCheck {
  /** Short and stable: a metric label, and the word after `--only`. */
  readonly name: string;
  /** The question, for people. */
  readonly about: string;
  queries(plan: PolicyPlan, snapshot: CatalogSnapshot): readonly CheckQuery[];
  /**
   * Asked when those are answered, about what they found suspicious: reading rows takes planning every chunk they may be
   * in, so the catalog is asked first, and then for as few chunks as possible.
   */
  followUpQueries?(
    plan: PolicyPlan,
    snapshot: CatalogSnapshot,
    answers: readonly (readonly CatalogRow[])[],
  ): readonly CheckQuery[];
  /** `answers[i]` are the rows of query i, those of `followUpQueries` behind the others. No finding: all is well. */
  evaluate(
    plan: PolicyPlan,
    snapshot: CatalogSnapshot,
    answers: readonly (readonly CatalogRow[])[],
  ): readonly Finding[];
  /** How its findings are mended; absent: by a person only. */
  readonly repair?: CheckRepair;
}

export interface CheckRepair {
  /** Asked besides, when there are findings. */
  queries?(
    plan: PolicyPlan,
    snapshot: CatalogSnapshot,
    answers: readonly (readonly CatalogRow[])[],
  ): readonly CheckQuery[];
  /** A finding whose subject no step names is left to a person. */
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

export type RepairEffect = (typeof REPAIR_EFFECTS)[number];

/** What a step changes, from the least to the most: also the order in which steps are done. `drop` deletes data. */
export const REPAIR_EFFECTS = ['settings', 'refresh', 'compress', 'drop'] as const;
