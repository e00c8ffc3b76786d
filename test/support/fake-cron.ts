import type { Cron, CronTick } from '../../src/ports/maintenance.ts';

/** A cron whose ticks are triggered by the test. */
export class FakeCron implements Cron {
  readonly schedules: { readonly expression: string; readonly timezone: string; stopped: boolean }[] = [];
  private readonly runs = new Map<string, ((tick: CronTick) => void)[]>();

  validate(): boolean {
    return true;
  }

  schedule(expression: string, timezone: string, run: (tick: CronTick) => void) {
    const entry = { expression, timezone, stopped: false };
    this.schedules.push(entry);
    this.runs.set(expression, [...(this.runs.get(expression) ?? []), (tick) => !entry.stopped && run(tick)]);
    return { stop: () => void (entry.stopped = true) };
  }

  tick(expression: string, kind: CronTick['kind'] = 'due', atMs = 0): void {
    for (const run of this.runs.get(expression) ?? []) run({ kind, atMs });
  }
}
