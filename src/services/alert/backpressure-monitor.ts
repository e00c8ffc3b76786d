import type { Millis } from '../../core/reading.ts';
import { PollLoop } from '../../lib/poll-loop.ts';
import type { Clock } from '../../ports/time.ts';
import type { IngestBatch } from '../ingest/batch.ts';

export interface BackpressureMonitorDeps {
  /** Readings that wait for their commit, oldest first. */
  readonly waiting: () => readonly IngestBatch[];
  /** Notified of backpressure; `AlertManager` implements it. */
  readonly alertManager: {
    setEvaluatedUntil(timeMs: () => Millis): void;
    setReceiving(receiving: boolean, source: 'ingest'): void;
  };
  readonly clock: Clock;
}

const CHECK_EVERY_MS = 500;
/**
 * When nothing was acknowledged for this time, the broker may have stopped sending: how many messages it allows in flight
 * is its setting (mosquitto: 20). With a spool this does not occur.
 */
const UNACKNOWLEDGED_MS = 10_000;

/**
 * Adjusts silence detection to readings that wait for the database. Those that have arrived come before any due time; and
 * while others may be held by the broker, silence of sensors cannot be determined.
 */
export class BackpressureMonitor {
  private readonly deps: BackpressureMonitorDeps;
  private readonly loop: PollLoop;

  constructor(deps: BackpressureMonitorDeps) {
    this.deps = deps;
    this.loop = new PollLoop({ clock: deps.clock, everyMs: CHECK_EVERY_MS, run: () => this.poll() });
  }

  start(): void {
    this.deps.alertManager.setEvaluatedUntil(() => this.evaluatedUntilMs());
    this.loop.start();
  }

  /** Idempotent. */
  stop(): void {
    void this.loop.stop();
  }

  private poll(): void {
    const { waiting, alertManager, clock } = this.deps;
    const [head] = waiting();
    alertManager.setReceiving(
      head === undefined || clock.monotonicMs() - head.openedAtMs < UNACKNOWLEDGED_MS,
      'ingest',
    );
  }

  private evaluatedUntilMs(): Millis {
    const [head] = this.deps.waiting();
    return head?.rowList[0]?.receivedAtMs ?? Infinity;
  }
}
