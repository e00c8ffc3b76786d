import { FieldwatchError, messageOf } from '../errors.ts';
import { askCheck } from './ask.ts';
import type { Catalog } from './catalog.ts';
import type { PolicyCheck } from './check.ts';
import { canBeJudged, serverCheck } from './check/server.ts';
import { readFacts, type Facts } from './facts.ts';
import type { Finding } from './finding.ts';
import type { PolicyPlan } from './plan.ts';

export interface Verification {
  readonly facts: Facts;
  readonly findings: readonly Finding[];
  /** Checks that were asked and gave an answer: of the others nothing is known. */
  readonly answered: ReadonlySet<string>;
}

/** How a Catalog says that a query ran into its time limit, into a lock that was not given up, or got no answer. */
const TIMED_OUT: readonly string[] = ['DB_TIMEOUT', 'DB_CONTENTION', 'CATALOG_TIMEOUT'];

/**
 * Asks every check. A check that gets no answer is a finding of that check and does not keep the others from being
 * asked; rejects only when the database cannot be asked at all.
 */
export async function verify(
  catalog: Catalog,
  plan: PolicyPlan,
  checks: readonly PolicyCheck[],
): Promise<Verification> {
  const facts = await readFacts(catalog, plan);
  const usable = canBeJudged(facts.server) ? checks : checks.filter((check) => check === serverCheck);
  const findings: Finding[] = [];
  const answered = new Set<string>();
  for (const check of usable) {
    const found = await ask(catalog, plan, check, facts);
    if (!('noAnswer' in found)) answered.add(check.name);
    findings.push(...('noAnswer' in found ? [found.noAnswer] : found));
  }
  return { facts, findings, answered };
}

async function ask(
  catalog: Catalog,
  plan: PolicyPlan,
  check: PolicyCheck,
  facts: Facts,
): Promise<readonly Finding[] | { readonly noAnswer: Finding }> {
  let answers: Awaited<ReturnType<typeof askCheck>>;
  try {
    answers = await askCheck(catalog, plan, facts, check);
  } catch (error) {
    return { noAnswer: unanswered(check, error) };
  }
  return check.judge(plan, facts, answers);
}

function unanswered(check: PolicyCheck, error: unknown): Finding {
  const finding = { check: check.name, subject: check.name, expected: 'an answer from the database' };
  if (error instanceof FieldwatchError && TIMED_OUT.includes(error.code)) {
    return {
      ...finding,
      verdict: 'stalled',
      severity: 'warning',
      actual: error.message,
      remedy:
        'passes when the lock is released (a chunk being compressed holds one); if it stays, see pg_stat_activity',
    };
  }
  if (error instanceof FieldwatchError && (error.kind === 'schema' || error.kind === 'auth')) {
    return {
      ...finding,
      verdict: 'unsupported',
      severity: 'warning',
      actual: messageOf(error),
      remedy: 'grant the role what docs/policies.md says this check needs, or report the TimescaleDB version',
    };
  }
  throw error;
}
