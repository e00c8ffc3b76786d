export interface Violation {
  readonly what: string;
  /** Details for the analysis. */
  readonly evidence: readonly string[];
}

export const EVIDENCE_LINES = 10;

/** A violation with its first cases, or none. */
export function found(what: string, cases: readonly string[]): Violation[] {
  if (cases.length === 0) return [];
  const more = cases.length > EVIDENCE_LINES ? [`… and ${cases.length - EVIDENCE_LINES} more`] : [];
  return [{ what: `${what}: ${cases.length}`, evidence: [...cases.slice(0, EVIDENCE_LINES), ...more] }];
}
