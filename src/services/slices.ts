import { setImmediate as nextTurn } from 'node:timers/promises';

/** Sensors asked for in one query. */
const SLICE = 5000;

export function* slicesOf<T>(all: readonly T[], size = SLICE): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
}

/** Slice by slice, each in a turn of the event loop of its own; what fits into one is done at once. */
export async function inTurns<T>(
  all: readonly T[],
  size: number,
  run: (slice: readonly T[]) => void,
): Promise<void> {
  if (all.length <= size) return run(all);
  for (const slice of slicesOf(all, size)) {
    run(slice);
    await nextTurn();
  }
}
