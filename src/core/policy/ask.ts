import type { Catalog, CatalogRow } from './catalog.ts';
import type { CheckQuery, PolicyCheck } from './check.ts';
import type { Facts } from './facts.ts';
import type { PolicyPlan } from './plan.ts';

/** `answers[i]` are the rows of query i. */
export type Answers = readonly (readonly CatalogRow[])[];

/** One after the other: a catalog has one connection, and a server that is asked much at once has less left for writers. */
export async function askAll(catalog: Catalog, queries: readonly CheckQuery[]): Promise<Answers> {
  const answers: (readonly CatalogRow[])[] = [];
  for (const { text, values, rolledBack } of queries)
    answers.push(
      rolledBack === true ? ((await catalog.tryOut?.(text)) ?? []) : await catalog.select(text, values),
    );
  return answers;
}

/** The answers to all queries of a check, those of its second look behind those of the first. */
export async function askCheck(
  catalog: Catalog,
  plan: PolicyPlan,
  facts: Facts,
  check: PolicyCheck,
): Promise<Answers> {
  const answers = await askAll(catalog, check.queries(plan, facts));
  const more = await askAll(catalog, check.lookAgain?.(plan, facts, answers) ?? []);
  return [...answers, ...more];
}
