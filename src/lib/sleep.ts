import type { Clock } from '../ports/time.ts';

/** Ends early, and without an error, when `signal` aborts. */
export const sleep = (clock: Clock, ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const end = () => {
      timer.cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.after(ms, end);
    signal?.addEventListener('abort', end);
  });

/** Reads until there is an answer; null where none came within the time. */
export async function pollUntil<T>(
  clock: Clock,
  { everyMs, withinMs }: { readonly everyMs: number; readonly withinMs: number },
  read: () => Promise<T | null>,
): Promise<T | null> {
  const untilMs = clock.monotonicMs() + withinMs;
  for (;;) {
    const answer = await read();
    if (answer !== null || clock.monotonicMs() >= untilMs) return answer;
    await sleep(clock, everyMs);
  }
}

/** An interruptible wait. */
export class InterruptibleSleep {
  readonly #clock: Clock;
  #end: (() => void) | undefined;
  #woken = false;
  #stopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async sleep(ms: number): Promise<void> {
    if (this.#stopped || this.#woken || ms <= 0) {
      this.#woken = false;
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(ms, resolve);
      this.#end = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#end = undefined;
    this.#woken = false;
  }

  /** Ends the wait. Outside of a wait it is remembered, and the next one ends at once: its reason has not been processed yet. */
  wake(): void {
    this.#woken = true;
    this.#end?.();
  }

  /** Ends the wait under way, if there is one. */
  interrupt(): void {
    this.#end?.();
  }

  get isStopped(): boolean {
    return this.#stopped;
  }

  /** No sleep from here on. */
  stop(): void {
    this.#stopped = true;
    this.#end?.();
  }
}
