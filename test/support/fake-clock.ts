import type { Clock, Timer } from '../../src/ports/time.ts';

interface Due {
  readonly atMs: number;
  readonly run: () => void;
}

/** A clock that moves only by calls. Timers that fall due run in order, each at its own time. */
export class FakeClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  #due: Due[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#wallMs = startMs;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, run: () => void): Timer {
    const entry: Due = { atMs: this.#monotonicMs + Math.max(0, delayMs), run };
    this.#due.push(entry);
    return { cancel: () => void (this.#due = this.#due.filter((other) => other !== entry)) };
  }

  /** How many timers wait: to check that nothing was left behind. */
  get pending(): number {
    return this.#due.length;
  }

  /** Moves both clocks; timers that a timer sets run too when they fall due within the span. */
  advance(ms: number): void {
    const endMs = this.#monotonicMs + ms;
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#due = this.#due.filter((other) => other !== next);
      this.#moveTo(Math.max(next.atMs, this.#monotonicMs));
      next.run();
    }
    this.#moveTo(endMs);
  }

  /** The process stands still while both clocks go on: what fell due meanwhile runs with the next move. */
  sleepOver(ms: number): void {
    this.#moveTo(this.#monotonicMs + ms);
  }

  /** Makes the wall clock jump, as a time server may; timers are not affected. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }

  #next(endMs: number): Due | undefined {
    let first: Due | undefined;
    for (const entry of this.#due) {
      if (entry.atMs > endMs) continue;
      if (first === undefined || entry.atMs < first.atMs) first = entry;
    }
    return first;
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}
