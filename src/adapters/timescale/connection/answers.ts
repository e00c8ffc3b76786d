/** Answers to statements that were sent one behind the other. */
export class Answers {
  readonly #answers: Promise<unknown>[] = [];

  /** Takes the answer to a statement that was sent behind the ones before; its error is that of `all`. */
  add(answer: Promise<unknown>): void {
    answer.catch(() => undefined);
    this.#answers.push(answer);
  }

  /** Resolves when all have come. Rejects then with the error of the first that failed: those behind it failed for its sake. */
  async all(): Promise<void> {
    for (const end of await Promise.allSettled(this.#answers))
      if (end.status === 'rejected') throw end.reason;
  }
}
