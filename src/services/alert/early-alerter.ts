import type { AlertPreview } from '../../core/alert/engine/preview.ts';
import { Outage } from '../../lib/outage.ts';
import { PollLoop } from '../../lib/poll-loop.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import type { AlertEvaluator } from '../ingest/batch-commit.ts';
import type { IngestBatch, ResolvedRow } from '../ingest/batch.ts';
import type { SensorRegistry } from '../ingest/sensor-registry.ts';
import type { AlertManager } from './alert-manager.ts';
import type { EvaluatedReading } from './state-loader.ts';

export interface EarlyAlerterDeps {
  readonly alertManager: Pick<AlertManager, 'previewAlerts'>;
  /** In a share group only the evaluating member publishes early. */
  readonly evaluator: Pick<AlertEvaluator, 'knows' | 'publishUnpersisted'>;
  readonly registry: Pick<SensorRegistry, 'find'>;
  /** Readings that wait for their commit, oldest first. */
  readonly waiting: () => readonly IngestBatch[];
  /** Earlier readings of the device are still to be evaluated. */
  readonly holds: (device: string) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A line is published a second after its reading at most: this is the time for the commit, the rest is for a busy machine. */
const PATIENCE_MS = 500;
const POLL_EVERY_MS = 100;
/** Limits of one run, in readings and in time: the rest follows in the next run, with messages in between. */
const MOST_ROWS = 20_000;
const SLICE_MS = 50;
/** Values between two readings of the clock: each may raise an alert. */
const PART_VALUES = 200;
/** It uses at most a fifth of the time. */
const REST_FACTOR = 4;

/**
 * Publishes the alerts of readings whose commit takes too long, before their rows exist: a database that is away, slow or
 * unresponsive must not delay the alarm. The commit skips what is published (`AlertPublisher`). What time alone decides is
 * not published early: the reading that contradicts it may wait at the broker, which sends no more before it is acknowledged.
 */
export class EarlyAlerter {
  private readonly deps: EarlyAlerterDeps;
  private preview: AlertPreview | undefined;
  /** Devices with readings that cannot be evaluated yet: their later readings have to wait behind. */
  private readonly unknown = new Set<string>();
  private readonly outage: Outage;
  private readonly loop: PollLoop;

  constructor(deps: EarlyAlerterDeps) {
    this.deps = deps;
    const { clock } = deps;
    this.outage = new Outage(clock);
    const run = () => {
      const startedMs = clock.monotonicMs();
      this.poll();
      const [head] = this.deps.waiting();
      // Whatever arrives from now on is late no earlier than this.
      const dueMs = (head?.openedAtMs ?? startedMs) + PATIENCE_MS - startedMs;
      return Math.max(POLL_EVERY_MS, dueMs, (clock.monotonicMs() - startedMs) * REST_FACTOR);
    };
    this.loop = new PollLoop({ clock, everyMs: POLL_EVERY_MS, run });
  }

  start(): void {
    this.loop.start();
  }

  /** Idempotent. */
  stop(): void {
    void this.loop.stop();
  }

  private poll(): void {
    try {
      if (this.isLate()) this.previewAlerts();
      else this.preview = undefined;
      this.outage.recovered();
    } catch (error) {
      this.preview = undefined;
      if (this.outage.failed(error))
        this.deps.logger.error({ err: error }, 'early alerting failed; alert lines follow the commit');
    }
  }

  /** Queried per batch: a redelivered message arrived long ago, and may be committed in a moment. */
  private isLate(): boolean {
    const [head] = this.deps.waiting();
    return head !== undefined && this.deps.clock.monotonicMs() - head.openedAtMs >= PATIENCE_MS;
  }

  private previewAlerts(): void {
    const { alertManager, evaluator } = this.deps;
    const preview = alertManager.previewAlerts(this.preview);
    if (preview !== this.preview) this.unknown.clear();
    this.preview = preview;
    if (preview === undefined) return;
    const { clock } = this.deps;
    const untilMs = clock.monotonicMs() + SLICE_MS;
    const next = this.next(preview);
    for (let rows = 0; rows < MOST_ROWS;) {
      const part = take(next, PART_VALUES);
      if (part.length === 0) return;
      const notifications = preview.readings(part);
      if (notifications.length > 0) void evaluator.publishUnpersisted(notifications);
      if (clock.monotonicMs() >= untilMs) return;
      rows += part.length;
    }
  }

  /** The readings that have waited long enough, in commit order. */
  private *next(preview: AlertPreview): Generator<EvaluatedReading, undefined> {
    const nowMs = this.deps.clock.nowMs();
    for (const batch of this.deps.waiting())
      for (const row of batch.rowList) {
        if (row.previewedBy === preview) continue;
        const waitedMs = nowMs - row.receivedAtMs;
        // A clock that was set back does not show how long it has waited.
        if (waitedMs >= 0 && waitedMs < PATIENCE_MS) return;
        const sensor = row.sensor ?? this.deps.registry.find(row.key);
        if (sensor === undefined || !this.deps.evaluator.knows(sensor.id) || this.deps.holds(row.key))
          this.unknown.add(row.key);
        if (sensor === undefined || this.unknown.has(row.key)) continue;
        row.previewedBy = preview;
        yield row.sensor === undefined ? { ...row, sensor } : (row as ResolvedRow);
      }
  }
}

function take(from: Iterator<EvaluatedReading, undefined>, mostValues: number): EvaluatedReading[] {
  const taken: EvaluatedReading[] = [];
  for (let values = 0; values < mostValues;) {
    const next = from.next();
    if (next.done === true) break;
    taken.push(next.value);
    values += next.value.metrics.size;
  }
  return taken;
}
