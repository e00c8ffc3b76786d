/** Uniform in [0, 1). */
export type Random = () => number;

/** Mulberry32: small, fast, the same sequence on every machine for a seed. Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Uniform in [from, to). */
export const between = (random: Random, from: number, to: number): number => from + random() * (to - from);

/** Waiting time until the next event of a Poisson process: what "about every …" means. */
export const exponential = (random: Random, mean: number): number => -mean * Math.log(1 - random());

/** Sum of three uniforms: close enough to a normal distribution, and never further than 3 from 0. */
export const noise = (random: Random, sigma: number): number =>
  (random() + random() + random() - 1.5) * 2 * sigma;
