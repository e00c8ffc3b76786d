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

/** Checks whose findings say what tables and columns are missing. */
const STRUCTURE: readonly string[] = ['relations', 'definitions'];

/** A check that lacked a right, a table or a column says nothing that the finding about these does not say. */
export function withoutEffects(
  unanswered: readonly Unanswered[],
  findings: readonly Finding[],
): readonly Unanswered[] {
  const rights = findings.some(({ check }) => check === rightsCheck.name);
  const structure = findings.some(
    ({ check, severity }) => STRUCTURE.includes(check) && severity === 'critical',
  );
  return unanswered.filter(({ refused, lacking }) => !(rights && refused) && !(structure && lacking));
}
