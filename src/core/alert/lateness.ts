import type { Micros, Millis } from '../reading.ts';

/** A number that waits for earlier ones: `allowed_lateness`. */
export interface Held {
  readonly timeUs: Micros;
  readonly value: number;
  readonly receivedAtMs: Millis;
}

const FIRST_CAPACITY = 8;

/** Numbers in columns, as many as were written, in no view of which they may change. */
class Columns {
  readonly timesUs: Float64Array;
  readonly values: Float64Array;
  readonly receivedMs: Float64Array;
  written = 0;

  constructor(capacity: number) {
    this.timesUs = new Float64Array(capacity);
    this.values = new Float64Array(capacity);
    this.receivedMs = new Float64Array(capacity);
  }

  get capacity(): number {
    return this.timesUs.length;
  }

  push({ timeUs, value, receivedAtMs }: Held): void {
    const at = this.written++;
    this.timesUs[at] = timeUs;
    this.values[at] = value;
    this.receivedMs[at] = receivedAtMs;
  }
}

/**
 * The numbers of a series that wait, in event order. Immutable, so that a batch can be evaluated again: a view of columns that
 * several views may share. What comes in order is written behind the last of them, once; everything else makes a copy.
 */
export class HeldNumbers {
  private readonly columns: Columns;
  private readonly start: number;
  private readonly end: number;
  /** They arrived in event order, too: the first has waited longest. */
  private readonly inOrder: boolean;

  private constructor(columns: Columns, start: number, end: number, inOrder: boolean) {
    this.columns = columns;
    this.start = start;
    this.end = end;
    this.inOrder = inOrder;
  }

  /** In event order. */
  static of(all: readonly Held[]): HeldNumbers {
    if (all.length === 0) return NONE_HELD;
    const columns = new Columns(Math.max(FIRST_CAPACITY, all.length));
    let inOrder = true;
    let lastMs = -Infinity;
    for (const each of all) {
      columns.push(each);
      inOrder &&= each.receivedAtMs >= lastMs;
      lastMs = each.receivedAtMs;
    }
    return new HeldNumbers(columns, 0, all.length, inOrder);
  }

  static readonly none = new HeldNumbers(new Columns(0), 0, 0, true);

  get length(): number {
    return this.end - this.start;
  }

  /** The earliest and the latest event; undefined of none. */
  get firstUs(): Micros | undefined {
    return this.length === 0 ? undefined : this.columns.timesUs[this.start];
  }

  get lastUs(): Micros | undefined {
    return this.length === 0 ? undefined : this.columns.timesUs[this.end - 1];
  }

  /** From the earliest on, `count` of them. */
  list(count = this.length): Held[] {
    const numbers: Held[] = [];
    for (let at = this.start; at < this.start + count; at++) numbers.push(this.at(at));
    return numbers;
  }

  /** Without the `count` earliest. */
  without(count: number): HeldNumbers {
    if (count >= this.length) return NONE_HELD;
    return new HeldNumbers(this.columns, this.start + count, this.end, this.inOrder);
  }

  /** With one more in its place, or why not: its time is taken. */
  with(number: Held): HeldNumbers | 'duplicate' | 'late' {
    const { timesUs, values } = this.columns;
    let at = this.end;
    while (at > this.start && (timesUs[at - 1] ?? 0) > number.timeUs) at--;
    if (at > this.start && timesUs[at - 1] === number.timeUs)
      return values[at - 1] === number.value ? 'duplicate' : 'late';
    if (at < this.end) return HeldNumbers.of(this.list().toSpliced(at - this.start, 0, number));
    const columns = this.appendable();
    const start = columns === this.columns ? this.start : 0;
    const lastMs = this.length === 0 ? -Infinity : (this.columns.receivedMs[this.end - 1] ?? 0);
    columns.push(number);
    return new HeldNumbers(columns, start, columns.written, this.inOrder && number.receivedAtMs >= lastMs);
  }

  /** Of those before a time, when the one that arrived last did; `-Infinity` of none. */
  lastReceivedBefore(timeUs: Micros): Millis {
    let lastMs = -Infinity;
    for (let at = this.start; at < this.end && (this.columns.timesUs[at] ?? 0) < timeUs; at++)
      lastMs = Math.max(lastMs, this.columns.receivedMs[at] ?? 0);
    return lastMs;
  }

  /** When the first of them arrived; Infinity of none. */
  get firstReceivedMs(): Millis {
    if (this.length === 0) return Infinity;
    const { receivedMs } = this.columns;
    if (this.inOrder) return receivedMs[this.start] ?? Infinity;
    return receivedMs.subarray(this.start, this.end).reduce((least, each) => Math.min(least, each), Infinity);
  }

  /**
   * How many, from the earliest, may be evaluated: those up to an event time, those that arrived up to a moment, and
   * whatever comes before one of them in event order.
   */
  until(timeUs: Micros, receivedMs: Millis): number {
    const { columns, start, end } = this;
    const mayGo = (at: number) =>
      (columns.timesUs[at] ?? 0) <= timeUs || (columns.receivedMs[at] ?? 0) <= receivedMs;
    let at = this.inOrder ? start : end;
    if (this.inOrder) while (at < end && mayGo(at)) at++;
    else while (at > start && !mayGo(at - 1)) at--;
    return at - start;
  }

  private at(at: number): Held {
    const { timesUs, values, receivedMs } = this.columns;
    return { timeUs: timesUs[at] ?? 0, value: values[at] ?? NaN, receivedAtMs: receivedMs[at] ?? 0 };
  }

  /** Columns that end with these numbers, and have room. */
  private appendable(): Columns {
    const { columns, start, end, length } = this;
    if (columns.written === end && end < columns.capacity) return columns;
    const copy = new Columns(Math.max(FIRST_CAPACITY, 2 * length));
    copy.timesUs.set(columns.timesUs.subarray(start, end));
    copy.values.set(columns.values.subarray(start, end));
    copy.receivedMs.set(columns.receivedMs.subarray(start, end));
    copy.written = length;
    return copy;
  }
}

export const NONE_HELD = HeldNumbers.none;

/**
 * How many numbers, from the earliest, may be evaluated: those that are older than the newest by the allowance, those that
 * waited as long as that by the clock, and whatever comes before one of them in event order.
 */
export const releasable = (held: HeldNumbers, maxEventUs: Micros, nowMs: Millis, allowedUs: Micros): number =>
  held.until(maxEventUs - allowedUs, nowMs - allowedUs / 1000);

export const releaseDueMs = (held: HeldNumbers, allowedUs: Micros): Millis =>
  held.firstReceivedMs + allowedUs / 1000;
