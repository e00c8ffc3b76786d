import type { AlertNotification } from '../../core/alert/model.ts';
import type { Millis } from '../../core/reading.ts';
import type { DaemonSeen } from '../../ports/lease.ts';
import type { Clock } from '../../ports/time.ts';
import type { AlertEvaluator } from '../ingest/batch-commit.ts';
import type { ResolvedRow } from '../ingest/batch.ts';
import type { SensorRegistry } from '../ingest/sensor-registry.ts';
import { type EvaluatedBatch, NOTHING } from './evaluation.ts';
import { forwardingTo } from './cluster/sharded-evaluator.ts';

export interface ProgramEvaluatorDeps {
  /** Evaluator of a program with rules of its own. */
  readonly own: AlertEvaluator | undefined;
  /** The daemon that evaluates this database, running or stopped. */
  readonly latestDaemon: () => Promise<DaemonSeen | undefined>;
  readonly clock: Clock;
}

/** A daemon that starts is seen so much later by a program with rules of its own; its shards are claimed at once. */
const LOOK_EVERY_MS = 2000;

/**
 * Evaluates what a program records. Where a daemon evaluates the database, readings are handed over to it in the transaction
 * that stores them, also while it is stopped: it evaluates them when it is back. Without a daemon a program with rules
 * evaluates them itself, and one without rules stores them only.
 */
export class ProgramEvaluator implements AlertEvaluator {
  private readonly deps: ProgramEvaluatorDeps;
  private daemon: DaemonSeen | undefined;
  private lookedMs: Millis = -Infinity;

  constructor(deps: ProgramEvaluatorDeps) {
    this.deps = deps;
  }

  get evaluates(): boolean {
    return this.daemon !== undefined || this.deps.own !== undefined;
  }

  /** Whether a daemon evaluates; looked up again where that is older than two seconds. */
  async seenDaemon(): Promise<DaemonSeen | undefined> {
    const nowMs = this.deps.clock.monotonicMs();
    if (nowMs - this.lookedMs < LOOK_EVERY_MS) return this.daemon;
    // One that was seen stays: its row may be pruned long after it has stopped.
    this.daemon = (await this.deps.latestDaemon()) ?? this.daemon;
    this.lookedMs = nowMs;
    return this.daemon;
  }

  async prepare(rows: readonly ResolvedRow[], signal?: AbortSignal): Promise<void> {
    if ((await this.seenDaemon()) === undefined) await this.deps.own?.prepare(rows, signal);
  }

  knows(sensorId: number): boolean {
    return this.deps.own?.knows(sensorId) ?? true;
  }

  evaluate(
    rows: readonly ResolvedRow[],
    stored?: boolean,
    onStep?: () => void,
  ): EvaluatedBatch | Promise<EvaluatedBatch> {
    const { daemon } = this;
    if (daemon === undefined) return this.deps.own?.evaluate(rows, stored, onStep) ?? NOTHING;
    return rows.length === 0 ? NOTHING : forwardingTo(daemon.group).evaluate(rows);
  }

  get sensorSeq(): number | undefined {
    return this.deps.own?.sensorSeq;
  }

  async sensorsChanged(registry: SensorRegistry): Promise<void> {
    await this.deps.own?.sensorsChanged?.(registry);
  }

  publish(notifications: readonly AlertNotification[]): void {
    this.deps.own?.publish(notifications);
  }

  room(): Promise<void> | undefined {
    return this.deps.own?.room?.();
  }

  publishUnpersisted(notifications: readonly AlertNotification[]): void | Promise<void> {
    return this.deps.own?.publishUnpersisted(notifications);
  }

  lost(shards: readonly number[]): void {
    // It may be a daemon that has taken them.
    this.lookedMs = -Infinity;
    this.deps.own?.lost?.(shards);
  }
}
