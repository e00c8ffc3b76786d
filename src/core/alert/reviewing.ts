import type { Millis } from '../reading.ts';
import type { Generation } from './generation.ts';
import type { Series } from './series.ts';
import type { SeriesTimers } from './series-timers.ts';
import type { Suppressing } from './suppressing.ts';
import { isAhead } from './timers.ts';

/**
 * What suppresses alerts has changed: defers or tells what is open. `limit` series at most; true to the order of their
 * deadlines, so that a run can be repeated. Returns how many there were; what is left is due still.
 */
export function reviewOpen(
  {
    generation,
    timers,
    suppressing,
  }: { generation: Generation; timers: SeriesTimers; suppressing: Suppressing },
  nowMs: Millis,
  limit: number,
): number {
  const concerned: Series[] = [];
  for (const series of suppressing.candidates(generation.openNow())) {
    if (concerned.length >= limit) break;
    if (isConcerned(series, generation, suppressing)) concerned.push(series);
    suppressing.looked(series);
  }
  concerned.sort((a, b) => (isAhead(a, b) ? -1 : 1));
  for (const series of concerned) {
    reviewSeries(generation.enter(series), suppressing, nowMs);
    timers.arm(series);
    generation.putLast(series);
  }
  if (concerned.length < limit) suppressing.reviewed();
  return concerned.length;
}

export function reviewSeries(series: Series, suppressing: Suppressing, nowMs: Millis): void {
  const { dueMs: lookMs, changedMs: dueMs } = suppressing;
  series.review(lookMs, { dueMs, nowMs }, suppressing);
}

function isConcerned(series: Series, generation: Generation, suppressing: Suppressing): boolean {
  const { dueMs } = suppressing;
  return series.cells.some((cell) => {
    const state = generation.stateOf(series, cell);
    if (!('episode' in state)) return false;
    const { severity, deferredBy } = state.episode;
    return suppressing.suppressedBy(series, cell, severity, dueMs) !== deferredBy;
  });
}
