/**
 * Resumes the one who waits. Without a waiter `notify` does nothing: what is waited for is a state, which is checked before each
 * `wait`, in the same turn of the event loop.
 */
export class Signal {
  #resume: () => void = () => undefined;

  /** Resolves with the next `notify`. */
  wait(): Promise<void> {
    return new Promise((resolve) => (this.#resume = resolve));
  }

  notify(): void {
    this.#resume();
  }
}
