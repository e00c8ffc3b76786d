import type { Catalog, CatalogRow, CheckQuery } from './catalog.ts';
import type { PolicyCheck } from './check.ts';
import type { PolicyPlan } from './plan.ts';
import type { CatalogSnapshot } from './snapshot.ts';

/** `answers[i]` are the rows of query i. */
export type Answers = readonly (readonly CatalogRow[])[];

/** Sequential: a catalog has one connection, and parallel queries would leave the server less for writers. */
export async function runChecks(catalog: Catalog, queries: readonly CheckQuery[]): Promise<Answers> {
  const answers: (readonly CatalogRow[])[] = [];
  for (const { text, values, rolledBack } of queries)
    answers.push(
      rolledBack === true ? ((await catalog.tryOut?.(text)) ?? []) : await catalog.select(text, values),
    );
  return answers;
}

/** The answers to all queries of a check, those of `followUpQueries` last. */
export async function runCheck(
  catalog: Catalog,
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  check: PolicyCheck,
): Promise<Answers> {
  const answers = await runChecks(catalog, check.queries(plan, snapshot));
  const more = await runChecks(catalog, check.followUpQueries?.(plan, snapshot, answers) ?? []);
  return [...answers, ...more];
}
