import { PerformanceObserver, constants } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';

/**
 * V8 lets the heap of a busy process grow to four times what is alive before it collects, and the process then keeps that:
 * 60 MB alive became 200. Twice as much costs no throughput; half as much again cost a quarter of the CPU time.
 */
const GROWTH_PERCENT = 100;
/** Limit of the growth: a heap with 300 MB alive, as with 100,000 sensors that all return at once, became 600. */
const MOST_GARBAGE_BYTES = 120 * 1024 ** 2;
/** Each collection marks all that is alive. */
const LEAST_GROWTH_PERCENT = 25;

export const growthPercent = (aliveBytes: number): number =>
  Math.max(
    LEAST_GROWTH_PERCENT,
    Math.min(GROWTH_PERCENT, Math.round((100 * MOST_GARBAGE_BYTES) / aliveBytes)),
  );

/** For a process that runs for months next to others. Takes effect from the next collection on. */
export function limitHeapGrowth(): void {
  let percent = GROWTH_PERCENT;
  const set = () => setFlagsFromString(`--heap-growing-percent=${percent}`);
  set();
  new PerformanceObserver((list) => {
    if (!list.getEntries().some(isMajor)) return;
    const next = growthPercent(getHeapStatistics().used_heap_size);
    if (next === percent) return;
    percent = next;
    set();
  }).observe({ entryTypes: ['gc'] });
}

/** `detail` is that of an entry of Node; the type is that of browsers. */
const isMajor = (entry: object): boolean =>
  (entry as { readonly detail?: { readonly kind?: unknown } }).detail?.kind ===
  constants.NODE_PERFORMANCE_GC_MAJOR;
