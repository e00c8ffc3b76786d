import type { Clock } from '../ports/time.ts';

/** An interruptible wait. A call to `wake` outside of a wait is remembered: its reason has not been processed yet. */
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

  wake(): void {
    this.#woken = true;
    this.#end?.();
  }

  /** No sleep from here on. */
  stop(): void {
    this.#stopped = true;
    this.#end?.();
  }
}
