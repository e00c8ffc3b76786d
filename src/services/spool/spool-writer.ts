import type { LetterSource } from '../ingest/dead-letter.ts';
import { randomUUID } from 'node:crypto';
import { partsOf } from '../../core/alert/engine/batch-parts.ts';
import { NO_WATERMARKS, type Watermarks } from '../../core/alert/engine/watermarks.ts';
import { type AlertBatch, EMPTY_ALERT_BATCH } from '../../core/alert/model.ts';
import { FieldwatchError, codeOf } from '../../core/errors.ts';
import { Outage, type Trouble } from '../../lib/outage.ts';
import { SerialQueue } from '../../lib/serial-queue.ts';
import type { Logger, Metrics } from '../../ports/metrics.ts';
import {
  SPOOL_LANES,
  type Spool,
  type SpoolLane,
  type SpoolRecord,
  type SpooledMessage,
  type SpooledReading,
  type SpooledRecord,
  itemsOfRecord,
} from '../../ports/spool.ts';
import type { Clock } from '../../ports/time.ts';
import type { EvaluatedBatch } from '../alert/evaluation.ts';
import type { ArrivalClocks } from '../ingest/arrival-clocks.ts';
import type { AlertEvaluator } from '../ingest/batch-commit.ts';
import type { IngestBatch, IngestRow, ResolvedRow } from '../ingest/batch.ts';
import type { SensorRegistry } from '../ingest/sensor-registry.ts';

export interface SpoolWriterDeps {
  readonly spool: Spool;
  readonly alertManager: AlertEvaluator;
  readonly registry: Pick<SensorRegistry, 'find'>;
  readonly clock: Clock;
  /** Tracks the clock under which arrivals are stamped. */
  readonly arrivalClocks?: Pick<ArrivalClocks, 'name' | 'era'> | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The state of the spool for its users. */
export interface SpoolHealth {
  /** Batches go there now, and it accepts them. */
  readonly keeps: boolean;
  readonly trouble: Trouble | undefined;
  /** Waiting for the database. */
  readonly items: number;
  /** Records that were set aside. */
  readonly parked: number;
}

/**
 * The way into the spool. While it is `active` all batches go there: evaluations are in the memory of the alert engine
 * and in the spool only, so nothing may be written to the database past it until it is replayed (`SpoolDrainer`).
 */
export class SpoolWriter {
  private readonly deps: SpoolWriterDeps;
  private readonly appended;
  private isActive = false;
  private isEvaluationSuspended = false;
  private readonly outage: Outage;
  /** Devices whose readings wait unevaluated: their later readings have to wait behind. */
  private readonly waiting = new Set<string>();
  private readonly queue = new SerialQueue();
  private readonly listeners: (() => void)[] = [];

  constructor(deps: SpoolWriterDeps) {
    this.deps = deps;
    this.outage = new Outage(deps.clock);
    this.appended = deps.metrics.counter(
      'fieldwatch_spool_appended_items_total',
      'Readings and dead letters written to the spool',
    );
    exportSpool(deps.metrics, deps.clock, deps.spool, this);
  }

  /** The database is away: batches go to the spool. */
  get active(): boolean {
    return this.isActive;
  }

  /**
   * Nothing is evaluated: the alert state of the last run is not read yet, or readings that come before new arrivals
   * wait unevaluated, and of which devices is unknown.
   */
  get evaluationSuspended(): boolean {
    return this.isEvaluationSuspended;
  }

  /** Set while writing to the spool fails: messages are held, unacknowledged. */
  get trouble(): Trouble | undefined {
    return this.outage.trouble;
  }

  get health(): SpoolHealth {
    const { lanes, parked } = this.contents;
    const items = SPOOL_LANES.reduce((sum, lane) => sum + lanes[lane].items, 0);
    const { trouble } = this;
    return { keeps: this.isActive && trouble === undefined, trouble, items, parked: parked.records };
  }

  /** Readings of the device wait here unevaluated, and its later ones have to wait behind: under each key of its sensor. */
  holds(device: string): boolean {
    if (this.isEvaluationSuspended || this.waiting.has(device)) return true;
    if (this.waiting.size === 0) return false;
    const sensor = this.deps.registry.find(device);
    const aliases = sensor?.aliases ?? [];
    // Nearly always empty.
    return (
      sensor !== undefined &&
      aliases.length > 0 &&
      [sensor.key, ...aliases].some((key) => this.waiting.has(key))
    );
  }

  get contents(): Spool['contents'] {
    return this.deps.spool.contents;
  }

  /** Called at each begin and end. */
  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  begin(): void {
    if (this.isActive) return;
    this.isActive = true;
    this.deps.logger.warn({}, 'database unreachable, spooling messages');
    this.changed();
  }

  /** At a start, before the first batch: all readings wait unevaluated. */
  beginSuspended(): void {
    this.isActive = true;
    this.isEvaluationSuspended = true;
    this.changed();
  }

  /**
   * Back to the database, once `replay` has found nothing left that must come before. No batch gets in between: what was
   * appended before this call is visible to `replay`, and later batches go to the database.
   */
  end(replay: () => Promise<void>): Promise<void> {
    return this.queue.run(async () => {
      await replay();
      this.isActive = false;
      this.isEvaluationSuspended = false;
      this.outage.recovered();
      this.waiting.clear();
      const { readings } = this.contents.lanes;
      this.deps.logger.info({ items: readings.items }, 'spool: draining to the database');
      this.changed();
    });
  }

  /** True once all of the batch is on disk; its alert lines are published then. False: try elsewhere, or later. */
  keep(batch: IngestBatch): Promise<boolean> {
    return this.whileActive(async () => {
      const [known, unknown] = this.divide(batch.rowList);
      // While evaluation is suspended the engine is not used: it may be in the middle of being loaded.
      const evaluation = this.isEvaluationSuspended
        ? undefined
        : await this.deps.alertManager.evaluate(known, false);
      const alerts = evaluation?.batch ?? EMPTY_ALERT_BATCH;
      // In a share group other members have received readings, too: all are evaluated anew when the database is back.
      const [again, done] = isProvisional(alerts)
        ? [batch.rowList, []]
        : [unknown, known.filter((row) => !row.spooled)];
      const records = [
        ...alertRecord(alerts),
        ...record('unresolved', { readings: spooledRows(again, batch) }),
        ...record('readings', { readings: spooledRows(done, batch), deadLetters: batch.deadLetters }),
      ];
      if (!(await this.append(records, evaluation))) return false;
      for (const { key } of unknown) this.waiting.add(key);
      return true;
    });
  }

  /** `keep` for changes not caused by readings: by time, or by new rules. */
  appendAlerts(evaluate: () => EvaluatedBatch): Promise<boolean> {
    return this.whileActive(async () => {
      const evaluation = evaluate();
      return this.append(alertRecord(evaluation.batch), evaluation);
    });
  }

  /** Readings that drain on their own, independent of their batch. */
  appendLate(rows: readonly IngestRow[], batch: IngestBatch): Promise<boolean> {
    return this.queue.run(async () => {
      const kept = await this.append(record('readings', { readings: spooledRows(rows, batch) }), undefined);
      if (kept) this.changed();
      return kept;
    });
  }

  /** With no evaluation of a batch in between: the engine does one at a time. */
  exclusive<T>(run: () => Promise<T>): Promise<T> {
    return this.queue.run(run);
  }

  private divide(rows: readonly IngestRow[]): readonly [ResolvedRow[], IngestRow[]] {
    const { alertManager, registry } = this.deps;
    const known: ResolvedRow[] = [];
    const unknown: IngestRow[] = [];
    for (const row of rows) {
      // It may have been registered since: then earlier and later rows of one device go the same way, in order.
      row.sensor ??= registry.find(row.key);
      row.sensorId = row.sensor?.id ?? 0;
      if (row.sensor !== undefined && alertManager.knows(row.sensor.id) && !this.holds(row.key))
        known.push(row as ResolvedRow);
      else unknown.push(row);
    }
    return [known, unknown];
  }

  private async append(records: SpoolRecord[], evaluation: EvaluatedBatch | undefined): Promise<boolean> {
    let appended: readonly SpooledRecord[] = [];
    const isLasting = evaluation !== undefined && !isProvisional(evaluation.batch);
    const evaluated = (isLasting ? evaluation.watermarks?.() : undefined) ?? NO_WATERMARKS;
    try {
      if (records.length > 0 || evaluated.sensorIds.length > 0)
        appended = await this.appendUnderClock(records, evaluated);
    } catch (error) {
      this.refused(error);
      return false;
    }
    this.outage.recovered();
    this.appended.inc(records.reduce((sum, each) => sum + itemsOfRecord(each), 0));
    evaluation?.commit();
    const notifications = evaluation?.batch.notifications ?? [];
    if (notifications.length === 0) return true;
    await this.deps.alertManager.publishUnpersisted(notifications);
    // Where the mark cannot be written, the lines are published once more after a restart.
    for (const record of appended)
      if (record.alerts.notifications.length > 0)
        await this.deps.spool.markNotified(record).catch(() => undefined);
    return true;
  }

  /** The era is on disk before the record that names it. */
  private async appendUnderClock(
    records: SpoolRecord[],
    evaluated: Watermarks,
  ): Promise<readonly SpooledRecord[]> {
    const { spool, arrivalClocks } = this.deps;
    if (arrivalClocks?.era === undefined) return spool.append(records, evaluated);
    await arrivalClocks.name();
    const clock = arrivalClocks.era;
    return spool.append(
      records.map((each) => ({ ...each, clock })),
      evaluated,
    );
  }

  private refused(error: unknown): void {
    if (!this.outage.failed(error)) return;
    const remedy = error instanceof FieldwatchError ? error.remedy : undefined;
    this.deps.logger.error(
      { code: codeOf(error), err: error, remedy },
      'cannot write to the spool, holding messages unacknowledged, dropping QoS 0',
    );
  }

  private whileActive(run: () => Promise<boolean>): Promise<boolean> {
    return this.queue.run(async () => {
      if (!this.isActive) return false;
      try {
        return await run();
      } catch (error) {
        // A fault of the evaluation: the way to the database will report it.
        this.refused(error);
        return false;
      }
    });
  }

  private changed(): void {
    for (const listener of this.listeners) listener();
  }
}

/** One record, built and read back within one event loop iteration. */
const MOST_ALERT_ROWS = 2000;

function record(lane: SpoolLane, part: Partial<SpoolRecord>): SpoolRecord[] {
  const { readings = [], deadLetters = [], alerts = EMPTY_ALERT_BATCH } = part;
  if (readings.length + deadLetters.length === 0 && lane !== 'alerts') return [];
  return [{ lane, id: randomUUID(), readings, deadLetters, alerts }];
}

/** For records that are evaluated anew: which lines are published. */
function alertRecord(alerts: AlertBatch): SpoolRecord[] {
  const { states, raised, resolved, notifications, fence, waiting } = alerts;
  if (fence !== undefined)
    return notifications.length === 0
      ? []
      : partsOf({ ...EMPTY_ALERT_BATCH, notifications, fence }, MOST_ALERT_ROWS).flatMap((part) =>
          record('alerts', { alerts: part }),
        );
  const any = states.length + raised.length + resolved.length + notifications.length > 0;
  if (!any && waiting === undefined) return [];
  return partsOf(alerts, MOST_ALERT_ROWS).flatMap((part) => record('alerts', { alerts: part }));
}

/** Evaluated under the lease of a share group. */
const isProvisional = ({ fence }: AlertBatch): boolean => fence !== undefined;

/** Readings of one message share it, on disk as in memory. */
function spooledRows(rows: readonly IngestRow[], batch: IngestBatch): SpooledReading[] {
  const messages = new Map<LetterSource, SpooledMessage>();
  return rows.map(({ key, sensorId, timeUs, receivedAtMs, stamped, metrics, message: source }) => {
    let message = messages.get(source);
    if (message === undefined) {
      const { topic, payload, arrivalUs, dup, retain } = source;
      message = { topic, payload, receivedAtMs: source.receivedAtMs, arrivalUs, dup, retain };
      messages.set(source, message);
    }
    const { location, gateway } = batch.unknown.get(key) ?? {};
    // A record holds plain values: the reader of an earlier version knows these.
    return {
      ...{ key, location, gateway, sensorId, timeUs, receivedAtMs, stamped, message },
      metrics: new Map(metrics),
    };
  });
}

/** Contents of the spool, read at each scrape. */
export function exportSpool(
  metrics: Metrics,
  clock: Clock,
  spool: Spool,
  state: { readonly active: boolean; readonly trouble: Trouble | undefined },
): void {
  const items = metrics.gauge('fieldwatch_spool_items', 'Readings and dead letters in the spool', ['lane']);
  const bytes = metrics.gauge('fieldwatch_spool_bytes', 'Bytes of the records in the spool');
  const age = metrics.gauge('fieldwatch_spool_oldest_age_seconds', 'Age of the oldest record; 0 if empty');
  const parked = metrics.gauge(
    'fieldwatch_spool_parked_records',
    'Records parked after an unclassified error; retried at the next start',
  );
  const damaged = metrics.gauge('fieldwatch_spool_damaged_records', 'Damaged records since start, set aside');
  const lost = metrics.gauge(
    'fieldwatch_spool_lost_items',
    'Readings and dead letters lost since start in damaged spool files',
  );
  const active = metrics.gauge('fieldwatch_spool_active', '1 while batches go to the spool');
  const full = metrics.gauge('fieldwatch_spool_full', '1 while the spool is full');
  metrics.onCollect(() => {
    const { lanes, parked: aside, damaged: bad, lostItems, oldestAtMs } = spool.contents;
    let sum = aside.bytes;
    for (const lane of SPOOL_LANES) {
      items.set(lanes[lane].items, { lane });
      sum += lanes[lane].bytes;
    }
    items.set(aside.items, { lane: 'parked' });
    bytes.set(sum);
    age.set(oldestAtMs === undefined ? 0 : Math.max(0, clock.nowMs() - oldestAtMs) / 1000);
    parked.set(aside.records);
    damaged.set(bad.records);
    lost.set(lostItems);
    active.set(state.active ? 1 : 0);
    full.set(state.trouble === undefined ? 0 : 1);
  });
}
