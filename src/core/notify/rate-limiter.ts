import type { Millis } from '../reading.ts';

/** A burst, and then one each time the bucket refills by one: `perMinute` over any longer time. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #everyMs: number;
  #tokens: number;
  #atMs: Millis;

  constructor(perMinute: number, nowMs: Millis) {
    this.#capacity = perMinute;
    this.#everyMs = 60_000 / perMinute;
    this.#tokens = perMinute;
    this.#atMs = nowMs;
  }

  /** Takes one and returns 0, or takes none and returns the time until one is available. `nowMs` is monotonic. */
  take(nowMs: Millis): Millis {
    this.#tokens = Math.min(this.#capacity, this.#tokens + (nowMs - this.#atMs) / this.#everyMs);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return Math.ceil((1 - this.#tokens) * this.#everyMs);
    this.#tokens -= 1;
    return 0;
  }
}
