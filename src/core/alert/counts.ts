/** What happened to the numbers of a batch; every one is counted once. */
export interface EngineCounts {
  evaluated: number;
  /** Waiting for earlier ones (`allowed_lateness`); evaluated later, without being counted again. */
  held: number;
  late: number;
  duplicate: number;
  /** Not finite numbers. */
  invalid: number;
  /** Readings of the future, evaluated at the time they arrived. */
  clamped: number;
}

export function noCounts(): EngineCounts {
  return { evaluated: 0, held: 0, late: 0, duplicate: 0, invalid: 0, clamped: 0 };
}
