import { messageOf } from '../../core/errors.ts';
import { Outage } from '../../lib/outage.ts';
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

  constructor(tasks: readonly MaintenanceTask[], deps: { readonly clock: Clock; readonly logger: Logger }) {
    const { clock, logger } = deps;
    this.logger = logger;
    this.loops = tasks.map((task) => {
      const outage = new Outage(clock);
      return new PollLoop({ clock, everyMs: task.everyMs, run: () => this.do(task, outage) });
    });
  }

  start(): void {
    for (const loop of this.loops) loop.start();
  }

  /** No new run; resolves when those under way are over. Idempotent. */
  async stop(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.stop()));
  }

  private async do(task: MaintenanceTask, outage: Outage): Promise<void> {
    try {
      await task.run();
      outage.recovered();
    } catch (error) {
      if (outage.failed(error)) {
        this.logger.warn(
          { task: task.name, error: messageOf(error) },
          'maintenance task failed, retrying at the next interval',
        );
      }
    }
  }
}
