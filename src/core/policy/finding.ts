import type { Severity } from '../alert/model.ts';

/**
 * The verdict of a check. `ok` gives no finding; it is a verdict of `policies show`. `lagging` behind but moving ·
 * `stalled` does not move, or does not answer · `unsafe` data, or the writes and jobs of this program, are at risk · `extra` exists undeclared
 * · `unsupported` this server, edition or role cannot do or show it.
 */
export const VERDICTS = [
  'ok',
  'missing',
  'mismatched',
  'paused',
  'duplicate',
  'lagging',
  'stalled',
  'unsafe',
  'extra',
  'unsupported',
] as const;
export type FindingVerdict = (typeof VERDICTS)[number];

/** One fault of one subject. Everything but `actual` and `checks` is stable while the fault lasts. */
export interface Finding {
  /** Name of the check that found it. */
  readonly check: string;
  /** The checks it represents, if not one. */
  readonly checks?: readonly string[];
  /** The subject: `server`, `sensor_readings`, `sensor_readings retention`. Never a value from the network. */
  readonly subject: string;
  readonly verdict: Exclude<FindingVerdict, 'ok'>;
  readonly severity: Severity;
  readonly expected: string;
  readonly actual: string;
  /** The operator's remedy: a command, a statement, or a sentence. */
  readonly remedy: string;
}

/** Findings with equal keys are the same fault, whatever its current figures. */
export function findingKey(finding: Finding): string {
  return `${finding.check}/${finding.subject}/${finding.verdict}`;
}

export interface FindingChange {
  readonly raised: readonly Finding[];
  readonly cleared: readonly Finding[];
}

/** The changes between two verifications: each fault is raised once and cleared once. */
export function compareFindings(before: readonly Finding[], after: readonly Finding[]): FindingChange {
  const old = new Set(before.map(findingKey));
  const now = new Set(after.map(findingKey));
  return {
    raised: after.filter((finding) => !old.has(findingKey(finding))),
    cleared: before.filter((finding) => !now.has(findingKey(finding))),
  };
}

/** Informational: it neither fails a verification nor raises an alert. */
export const isNote = (finding: Finding): boolean => finding.severity === 'info';
