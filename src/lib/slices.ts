import { setImmediate as nextTick } from 'node:timers/promises';

/** Sensors per query. */
const SLICE = 5000;

/** In order, each of at least `size`, except the last: the weight of one item may exceed it. */
export function* slicesOf<T>(
  all: readonly T[],
  size = SLICE,
  weightOf: (one: T) => number = () => 1,
): Generator<readonly T[]> {
  let from = 0;
  let weight = 0;
  for (const [at, one] of all.entries()) {
    weight += weightOf(one);
    if (weight < size) continue;
    yield all.slice(from, at + 1);
    from = at + 1;
    weight = 0;
  }
  if (from < all.length) yield all.slice(from);
}

/** Runs slice by slice, and yields to the event loop in between. */
export async function runSliced<T>(
  slices: Iterable<readonly T[]>,
  run: (slice: readonly T[]) => void,
): Promise<void> {
  let first = true;
  for (const slice of slices) {
    if (!first) await nextTick();
    first = false;
    run(slice);
  }
}
