import type { Millis } from '../../reading.ts';
import type { Series } from './series.ts';
import { Timers } from './timers.ts';

/** When time decides something of which series, and since when silence counts. */
export class SeriesTimers {
  private readonly timers = new Timers<Series>();
  /** Series that were taken in this generation, and when they were due. */
  private looked: (readonly [Series, Millis])[] = [];
  /** Since when the broker is connected; undefined while it is away. */
  private sinceMs: Millis | undefined;

  /** A generation that was not adopted: who was looked at has to be looked at again. */
  begin(): void {
    for (const [series, dueMs] of this.looked) this.timers.arm(series, dueMs);
    this.looked = [];
  }

  commit(): void {
    this.looked = [];
  }

  get connectedMs(): Millis | undefined {
    return this.sinceMs;
  }

  /** The broker is there: silence counts from now. Who is expected to be heard has to be said: `expect`. */
  connected(nowMs: Millis): void {
    this.sinceMs = nowMs;
  }

  /** The broker is away: nobody can tell whether sensors are silent. */
  disconnected(): void {
    this.sinceMs = undefined;
  }

  /** A series that should be heard within the time that its rule gives it. */
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

  /** The earliest moment at which a series is to be looked at. */
  get nextMs(): Millis {
    return this.timers.nextMs;
  }

  /** The same, and what was looked at and not adopted, which is due still: the next generation looks again. */
  get uncommittedMs(): Millis {
    return this.looked.reduce((least, [, dueMs]) => Math.min(least, dueMs), this.timers.nextMs);
  }

  /** The next series that is due, and since when; it is not armed any more. */
  take(nowMs: Millis): readonly [Series, Millis] | undefined {
    const dueMs = this.timers.nextMs;
    const series = this.timers.take(nowMs);
    if (series === undefined) return undefined;
    const look = [series, dueMs] as const;
    this.looked.push(look);
    return look;
  }
}
