/** Runs tasks one at a time, in the order of the calls. A task that rejects does not keep the next from running. */
export class SerialQueue {
  private tail: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  run<T>(task: () => Promise<T>): Promise<T> {
    this.waiting++;
    const result = this.tail.then(task);
    const done = () => void this.waiting--;
    this.tail = result.then(done, done);
    return result;
  }

  /** No task runs or waits. */
  get isIdle(): boolean {
    return this.waiting === 0;
  }

  /** Resolves when the tasks queued before this call are over. */
  async idle(): Promise<void> {
    await this.tail;
  }
}

/** Calls that come while a run is under way are one more run after it: what it reads is as new as the last call. `run` must not reject. */
export function coalesce(run: () => Promise<void>): () => void {
  const queue = new SerialQueue();
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    void queue.run(() => {
      waits = false;
      return run();
    });
  };
}
