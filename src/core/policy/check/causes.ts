import type { PolicyCheck } from '../check.ts';
import type { ServerFacts } from '../facts.ts';
import type { Finding } from '../finding.ts';
import type { Unanswered } from '../unanswered.ts';
import { rightsCheck } from './rights.ts';
import { isSwitchedOn, serverCheck } from './server.ts';

/** Without these no other check has anything to look at. */
export function canBeJudged(server: ServerFacts): boolean {
  return isSwitchedOn(server) && server.license !== 'apache' && server.hiddenSchema === undefined;
}

/** Where nothing else can be judged, only the checks that say why are worth asking. */
export function askable(checks: readonly PolicyCheck[], server: ServerFacts): readonly PolicyCheck[] {
  return canBeJudged(server)
    ? checks
    : checks.filter((check) => check === serverCheck || check === rightsCheck);
}

/** A check that was refused for a right says nothing that the missing right does not say. */
export function withoutEffects(
  unanswered: readonly Unanswered[],
  findings: readonly Finding[],
): readonly Unanswered[] {
  const named = findings.some(({ check }) => check === rightsCheck.name);
  return named ? unanswered.filter(({ refused }) => !refused) : unanswered;
}
