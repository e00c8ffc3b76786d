import type { Millis } from '../../reading.ts';
import { NOTHING_DUE, type Suppressor, reevaluateSeries } from '../suppress/suppressor.ts';
import { forgetDueMs, isForgotten } from './due-times.ts';
import type { Series } from './series.ts';
import type { SeriesIndex } from './series-index.ts';
import { NEVER } from './series-state.ts';
import type { SeriesTimers } from './timers.ts';
import type { WorkingSet } from './working-set.ts';

export interface CatchUpParts {
  readonly map: SeriesIndex;
  readonly workingSet: WorkingSet;
  readonly timers: SeriesTimers;
  readonly suppressor: Suppressor;
}

/**
 * Decisions of time for one series. An input first applies what was due before it arrived, in order, so that splitting
 * into batches and ticks in between change nothing.
 */
export class CatchUp {
  private readonly parts: CatchUpParts;

  constructor(parts: CatchUpParts) {
    this.parts = parts;
  }

  /** All that was due up to `nowMs`. The series is in the working set. */
  upTo(series: Series, nowMs: Millis): void {
    const { suppressor, timers } = this.parts;
    for (;;) {
      const dueMs = series.nextDueMs(timers.connectedMs);
      const change = series.active === 0 ? NOTHING_DUE : suppressor.dueAfter(series.reviewedMs);
      const changeMs = Math.min(change.timedMs, change.inhibitedMs);
      if (Math.min(dueMs, changeMs) > nowMs) break;
      if (changeMs <= dueMs) reevaluateSeries(series, suppressor, change, nowMs);
      else this.pass(series, dueMs, nowMs);
    }
    if (suppressor.dueMs <= nowMs) series.reviewedMs = Math.max(series.reviewedMs, nowMs);
  }

  /** Decides at `nowMs` everything that was due at `dueMs`. */
  pass(series: Series, dueMs: Millis, nowMs: Millis): void {
    const { suppressor, timers } = this.parts;
    if (forgetDueMs(series) <= dueMs && isForgotten(series, this.activeMs(series.sensorId)))
      series.forgetData(dueMs, nowMs, suppressor);
    series.tick(dueMs, nowMs, timers.connectedMs, suppressor);
    series.reviewedMs = Math.max(series.reviewedMs, dueMs);
  }

  /** When anything of a sensor was last received. */
  private activeMs(sensorId: number): Millis {
    const { map, workingSet } = this.parts;
    return map
      .ofSensor(sensorId)
      .reduce((latest, series) => Math.max(latest, workingSet.receivedMsOf(series)), NEVER);
  }
}

export const isDue = ({ armedMs, dueMs }: Series, nowMs: Millis): boolean =>
  armedMs <= nowMs && dueMs <= nowMs;
