import type { Millis } from './reading.ts';

export interface TokenRate {
  /** How many at once. */
  readonly burst: number;
  /** Then one each time this has passed. */
  readonly everyMs: Millis;
}

/** A burst, and then one each time the bucket refills by one. All times are monotonic. */
export class TokenBucket {
  readonly #rate: TokenRate;
  #tokens: number;
  #atMs: Millis;

  constructor(rate: TokenRate, nowMs: Millis) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#atMs = nowMs;
  }

  /** Takes one and returns 0, or takes none and returns the time until one is available. */
  take(nowMs: Millis): Millis {
    const waitMs = this.waitMs(nowMs);
    if (waitMs === 0) this.#tokens -= 1;
    return waitMs;
  }

  /** Time until one is available. */
  waitMs(nowMs: Millis): Millis {
    const { burst, everyMs } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + (nowMs - this.#atMs) / everyMs);
    this.#atMs = nowMs;
    return this.#tokens >= 1 ? 0 : Math.ceil((1 - this.#tokens) * everyMs);
  }
}

/** So many over any minute, and over any longer time. */
export const perMinute = (count: number): TokenRate => ({ burst: count, everyMs: 60_000 / count });
