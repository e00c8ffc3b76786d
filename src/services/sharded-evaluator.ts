import type { AlertNotification } from '../core/alert/model.ts';
import { EMPTY_ALERT_BATCH } from '../core/alert/model.ts';
import type { HandoverReading } from '../core/alert/shards/handover-record.ts';
import { SHARDS, shardOf } from '../core/alert/shards/shard.ts';
import { isAvailability, type Millis } from '../core/reading.ts';
import type { Sensor } from '../ports.ts';
import type { Evaluation } from './alerting.ts';
import type { AlertEvaluator } from './batch-commit.ts';
import { handoverOf } from './handover-reader.ts';
import type { ResolvedRow } from './intake-batch.ts';
import type { ShardTable } from './owned-shards.ts';
import type { SensorRegistry } from './sensor-registry.ts';
import type { ShardOwnership } from './shard-ownership.ts';

export interface ShardedEvaluatorDeps {
  readonly table: ShardTable;
  readonly ownership: Pick<ShardOwnership, 'announce' | 'announceUnpersisted' | 'attend' | 'refused'>;
  /** The engine of this member. */
  readonly engine: AlertEvaluator;
  /** Whether any rule asks something of these metrics. */
  /** Before readings are evaluated while the database is away: their alerts are announced at once. */
  readonly onAway?: () => void;
  readonly asksOf: (sensor: Sensor, metrics: ReadonlyMap<string, number>) => boolean;
}

/** What was counted halves in it: an average over minutes. */
const HALVED_AFTER_MS = 60_000;

/** Evaluates the batches of a member of a share group: its own shards with its engine; the rest is handed over. */
export class ShardedEvaluator implements AlertEvaluator {
  private readonly deps: ShardedEvaluatorDeps;
  private readonly counted = new Float64Array(SHARDS);
  private countedMs: Millis = 0;

  constructor(deps: ShardedEvaluatorDeps) {
    this.deps = deps;
  }

  /** How many readings of each shard arrived here lately; by the monotonic clock. */
  received(nowMs: Millis): readonly number[] {
    const keptPart = 0.5 ** ((nowMs - this.countedMs) / HALVED_AFTER_MS);
    this.countedMs = nowMs;
    for (let shard = 0; shard < SHARDS; shard++) this.counted[shard] = (this.counted[shard] ?? 0) * keptPart;
    return Array.from(this.counted, Math.round);
  }

  async prepare(rows: readonly ResolvedRow[], signal?: AbortSignal): Promise<void> {
    const [mine] = this.divide(rows);
    if (mine.length > 0) await this.deps.engine.prepare(mine, signal);
  }

  /** Of no sensor of another's shard: with the database away its readings wait in the spool, unevaluated and in order. */
  knows(sensorId: number): boolean {
    return this.deps.table.evaluates(sensorId) && this.deps.engine.knows(sensorId);
  }

  async evaluate(rows: readonly ResolvedRow[], stored?: boolean, onStep?: () => void): Promise<Evaluation> {
    const { table, engine, asksOf } = this.deps;
    for (const { sensorId } of rows) {
      const shard = shardOf(sensorId);
      this.counted[shard] = (this.counted[shard] ?? 0) + 1;
    }
    const [mine, others] = this.divide(rows);
    // After a standstill, what arrived elsewhere meanwhile is still to be read.
    this.deps.ownership.attend();
    if (stored === false) this.deps.onAway?.();
    const evaluation = await engine.evaluate(mine, stored, onStep);
    const readings: HandoverReading[] = [];
    for (const row of others)
      if (isAvailability(row) || asksOf(row.sensor, row.metrics)) readings.push(handoverOf(row));
    if (readings.length === 0) return evaluation;
    const forwarded = { group: table.group, readings };
    return { ...evaluation, batch: { ...evaluation.batch, forwarded } };
  }

  get sensorSeq(): number | undefined {
    return this.deps.engine.sensorSeq;
  }

  async sensorsChanged(registry: SensorRegistry): Promise<void> {
    await this.deps.engine.sensorsChanged?.(registry);
  }

  announce(notifications: readonly AlertNotification[]): void {
    this.deps.ownership.announce(notifications);
  }

  announceUnpersisted(notifications: readonly AlertNotification[]): void | Promise<void> {
    return this.deps.ownership.announceUnpersisted(notifications);
  }

  lost(shards: readonly number[]): void {
    this.deps.ownership.refused(shards);
  }

  private divide(rows: readonly ResolvedRow[]): readonly [readonly ResolvedRow[], readonly ResolvedRow[]] {
    const { table } = this.deps;
    const [mine, others]: [ResolvedRow[], ResolvedRow[]] = [[], []];
    for (const row of rows) (table.evaluates(row.sensorId) ? mine : others).push(row);
    return others.length === 0 ? [rows, []] : [mine, others];
  }
}

/** For readings of the spool that were evaluated, and what was made of them could not be written. */
export const forwardingTo = (group: string): AlertEvaluator => ({
  prepare: async () => {},
  knows: () => true,
  evaluate: (rows) => {
    const forwarded = { group, readings: rows.map(handoverOf) };
    return { batch: { ...EMPTY_ALERT_BATCH, forwarded }, adopt: () => {} };
  },
  announce: () => {},
  announceUnpersisted: () => {},
});
