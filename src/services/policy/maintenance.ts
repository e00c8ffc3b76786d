import { messageOf } from '../../core/errors.ts';
import { PollLoop } from '../../lib/poll-loop.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';

/** A small periodic task that may fail without harm until the next time. */
export interface MaintenanceTask {
  readonly name: string;
  readonly everyMs: number;
  readonly run: () => Promise<void>;
}

/** Runs tasks one after the other, each at its own interval; a failure is logged when it begins. */
export class MaintenanceTasks {
  private readonly logger: Logger;
  private readonly loops: readonly PollLoop[];
  private readonly failing = new Set<string>();

  constructor(tasks: readonly MaintenanceTask[], deps: { readonly clock: Clock; readonly logger: Logger }) {
    const { clock, logger } = deps;
    this.logger = logger;
    this.loops = tasks.map(
      (task) => new PollLoop({ clock, everyMs: task.everyMs, run: () => this.do(task) }),
    );
  }

  start(): void {
    for (const loop of this.loops) loop.start();
  }

  /** No new run; resolves when those under way are over. Idempotent. */
  async stop(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.stop()));
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
  }
}
