/** The limits of a retry loop, in milliseconds. */
export interface BackoffLimits {
  /** The ceiling of the first wait; it doubles with every further attempt. */
  readonly baseMs: number;
  /** No wait is longer. */
  readonly capMs: number;
}

/** A source of numbers in [0, 1), such as `Math.random`. */
export type RandomSource = () => number;

/**
 * How long to wait before retry number `attempt` (0 is the first): full jitter, that is, anything between nothing and
 * an exponentially growing, capped ceiling. Full jitter spreads the clients of a broker that comes back better than a
 * fixed wait with a little noise.
 */
export function backoffMs(attempt: number, limits: BackoffLimits, random: RandomSource): number {
  return Math.floor(random() * ceilingMs(attempt, limits));
}

/** A wait near the cap, for faults that a quick retry cannot cure: wrong credentials, a client id used twice. */
export function slowBackoffMs(limits: BackoffLimits, random: RandomSource): number {
  return Math.floor(limits.capMs * (0.5 + random() / 2));
}

/** The wait without jitter, in milliseconds, where there is one client only. */
export function ceilingMs(attempt: number, { baseMs, capMs }: BackoffLimits): number {
  // 2 ** 30 is already far beyond any cap; a larger exponent would reach Infinity after a long outage.
  return Math.min(capMs, baseMs * 2 ** Math.min(Math.max(attempt, 0), 30));
}
