import { pause } from '../test/support/eventually.ts';
import { type Fault, NotInjected, type Stage } from './fault/fault.ts';
import type { PlannedFault, Target } from './schedule.ts';

export interface FaultRecord {
  readonly kind: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly outcome: 'injected' | 'not injected';
  readonly detail: string;
}

/** Carries out the plan: at its time each, one at a time for each target. */
export class Injector {
  readonly records: FaultRecord[] = [];
  private readonly stage: Stage;
  private readonly tails = new Map<Target, Promise<void>>();
  private readonly progress: (text: string) => void;

  constructor(stage: Stage, progress: (text: string) => void) {
    this.stage = stage;
    this.progress = progress;
  }

  /** Resolves when all faults are over and undone. Faults that are due after `endMs` are left out. */
  async run(plan: readonly PlannedFault<Fault>[], endMs: number): Promise<void> {
    const began = performance.now();
    for (const planned of plan) {
      await pause(planned.atMs - (performance.now() - began), this.stage.signal);
      if (this.stage.signal.aborted) break;
      const { target } = planned.fault;
      const tail = this.tails.get(target) ?? Promise.resolve();
      this.tails.set(
        target,
        tail.then(() => this.one(planned, performance.now() - began > endMs)),
      );
    }
    await Promise.all(this.tails.values());
    await pause(endMs - (performance.now() - began), this.stage.signal);
    this.stage.signal.throwIfAborted();
  }

  private async one(planned: PlannedFault<Fault>, late: boolean): Promise<void> {
    const { fault } = planned;
    const fromMs = Date.now();
    if (late) return this.record(fault.kind, fromMs, 'not injected', 'it was due after the end');
    try {
      this.record(fault.kind, fromMs, 'injected', await fault.inject(this.stage, planned));
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.record(
        fault.kind,
        fromMs,
        'not injected',
        error instanceof NotInjected ? detail : `failed: ${detail}`,
      );
    } finally {
      const { target } = fault;
      if (target === 'brokerLink' || target === 'databaseLink') this.stage[target].resume();
    }
  }

  private record(kind: string, fromMs: number, outcome: FaultRecord['outcome'], detail: string): void {
    this.records.push({ kind, fromMs, toMs: Date.now(), outcome, detail });
    this.progress(`${new Date(fromMs).toISOString().slice(11, 23)} ${kind}: ${detail}`);
  }
}
