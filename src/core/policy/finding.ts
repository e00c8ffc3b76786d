import type { Severity } from '../alert/model.ts';

/**
 * What a check can say of a thing. `ok` gives no finding; it is a verdict of `policies show`.
 * `lagging` behind but moving · `stalled` does not move, or does not answer · `dataLossRisk` the next run destroys data ·
 * `extra` there, but nobody declared it · `unsupported` this server, edition or role cannot do or show it.
 */
export const VERDICTS = [
  'ok',
  'missing',
  'mismatched',
  'paused',
  'duplicate',
  'lagging',
  'stalled',
  'danger',
  'extra',
  'unsupported',
] as const;
export type FindingVerdict = (typeof VERDICTS)[number];

/** One fault of one thing. Everything but `actual` and `checks` is stable while the fault lasts. */
export interface Finding {
  /** Name of the check that found it. */
  readonly check: string;
  /** The checks that it speaks for, where it is not that of one. */
  readonly checks?: readonly string[];
  /** What it is about: `server`, `sensor_readings`, `sensor_readings retention`. Never a value from the network. */
  readonly subject: string;
  readonly verdict: Exclude<FindingVerdict, 'ok'>;
  readonly severity: Severity;
  readonly expected: string;
  readonly actual: string;
  /** What a person does about it: a command, a statement, or a sentence. */
  readonly remedy: string;
}

/** Two findings with one key are the same fault, whatever its figures are by now. */
export function findingKey(finding: Finding): string {
  return `${finding.check}/${finding.subject}/${finding.verdict}`;
}

export interface FindingChange {
  readonly raised: readonly Finding[];
  readonly cleared: readonly Finding[];
}

/** What changed between two verifications: each fault is raised once and cleared once. */
export function compareFindings(before: readonly Finding[], after: readonly Finding[]): FindingChange {
  const old = new Set(before.map(findingKey));
  const now = new Set(after.map(findingKey));
  return {
    raised: after.filter((finding) => !old.has(findingKey(finding))),
    cleared: before.filter((finding) => !now.has(findingKey(finding))),
  };
}

/** Worth knowing, but no fault: it does not fail a verification and raises no alert. */
export const isNote = (finding: Finding): boolean => finding.severity === 'info';
