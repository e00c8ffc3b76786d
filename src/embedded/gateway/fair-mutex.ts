/**
 * One session, one transaction at a time: connections acquire the engine in FIFO order. A connection keeps it until
 * the engine reports "idle" (no transaction open), so two transactions never interleave.
 */
export class FairMutex {
  private owner: number | null = null;
  private readonly waiting: { id: number; admit: () => void; refuse: (reason: Error) => void }[] = [];

  /** Resolves when this connection owns the mutex; rejects with the reason given to `refuse`. */
  async enter(id: number): Promise<void> {
    if (this.owner === id) return;
    if (this.owner === null) {
      this.owner = id;
      return;
    }
    return new Promise((admit, refuse) => this.waiting.push({ id, admit, refuse }));
  }

  leave(id: number): void {
    if (this.owner !== id) return;
    const next = this.waiting.shift();
    this.owner = next?.id ?? null;
    next?.admit();
  }

  owns(id: number): boolean {
    return this.owner === id;
  }

  isFree(): boolean {
    return this.owner === null;
  }

  /** Ends a wait (cancel, timeout, disconnect). False if that connection was not waiting. */
  refuse(id: number, reason: Error): boolean {
    const at = this.waiting.findIndex((waiter) => waiter.id === id);
    if (at < 0) return false;
    const [waiter] = this.waiting.splice(at, 1);
    waiter!.refuse(reason);
    return true;
  }
}
