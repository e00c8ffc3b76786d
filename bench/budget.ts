/** How long the whole bench may take: repetitions stop at the soft limit, everything at the hard one. */
export class Budget {
  readonly #startMs = performance.now();
  readonly #softSeconds: number;

  /** @param softSeconds less what the parts after the repeated one need. */
  constructor(softSeconds: number) {
    this.#softSeconds = softSeconds;
  }

  get elapsedSeconds(): number {
    return (performance.now() - this.#startMs) / 1000;
  }

  get spent(): boolean {
    return this.elapsedSeconds >= this.#softSeconds;
  }
}
