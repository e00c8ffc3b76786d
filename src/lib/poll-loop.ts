import type { Clock, Timer } from '../ports/time.ts';

export interface PollLoopOptions {
  readonly clock: Clock;
  /** From the end of a call to the next; Infinity: none follows before it is asked for. */
  readonly everyMs: number;
  /** Returns after how long the next call follows where that is not `everyMs`. Must not reject. */
  readonly run: () => number | void | Promise<number | void>;
}

/** Calls `run` again and again, one call at a time. */
export class PollLoop {
  private readonly options: PollLoopOptions;
  private timer: Timer | undefined;
  private dueMs = Infinity;
  private running: Promise<void> | undefined;
  /** The call that follows at the end of the one under way. */
  private again: Promise<void> | undefined;
  /** Limit of the wait after the call under way. */
  private soonMs = Infinity;
  private stopped = false;

  constructor(options: PollLoopOptions) {
    this.options = options;
  }

  get isStopped(): boolean {
    return this.stopped;
  }

  /** The first call follows after `everyMs`. */
  start(): void {
    this.plan(this.options.everyMs);
  }

  /** Calls at once, or right after the call under way. Resolves when that call is over. */
  async now(): Promise<void> {
    if (this.again === undefined && this.running !== undefined)
      this.again = this.running.then(() => this.call());
    await (this.again ?? this.call());
  }

  /** The next call follows after this time at most, counted from the end of the call under way. */
  soon(ms: number): void {
    if (this.running !== undefined) this.soonMs = Math.min(this.soonMs, ms);
    else if (this.options.clock.monotonicMs() + ms < this.dueMs) this.plan(ms);
  }

  /** Resolves when no call is under way. */
  async idle(): Promise<void> {
    while (this.running !== undefined) await (this.again ?? this.running);
  }

  /** No further call; resolves when the one under way is over. Idempotent. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.timer?.cancel();
    await this.running;
  }

  private call(): void | Promise<void> {
    this.timer?.cancel();
    this.again = undefined;
    if (this.stopped) return;
    this.dueMs = Infinity;
    const next = this.options.run();
    if (typeof next !== 'object') return this.plan(next);
    this.running = next.then((ms) => {
      this.running = undefined;
      if (this.again === undefined) this.plan(Math.min(ms ?? this.options.everyMs, this.soonMs));
      this.soonMs = Infinity;
    });
    return this.running;
  }

  private plan(ms: number | void): void {
    this.timer?.cancel();
    const afterMs = ms ?? this.options.everyMs;
    if (this.stopped || afterMs === Infinity) return;
    const { clock } = this.options;
    this.dueMs = clock.monotonicMs() + afterMs;
    this.timer = clock.after(afterMs, () => void this.call());
  }
}
