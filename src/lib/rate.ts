import type { Millis } from '../core/reading.ts';

const KEPT_MS = 10_000;
const LEAST_MS = 1000;

/** How fast a counter grows, over the last seconds before it is asked for: it costs nothing unless it is asked. */
export class Rate {
  readonly #monotonicMs: () => Millis;
  readonly #count: () => number;
  /** Oldest first; the oldest is the last one that is no younger than the period. */
  #samples: { readonly atMs: Millis; readonly count: number }[];

  constructor(clock: { monotonicMs(): Millis }, count: () => number) {
    this.#monotonicMs = () => clock.monotonicMs();
    this.#count = count;
    this.#samples = [{ atMs: clock.monotonicMs(), count: count() }];
  }

  perSecond(): number {
    const now = { atMs: this.#monotonicMs(), count: this.#count() };
    const newest = this.#samples.at(-1);
    if (newest === undefined || now.atMs - newest.atMs >= LEAST_MS) this.#samples.push(now);
    while ((this.#samples[1]?.atMs ?? Infinity) <= now.atMs - KEPT_MS) this.#samples.shift();
    const oldest = this.#samples[0] ?? now;
    const elapsedMs = now.atMs - oldest.atMs;
    return elapsedMs <= 0 ? 0 : ((now.count - oldest.count) * 1000) / elapsedMs;
  }
}
