import type { Millis } from '../../reading.ts';
import type { Series } from './series.ts';

/** The owner of a deadline; ties are ordered by sensor, then by metric, so that a run is repeatable. */
export interface TimerOwner {
  armedMs: Millis;
  /** Lower ones come first. */
  readonly rank: number;
  readonly sensorId: number;
  readonly metric: string;
}

interface Entry<T> {
  readonly dueMs: Millis;
  readonly owner: T;
}

/**
 * A binary heap of latest times at which to check an owner. An owner may be checked early and in vain: it computes
 * its own deadline and is armed again. So nothing is removed when a deadline moves, which happens with each reading.
 */
export class Timers<T extends TimerOwner> {
  private readonly heap: Entry<T>[] = [];

  /** The earliest time at which an owner is armed; Infinity if none is. */
  get nextMs(): Millis {
    return this.first?.dueMs ?? Infinity;
  }

  arm(owner: T, dueMs: Millis): void {
    if (dueMs >= owner.armedMs) return;
    owner.armedMs = dueMs;
    this.push({ dueMs, owner });
  }

  /** The next owner to check, or undefined when none is due. It is no longer armed. */
  take(nowMs: Millis): T | undefined {
    const { first } = this;
    if (first === undefined || first.dueMs > nowMs) return undefined;
    this.pop();
    first.owner.armedMs = Infinity;
    return first.owner;
  }

  /** Drops the entries before it whose owner was armed for another time since, and has another entry. */
  private get first(): Entry<T> | undefined {
    const { heap } = this;
    while (heap[0] !== undefined && heap[0].owner.armedMs !== heap[0].dueMs) this.pop();
    return heap[0];
  }

  private push(entry: Entry<T>): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(entry, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = entry;
  }

  private pop(): void {
    const { heap } = this;
    const moved = heap.pop();
    if (moved === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      let next = left;
      const right = heap[left + 1];
      const leftEntry = heap[left];
      if (right !== undefined && leftEntry !== undefined && isBefore(right, leftEntry)) next = left + 1;
      const child = heap[next];
      if (child === undefined || !isBefore(child, moved)) break;
      heap[at] = child;
      at = next;
    }
    heap[at] = moved;
  }
}

/** After a start most deadlines are equal: comparing must be cheap. */
function isBefore(a: Entry<TimerOwner>, b: Entry<TimerOwner>): boolean {
  if (a.dueMs !== b.dueMs) return a.dueMs < b.dueMs;
  return isAhead(a.owner, b.owner);
}

export function isAhead(one: TimerOwner, other: TimerOwner): boolean {
  if (one.rank !== other.rank) return one.rank < other.rank;
  return one.sensorId < other.sensorId || (one.sensorId === other.sensorId && one.metric < other.metric);
}

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
    const afterMs = series.silenceAllowedMs(series.noData?.committedMemory);
    if (afterMs !== undefined && this.sinceMs !== undefined) this.timers.arm(series, this.sinceMs + afterMs);
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

  /** `nextMs`, including what was taken and not committed: the next working set takes it again. */
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
