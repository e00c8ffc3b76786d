import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Clock, Timer } from '../../ports/time.ts';

/** A small periodic task that may fail without harm until the next time. */
export interface MaintenanceTask {
  readonly name: string;
  readonly everyMs: number;
  readonly run: () => Promise<void>;
}

/** Runs tasks one after the other, each at its own interval; a failure is logged when it begins. */
export class MaintenanceTasks {
  private readonly tasks: readonly MaintenanceTask[];
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly timers = new Map<string, Timer>();
  private readonly failing = new Set<string>();
  private readonly running = new Map<string, Promise<void>>();
  private stopped = false;

  constructor(tasks: readonly MaintenanceTask[], deps: { readonly clock: Clock; readonly logger: Logger }) {
    this.tasks = tasks;
    this.clock = deps.clock;
    this.logger = deps.logger;
  }

  start(): void {
    for (const task of this.tasks) this.plan(task);
  }

  /** No new run; resolves when those under way are over. Idempotent. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const timer of this.timers.values()) timer.cancel();
    await Promise.all(this.running.values());
  }

  private plan(task: MaintenanceTask): void {
    if (this.stopped) return;
    const timer = this.clock.after(task.everyMs, () => {
      this.running.set(task.name, this.do(task));
    });
    this.timers.set(task.name, timer);
  }

  private async do(task: MaintenanceTask): Promise<void> {
    try {
      await task.run();
      this.failing.delete(task.name);
    } catch (error) {
      if (!this.failing.has(task.name)) {
        this.logger.warn(
          { task: task.name, error: messageOf(error) },
          'maintenance task failed, retrying at the next interval',
        );
      }
      this.failing.add(task.name);
    }
    this.plan(task);
  }
}
