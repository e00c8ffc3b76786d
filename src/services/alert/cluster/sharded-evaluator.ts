import type { HandoverReading } from '../../../core/alert/cluster/handover-record.ts';
import { SHARDS, shardOf } from '../../../core/alert/cluster/shard.ts';
import { type AlertNotification, EMPTY_ALERT_BATCH } from '../../../core/alert/model.ts';
import { type Millis, isAvailability } from '../../../core/reading.ts';
import type { Sensor } from '../../../ports/sensors.ts';
import type { AlertEvaluator } from '../../ingest/batch-commit.ts';
import type { ResolvedRow } from '../../ingest/batch.ts';
import type { SensorRegistry } from '../../ingest/sensor-registry.ts';
import type { EvaluatedBatch } from '../evaluation.ts';
import { handoverOf } from './handover.ts';
import type { ShardLeases } from './shard-leases.ts';
import type { ShardTable } from './shard-table.ts';

export interface ShardedEvaluatorDeps {
  readonly table: ShardTable;
  readonly leases: Pick<
    ShardLeases,
    'publish' | 'publishUnpersisted' | 'attend' | 'refused' | 'holdIfBehind'
  >;
  /** The engine of this member. */
  readonly engine: AlertEvaluator;
  /** Before readings are evaluated while the database is away: their alerts are published at once. */
  readonly onAway?: () => void;
  /** Whether any rule refers to these metrics. */
  readonly mayClaim: (sensor: Sensor, metrics: ReadonlyMap<string, number>) => boolean;
}

/** Half-life of the counts: an average over minutes. */
const HALVED_AFTER_MS = 60_000;

/** Evaluates the batches of a member of a share group: its own shards with its engine; the rest is handed over. */
export class ShardedEvaluator implements AlertEvaluator {
  private readonly deps: ShardedEvaluatorDeps;
  private readonly counted = new Float64Array(SHARDS);
  private countedMs: Millis = 0;

  constructor(deps: ShardedEvaluatorDeps) {
    this.deps = deps;
  }

  /** Recent readings per shard that arrived here; by the monotonic clock. */
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

  /** Excludes sensors of other shards: with the database away their readings wait in the spool, unevaluated and in order. */
  knows(sensorId: number): boolean {
    return this.deps.table.evaluates(sensorId) && this.deps.engine.knows(sensorId);
  }

  async evaluate(
    rows: readonly ResolvedRow[],
    stored?: boolean,
    onStep?: () => void,
  ): Promise<EvaluatedBatch> {
    const { table, engine, mayClaim } = this.deps;
    for (const { sensorId } of rows) {
      const shard = shardOf(sensorId);
      this.counted[shard] = (this.counted[shard] ?? 0) + 1;
    }
    this.deps.leases.holdIfBehind();
    const [mine, others] = this.divide(rows);
    // After a standstill, arrivals elsewhere in the meantime are still to be read.
    this.deps.leases.attend();
    if (stored === false) this.deps.onAway?.();
    const evaluation = await engine.evaluate(mine, stored, onStep);
    const readings: HandoverReading[] = [];
    for (const row of others)
      if (isAvailability(row) || mayClaim(row.sensor, row.metrics)) readings.push(handoverOf(row));
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

  publish(notifications: readonly AlertNotification[]): void {
    this.deps.leases.publish(notifications);
  }

  publishUnpersisted(notifications: readonly AlertNotification[]): void | Promise<void> {
    return this.deps.leases.publishUnpersisted(notifications);
  }

  lost(shards: readonly number[]): void {
    this.deps.leases.refused(shards);
  }

  private divide(rows: readonly ResolvedRow[]): readonly [readonly ResolvedRow[], readonly ResolvedRow[]] {
    const { table } = this.deps;
    const [mine, others]: [ResolvedRow[], ResolvedRow[]] = [[], []];
    for (const row of rows) (table.evaluates(row.sensorId) ? mine : others).push(row);
    return others.length === 0 ? [rows, []] : [mine, others];
  }
}

/** For readings of the spool that were evaluated, and whose result could not be written. */
export const forwardingTo = (group: string): AlertEvaluator => ({
  prepare: async () => {},
  knows: () => true,
  evaluate: (rows) => {
    const forwarded = { group, readings: rows.map(handoverOf) };
    return { batch: { ...EMPTY_ALERT_BATCH, forwarded }, commit: () => {} };
  },
  publish: () => {},
  publishUnpersisted: () => {},
});
