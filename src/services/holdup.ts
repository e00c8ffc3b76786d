import type { Millis } from '../core/reading.ts';
import type { Clock, Timer } from '../ports.ts';
import type { IntakeBatch } from './intake-batch.ts';

export interface HoldupDeps {
  /** What waits for its commit, oldest first. */
  readonly waiting: () => readonly IntakeBatch[];
  /** What has to know of it; `Alerting` is it. */
  readonly alerting: {
    judgedUntil(timeMs: () => Millis): void;
    listen(hears: boolean, ear: 'intake'): void;
  };
  readonly clock: Clock;
}

const LOOK_EVERY_MS = 500;
/**
 * Acknowledging nothing for so long, we may have been sent nothing: how many messages a broker lets be under way is
 * its own affair (mosquitto: 20). With a spool it does not come to this.
 */
const PATIENCE_MS = 10_000;

/**
 * What readings that wait for the database mean to those who watch silence. Those that have arrived come before any
 * deadline; and while others may be kept at the broker, nobody can tell who is silent.
 */
export class Holdup {
  private readonly deps: HoldupDeps;
  private timer: Timer | undefined;

  constructor(deps: HoldupDeps) {
    this.deps = deps;
  }

  start(): void {
    this.deps.alerting.judgedUntil(() => this.judgedMs());
    this.again();
  }

  /** Idempotent. */
  stop(): void {
    this.timer?.cancel();
  }

  private again(): void {
    this.timer = this.deps.clock.after(LOOK_EVERY_MS, () => {
      this.look();
      this.again();
    });
  }

  private look(): void {
    const { waiting, alerting, clock } = this.deps;
    const [head] = waiting();
    alerting.listen(head === undefined || clock.monotonicMs() - head.openedAtMs < PATIENCE_MS, 'intake');
  }

  private judgedMs(): Millis {
    const [head] = this.deps.waiting();
    return head?.rowList[0]?.receivedAtMs ?? Infinity;
  }
}
