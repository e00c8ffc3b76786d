import { shardOf } from '../../core/alert/cluster/shard.ts';
import { batchOfWork } from '../../core/alert/engine/alert-batch.ts';
import type { AlertEngine } from '../../core/alert/engine/engine.ts';
import { type RuleChange, beginWith } from '../../core/alert/engine/restore.ts';
import { type FoundWaiting, WaitingLog } from '../../core/alert/engine/waiting-log.ts';
import type { WaitingRow } from '../../core/alert/engine/waiting.ts';
import { type Watermarks, watermarksOfSeries } from '../../core/alert/engine/watermarks.ts';
import { type AlertBatch, EMPTY_ALERT_BATCH, type ShardFence } from '../../core/alert/model.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import { alertId } from './alert-id.ts';
import type { ShardTable } from './cluster/shard-table.ts';
import type { AlertMetrics } from './metrics.ts';
import type { RuleChangeQueue } from './rule-change-queue.ts';

/** Rows of an evaluation. Nothing is remembered until `commit`, which belongs right after COMMIT. */
export interface EvaluatedBatch {
  readonly batch: AlertBatch;
  /** The time up to which it has evaluated; before `commit`. Absent where nothing is evaluated. */
  watermarks?(): Watermarks;
  commit(): void;
}

export const NOTHING: EvaluatedBatch = { batch: EMPTY_ALERT_BATCH, commit: () => {} };

export interface EvaluationsDeps {
  readonly figures: AlertMetrics;
  readonly changes: RuleChangeQueue;
  /** In a share group: the part that is evaluated here; absent: everything. */
  readonly shards?: ShardTable | undefined;
  /** Identity of this process in its rows of waiting readings. */
  readonly process: string;
  readonly logger: Logger;
  readonly clock: Clock;
}

type Work = AlertEngine['work'];

/** The working sets of the engine as batches, one at a time: the next evaluation replaces the one before. */
export class Evaluations {
  private readonly deps: EvaluationsDeps;
  private waiting: WaitingLog;
  /** The latest one has the engine's working set. */
  private begun = 0;

  constructor(deps: EvaluationsDeps) {
    this.deps = deps;
    this.waiting = new WaitingLog(this.group, deps.process);
  }

  get group(): string {
    return this.deps.shards?.group ?? '';
  }

  /** The shards that the engine has in full; undefined where it evaluates everything. */
  loadedShards(): readonly number[] | undefined {
    return this.deps.shards?.in('catching_up', 'ready', 'held');
  }

  /** The state was read from the database: these are its rows of waiting readings. */
  loaded(found: FoundWaiting): void {
    this.waiting = new WaitingLog(this.group, this.deps.process, found);
  }

  /** More state was read. */
  included(found: FoundWaiting): void {
    this.waiting.found(found);
  }

  forget(isForgotten: (sensorId: number) => boolean): void {
    this.waiting.forget(isForgotten);
  }

  /** The returned function throws once another evaluation has begun. */
  begin(engine: AlertEngine, changes: readonly RuleChange[]): () => void {
    const evaluation = ++this.begun;
    beginWith(engine, changes, this.deps.clock.nowMs());
    return () => {
      if (evaluation !== this.begun) throw new Error('another evaluation of alerts has begun meanwhile');
    };
  }

  /** A whole evaluation: rule changes, then `run`. */
  run(engine: AlertEngine, changes: readonly RuleChange[], run: () => void): EvaluatedBatch {
    this.begin(engine, changes);
    run();
    return this.finish(engine, changes, batchOfWork(engine.work, alertId));
  }

  /** `made` of the working set, with the waiting readings and the fencing tokens that it is written under. */
  finish(engine: AlertEngine, changes: readonly RuleChange[], made: AlertBatch): EvaluatedBatch {
    const { effects, touched, counts } = engine.work;
    const { row: waiting, commit: remember } = this.waiting.next(engine, this.loadedShards());
    // An evaluation that touched nothing would be the same under any owner.
    const batch =
      touched.length === 0
        ? made
        : {
            ...made,
            ...(waiting === undefined ? {} : { waiting }),
            ...this.fence(sensorsOf(touched), waiting),
          };
    return {
      batch,
      watermarks: () => watermarksOfSeries(touched),
      commit: () => {
        engine.commit();
        remember();
        this.deps.changes.done(changes);
        this.deps.figures.count(counts, batch);
        this.logTransitions(effects);
      },
    };
  }

  /** In a share group: writes that concern these sensors, and all shards where they concern waiting readings. */
  fence(sensorIds: Iterable<number>, waiting?: WaitingRow): { readonly fence?: ShardFence } {
    const { shards } = this.deps;
    if (shards === undefined) return {};
    const fenced = new Set(waiting?.shards);
    for (const sensorId of sensorIds) fenced.add(shardOf(sensorId));
    return { fence: shards.fenceOf([...fenced].sort((a, b) => a - b)) };
  }

  private logTransitions(effects: Work['effects']): void {
    for (const { series, instance, effect } of effects)
      this.deps.logger.debug(
        {
          sensor_id: series.sensorId,
          alert_type: instance.condition.alertType,
          transition: effect.transition,
          event_time_ms: effect.timeUs / 1000,
        },
        'alert transition',
      );
  }
}

export const sensorsOf = (touched: Work['touched']): readonly number[] =>
  touched.map(({ sensorId }) => sensorId);
