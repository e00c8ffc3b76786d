import type { Micros, Millis } from '../../reading.ts';

/** A number that waits for earlier ones: `allowed_lateness`. */
export interface HeldNumber {
  readonly timeUs: Micros;
  readonly value: number;
  readonly receivedAtMs: Millis;
}

const FIRST_CAPACITY = 8;
/** Time, value, arrival. */
const WIDTH = 3;

/** Append-only numbers, which no view of them changes. */
class Columns {
  /** One array for all three columns: allocation is half the cost of a series. */
  readonly instances: Float64Array;
  written = 0;

  constructor(capacity: number) {
    this.instances = new Float64Array(WIDTH * capacity);
  }

  get isFull(): boolean {
    return WIDTH * this.written >= this.instances.length;
  }

  push(timeUs: Micros, value: number, receivedAtMs: Millis): void {
    const at = WIDTH * this.written++;
    this.instances[at] = timeUs;
    this.instances[at + 1] = value;
    this.instances[at + 2] = receivedAtMs;
  }

  append(other: Columns, start: number, end: number): void {
    this.instances.set(other.instances.subarray(WIDTH * start, WIDTH * end), WIDTH * this.written);
    this.written += end - start;
  }
}

/**
 * The waiting numbers of a series, in event order: a view of columns that several views may share. Only the view
 * changes: a batch that may be evaluated again changes a `fork`. Numbers in order are appended in place, once;
 * anything else makes a copy.
 */
export class ReorderBuffer {
  private columns: Columns;
  private start: number;
  private end: number;
  /** They also arrived in event order: the first has waited longest. */
  private inOrder: boolean;

  private constructor(columns: Columns, start: number, end: number, inOrder: boolean) {
    this.columns = columns;
    this.start = start;
    this.end = end;
    this.inOrder = inOrder;
  }

  /** In event order. */
  static of(all: readonly HeldNumber[]): ReorderBuffer {
    const numbers = EMPTY_BUFFER.fork();
    for (const each of all) numbers.add(each.timeUs, each.value, each.receivedAtMs);
    return numbers;
  }

  /** Immutable: `fork` it. */
  static readonly none = new ReorderBuffer(new Columns(0), 0, 0, true);

  fork(): ReorderBuffer {
    return new ReorderBuffer(this.columns, this.start, this.end, this.inOrder);
  }

  get length(): number {
    return this.end - this.start;
  }

  /** The earliest and the latest event; undefined if empty. */
  get firstUs(): Micros | undefined {
    return this.length === 0 ? undefined : this.timeAt(0);
  }

  get lastUs(): Micros | undefined {
    return this.length === 0 ? undefined : this.timeAt(this.length - 1);
  }

  /** Whether a time lies between the earliest and the latest. */
  spans(timeUs: Micros): boolean {
    return this.length > 0 && timeUs >= this.timeAt(0) && timeUs <= this.timeAt(this.length - 1);
  }

  /** Index from the earliest. */
  timeAt(index: number): Micros {
    return this.instance(this.start + index, 0);
  }

  valueAt(index: number): number {
    return this.instance(this.start + index, 1);
  }

  /** From the earliest on. */
  list(): HeldNumber[] {
    const numbers: HeldNumber[] = [];
    for (let at = this.start; at < this.end; at++)
      numbers.push({
        timeUs: this.instance(at, 0),
        value: this.instance(at, 1),
        receivedAtMs: this.instance(at, 2),
      });
    return numbers;
  }

  /** Removes the `count` earliest. */
  drop(count: number): void {
    this.start = Math.min(this.end, this.start + count);
    if (this.start === this.end) this.inOrder = true;
  }

  /** Inserts a number in event order, or returns that its time is taken. */
  add(timeUs: Micros, value: number, receivedAtMs: Millis): 'held' | 'duplicate' | 'late' {
    let at = this.end;
    while (at > this.start && this.instance(at - 1, 0) > timeUs) at--;
    if (at > this.start && this.instance(at - 1, 0) === timeUs)
      return this.instance(at - 1, 1) === value ? 'duplicate' : 'late';
    const { length } = this;
    const lastMs = length === 0 ? -Infinity : this.instance(this.end - 1, 2);
    this.inOrder &&= at === this.end && receivedAtMs >= lastMs;
    if (at === this.end && this.isNext(timeUs, value, receivedAtMs)) {
      this.end++;
      return 'held';
    }
    if (at < this.end || this.columns.written !== this.end || this.columns.isFull) {
      const { columns, start, end } = this;
      this.columns = new Columns(Math.max(FIRST_CAPACITY, 2 * length));
      this.columns.append(columns, start, at);
      this.columns.push(timeUs, value, receivedAtMs);
      this.columns.append(columns, at, end);
      this.start = 0;
    } else this.columns.push(timeUs, value, receivedAtMs);
    this.end = this.columns.written;
    return 'held';
  }

  /** The latest arrival among those before a time; `-Infinity` if there are none. */
  lastReceivedBefore(timeUs: Micros): Millis {
    let lastMs = -Infinity;
    for (let at = this.start; at < this.end && this.instance(at, 0) < timeUs; at++)
      lastMs = Math.max(lastMs, this.instance(at, 2));
    return lastMs;
  }

  /** When the first of them arrived; Infinity if empty. */
  get firstReceivedMs(): Millis {
    if (this.length === 0) return Infinity;
    if (this.inOrder) return this.instance(this.start, 2);
    let firstMs = Infinity;
    for (let at = this.start; at < this.end; at++) firstMs = Math.min(firstMs, this.instance(at, 2));
    return firstMs;
  }

  /**
   * How many, from the earliest, may be evaluated: those up to an event time, those that arrived up to a moment, and
   * whatever comes before one of them in event order.
   */
  until(timeUs: Micros, receivedMs: Millis): number {
    const { start, end } = this;
    const mayGo = (at: number) => this.instance(at, 0) <= timeUs || this.instance(at, 2) <= receivedMs;
    let at = this.inOrder ? start : end;
    if (this.inOrder) while (at < end && mayGo(at)) at++;
    else while (at > start && !mayGo(at - 1)) at--;
    return at - start;
  }

  /** Whether another view has appended this number where this view ends, as a preview of the same readings does. */
  private isNext(timeUs: Micros, value: number, receivedAtMs: Millis): boolean {
    const { end, columns } = this;
    return (
      end < columns.written &&
      this.instance(end, 0) === timeUs &&
      Object.is(this.instance(end, 1), value) &&
      this.instance(end, 2) === receivedAtMs
    );
  }

  private instance(at: number, column: number): number {
    return this.columns.instances[WIDTH * at + column] ?? NaN;
  }
}

export const EMPTY_BUFFER = ReorderBuffer.none;

/**
 * How many numbers, from the earliest, may be evaluated: those older than the newest by the allowance, those that
 * have waited that long by the clock, and whatever comes before one of them in event order.
 */
export const releasable = (
  held: ReorderBuffer,
  maxEventUs: Micros,
  nowMs: Millis,
  allowedUs: Micros,
): number => held.until(maxEventUs - allowedUs, nowMs - allowedUs / 1000);

export const releaseDueMs = (held: ReorderBuffer, allowedUs: Micros): Millis =>
  held.firstReceivedMs + allowedUs / 1000;
