import type { Clock } from '../ports/time.ts';

/** A wait that can be cut short. A call to `wake` while nobody sleeps is remembered: what it tells of was not seen yet. */
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
