import type { Millis } from '../../reading.ts';
import type { Series } from './series.ts';
import { Timers } from './timers.ts';

/** When time decides something for which series, and since when silence counts. */
export class SeriesTimers {
  private readonly timers = new Timers<Series>();
  /** Series taken in this working set, and when they were due. */
  private taken: (readonly [Series, Millis])[] = [];
  /** Since when the broker is connected; undefined while it is away. */
  private sinceMs: Millis | undefined;

  /** Re-arms the series taken by a working set that was not committed. */
  begin(): void {
    for (const [series, dueMs] of this.taken) this.timers.arm(series, dueMs);
    this.taken = [];
  }

  commit(): void {
    this.taken = [];
  }

  get connectedMs(): Millis | undefined {
    return this.sinceMs;
  }

  /** The broker is connected: silence counts from now. The caller names the expected series: `expect`. */
  connected(nowMs: Millis): void {
    this.sinceMs = nowMs;
  }

  /** The broker is disconnected: silence cannot be detected. */
  disconnected(): void {
    this.sinceMs = undefined;
  }

  /** A series expected to be received within the time that its rule allows. */
  expect(series: Series): void {
    const { noDataAfterMs } = series.rule;
    if (noDataAfterMs !== undefined && this.sinceMs !== undefined)
      this.timers.arm(series, this.sinceMs + noDataAfterMs);
  }

  /** After a change of a series. */
  arm(series: Series): void {
    const dueMs = series.nextDueMs(this.sinceMs);
    series.dueMs = dueMs;
    if (dueMs < Infinity) this.timers.arm(series, dueMs);
  }

  /** The earliest time at which a series may be due. */
  get nextMs(): Millis {
    return this.timers.nextMs;
  }

  /** The same, including what was taken and not committed: the next working set takes it again. */
  get uncommittedMs(): Millis {
    return this.taken.reduce((least, [, dueMs]) => Math.min(least, dueMs), this.timers.nextMs);
  }

  /** The next due series, and since when it is due; it is no longer armed. */
  take(nowMs: Millis): readonly [Series, Millis] | undefined {
    const dueMs = this.timers.nextMs;
    const series = this.timers.take(nowMs);
    if (series === undefined) return undefined;
    const entry = [series, dueMs] as const;
    this.taken.push(entry);
    return entry;
  }
}
