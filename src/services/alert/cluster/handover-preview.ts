import type { HandoverReading } from '../../../core/alert/cluster/handover-record.ts';
import type { AlertPreview } from '../../../core/alert/engine/preview.ts';
import { messageOf } from '../../../core/errors.ts';
import { Outage } from '../../../lib/outage.ts';
import { PollLoop } from '../../../lib/poll-loop.ts';
import type { HandoverStore } from '../../../ports/handover.ts';
import type { Logger } from '../../../ports/metrics.ts';
import type { Clock } from '../../../ports/time.ts';
import type { AlertEvaluator } from '../../ingest/batch-commit.ts';
import type { SensorRegistry } from '../../ingest/sensor-registry.ts';
import type { AlertManager } from '../alert-manager.ts';
import type { EvaluatedReading } from '../state-loader.ts';
import type { ShardLeases } from './shard-leases.ts';
import type { ShardTable } from './shard-table.ts';

export interface HandoverPreviewDeps {
  readonly table: ShardTable;
  readonly leases: Pick<ShardLeases, 'waitsSinceMs'>;
  readonly store: Pick<HandoverStore, 'after'>;
  readonly engine: Pick<AlertManager, 'previewAlerts' | 'knows' | 'prepare'>;
  readonly lines: Pick<AlertEvaluator, 'publishUnpersisted'>;
  readonly registry: Pick<SensorRegistry, 'findById' | 'forgotten'>;
  /** Runs something between two batches; false where batches go to the spool. */
  readonly between: (run: () => Promise<void>) => Promise<boolean>;
  /** Batches go to the spool now, and are evaluated there. */
  readonly spoolWriter: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A member that is restarted is back sooner, as a rule: what it has may still refute a line. */
const PATIENCE_MS = 10_000;
const POLL_EVERY_MS = 1000;
/** Pages of one call, and how often in one wait everything may be read from the beginning. */
const MOST_PAGES = 20;
const MOST_STARTS = 20;

/**
 * While evaluation waits for other members: the alerts of what is handed over are published once the wait has taken a
 * while, before their rows exist. Their rows follow when the wait is over, and are evaluated anew.
 */
export class HandoverPreview {
  private readonly deps: HandoverPreviewDeps;
  private readonly loop: PollLoop;
  private preview: AlertPreview | undefined;
  private afterId = '0';
  private starts = 0;
  private readonly outage: Outage;

  constructor(deps: HandoverPreviewDeps) {
    this.deps = deps;
    this.outage = new Outage(deps.clock);
    this.loop = new PollLoop({ clock: deps.clock, everyMs: POLL_EVERY_MS, run: () => this.tryPoll() });
  }

  start(): void {
    this.loop.start();
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  private async tryPoll(): Promise<void> {
    try {
      await this.poll();
      this.outage.recovered();
    } catch (error) {
      if (this.outage.failed(error))
        this.deps.logger.warn(
          { error: messageOf(error) },
          'cannot read the alert handover ahead; alert lines follow the wait for members',
        );
    }
  }

  private async poll(): Promise<void> {
    const { clock, leases } = this.deps;
    const sinceMs = leases.waitsSinceMs;
    if (sinceMs === undefined) {
      this.preview = undefined;
      this.starts = 0;
      return;
    }
    if (clock.monotonicMs() - sinceMs < PATIENCE_MS) return;
    for (let page = 0; page < MOST_PAGES; page++) if (!(await this.page())) return;
  }

  /** True if there may be more. */
  private async page(): Promise<boolean> {
    const { table, store, engine, lines, leases, spoolWriter, between } = this.deps;
    const shards = table.in('held', 'catching_up');
    if (shards.length === 0 || spoolWriter()) return false;
    const preview = this.current();
    if (preview === undefined) return false;
    const { readings: found, lastId, more } = await store.after(table.group, shards, this.afterId);
    const readings = this.withSensors(found);
    const fresh = readings.filter(({ sensor }) => !engine.knows(sensor.id));
    if (fresh.length > 0 && !(await between(() => engine.prepare(fresh)))) return false;
    // The wait may be over: the readings are evaluated, and their lines come with the rows.
    if (leases.waitsSinceMs === undefined) return false;
    // Sensors were prepared, or something else has changed: from the beginning.
    if (engine.previewAlerts(preview) !== preview) return true;
    this.afterId = lastId;
    const notifications = preview.readings(readings);
    if (notifications.length > 0) await lines.publishUnpersisted(notifications);
    return more;
  }

  /** From the beginning again if the states have changed: what is published already is not published again. */
  private current(): AlertPreview | undefined {
    const preview = this.deps.engine.previewAlerts(this.preview);
    if (preview === this.preview) return preview;
    if (++this.starts > MOST_STARTS) return undefined;
    this.afterId = '0';
    this.preview = preview;
    return preview;
  }

  private withSensors(readings: readonly HandoverReading[]): EvaluatedReading[] {
    const { registry } = this.deps;
    return readings.flatMap(({ sensorId, timeUs, receivedAtMs, metrics, retained, spooled }) => {
      const sensor = registry.findById(registry.forgotten.get(sensorId) ?? sensorId);
      if (sensor === undefined) return [];
      return [{ sensor, timeUs, receivedAtMs, metrics, retained, spooled }];
    });
  }
}
