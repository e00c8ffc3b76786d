import { messageOf } from '../core/errors.ts';
import type { Clock, Logger, Timer } from '../ports.ts';

/** Something small that has to be done every so often and may fail without harm until the next time. */
export interface Chore {
  readonly name: string;
  readonly everyMs: number;
  readonly run: () => Promise<void>;
}

/** Runs chores one after the other's end, each on its own rhythm; a failure is logged when it begins. */
export class Housekeeping {
  private readonly chores: readonly Chore[];
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly timers = new Map<string, Timer>();
  private readonly failing = new Set<string>();
  private readonly running = new Map<string, Promise<void>>();
  private stopped = false;

  constructor(chores: readonly Chore[], deps: { readonly clock: Clock; readonly logger: Logger }) {
    this.chores = chores;
    this.clock = deps.clock;
    this.logger = deps.logger;
  }

  start(): void {
    for (const chore of this.chores) this.plan(chore);
  }

  /** No new run; resolves when those under way are over. Idempotent. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const timer of this.timers.values()) timer.cancel();
    await Promise.all(this.running.values());
  }

  private plan(chore: Chore): void {
    if (this.stopped) return;
    const timer = this.clock.after(chore.everyMs, () => {
      this.running.set(chore.name, this.do(chore));
    });
    this.timers.set(chore.name, timer);
  }

  private async do(chore: Chore): Promise<void> {
    try {
      await chore.run();
      this.failing.delete(chore.name);
    } catch (error) {
      if (!this.failing.has(chore.name)) {
        this.logger.warn(
          { chore: chore.name, error: messageOf(error) },
          'a chore failed; it is tried again in time',
        );
      }
      this.failing.add(chore.name);
    }
    this.plan(chore);
  }
}
