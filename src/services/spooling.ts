import { randomUUID } from 'node:crypto';
import { NO_WATERMARKS, type Watermarks } from '../core/alert/watermarks.ts';
import { FieldwatchError, messageOf } from '../core/errors.ts';
import { partsOf } from '../core/alert/parts.ts';
import { EMPTY_ALERT_BATCH, type AlertBatch } from '../core/alert/model.ts';
import { itemsOfRecord, SPOOL_LANES } from '../ports.ts';
import type {
  Clock,
  Logger,
  Metrics,
  Spool,
  SpoolLane,
  SpooledMessage,
  SpooledReading,
  SpooledRecord,
  SpoolRecord,
} from '../ports.ts';
import type { Evaluation } from './alerting.ts';
import type { ArrivalClocks } from './arrival-clocks.ts';
import type { AlertEvaluator } from './batch-commit.ts';
import type { IntakeBatch, IntakeRow, LetterSource, ResolvedRow } from './intake-batch.ts';
import type { SensorRegistry } from './sensor-registry.ts';
import { codeOf } from './store-health.ts';
import { exportSpool } from './spool-metrics.ts';

export interface SpoolingDeps {
  readonly spool: Spool;
  readonly alerting: AlertEvaluator;
  readonly registry: Pick<SensorRegistry, 'find'>;
  readonly clock: Clock;
  /** Knows under which clock arrivals are stamped now. */
  readonly arrivalClocks?: Pick<ArrivalClocks, 'name' | 'era'> | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Why the spool takes no more. */
export interface SpoolTrouble {
  readonly code: string;
  readonly message: string;
}

/** How the spool is, for whoever asks. */
export interface SpoolHealth {
  /** Batches go there now, and it takes them. */
  readonly keeps: boolean;
  readonly trouble: SpoolTrouble | undefined;
  /** Waiting for the database. */
  readonly items: number;
  /** Records that were set aside. */
  readonly parked: number;
}

/**
 * The way into the spool. While it is `active` all batches go there: what the alert engine made of them is in its memory
 * and in the spool only, so nothing may be written to the database past it until it is settled (`Draining`).
 */
export class Spooling {
  private readonly deps: SpoolingDeps;
  private readonly appended;
  private isActive = false;
  private isBlind = false;
  private lastTrouble: SpoolTrouble | undefined;
  /** Devices of which readings wait unevaluated: what follows of them has to wait behind. */
  private readonly waiting = new Set<string>();
  private tail: Promise<unknown> = Promise.resolve();
  private readonly listeners: (() => void)[] = [];

  constructor(deps: SpoolingDeps) {
    this.deps = deps;
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
   * Nothing is evaluated: the alert state of the last run is not read yet, or readings that come before what arrives
   * now wait unevaluated, and nobody knows of which devices.
   */
  get blind(): boolean {
    return this.isBlind;
  }

  /** Set while what should be spooled cannot be: it is held, unacknowledged. */
  get trouble(): SpoolTrouble | undefined {
    return this.lastTrouble;
  }

  get health(): SpoolHealth {
    const { lanes, parked } = this.contents;
    const items = SPOOL_LANES.reduce((sum, lane) => sum + lanes[lane].items, 0);
    const trouble = this.lastTrouble;
    return { keeps: this.isActive && trouble === undefined, trouble, items, parked: parked.records };
  }

  /** Readings of the device wait here unevaluated, and what follows of it has to wait behind: under each key of its sensor. */
  holds(device: string): boolean {
    if (this.isBlind || this.waiting.has(device)) return true;
    if (this.waiting.size === 0) return false;
    const sensor = this.deps.registry.find(device);
    const aliases = sensor?.aliases ?? [];
    // Nearly always there is none.
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
    this.deps.logger.warn({}, 'the database is away: messages go to the spool');
    this.changed();
  }

  /** At a start, before the first batch: all readings wait unevaluated. */
  beginBlind(): void {
    this.isActive = true;
    this.isBlind = true;
    this.changed();
  }

  /**
   * Back to the database, once `settle` has found nothing left that must come before. No batch gets in between: what was
   * appended before this call is there for `settle` to find, and what comes later goes to the database.
   */
  end(settle: () => Promise<void>): Promise<void> {
    return this.inTurn(async () => {
      await settle();
      this.isActive = false;
      this.isBlind = false;
      this.lastTrouble = undefined;
      this.waiting.clear();
      const { readings } = this.contents.lanes;
      this.deps.logger.info({ items: readings.items }, 'the spool drains to the database');
      this.changed();
    });
  }

  /** True once all of the batch is on disk; its alert lines are out then. False: try elsewhere, or later. */
  keep(batch: IntakeBatch): Promise<boolean> {
    return this.whileActive(async () => {
      const [known, unknown] = this.divide(batch.rowList);
      // Blind, the engine is left alone: it may be in the middle of being loaded.
      const evaluation = this.isBlind ? undefined : await this.deps.alerting.evaluate(known, false);
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

  /** The same for what readings did not cause: time, or new rules. */
  keepAlerts(evaluate: () => Evaluation): Promise<boolean> {
    return this.whileActive(async () => {
      const evaluation = evaluate();
      return this.append(alertRecord(evaluation.batch), evaluation);
    });
  }

  /** Readings that drain on their own, whatever becomes of their batch. */
  keepLate(rows: readonly IntakeRow[], batch: IntakeBatch): Promise<boolean> {
    return this.inTurn(async () => {
      const kept = await this.append(record('readings', { readings: spooledRows(rows, batch) }), undefined);
      if (kept) this.changed();
      return kept;
    });
  }

  /** With no evaluation of a batch in between: the engine does one at a time. */
  exclusive<T>(run: () => Promise<T>): Promise<T> {
    return this.inTurn(run);
  }

  private divide(rows: readonly IntakeRow[]): readonly [ResolvedRow[], IntakeRow[]] {
    const { alerting, registry } = this.deps;
    const known: ResolvedRow[] = [];
    const unknown: IntakeRow[] = [];
    for (const row of rows) {
      // It may have been registered since: then rows of one device that came before and after go the same way, in order.
      row.sensor ??= registry.find(row.key);
      row.sensorId = row.sensor?.id ?? 0;
      if (row.sensor !== undefined && alerting.knows(row.sensor.id) && !this.holds(row.key))
        known.push(row as ResolvedRow);
      else unknown.push(row);
    }
    return [known, unknown];
  }

  private async append(records: SpoolRecord[], evaluation: Evaluation | undefined): Promise<boolean> {
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
    this.lastTrouble = undefined;
    this.appended.inc(records.reduce((sum, each) => sum + itemsOfRecord(each), 0));
    evaluation?.adopt();
    const notifications = evaluation?.batch.notifications ?? [];
    if (notifications.length === 0) return true;
    await this.deps.alerting.announceUnpersisted(notifications);
    // Where it cannot be noted, the lines come once more after a restart.
    for (const record of appended)
      if (record.alerts.notifications.length > 0)
        await this.deps.spool.markTold(record).catch(() => undefined);
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
    const code = codeOf(error);
    if (this.lastTrouble?.code !== code)
      this.deps.logger.error(
        { code, err: error, remedy: error instanceof FieldwatchError ? error.remedy : undefined },
        'cannot write to the spool; messages are held unacknowledged, QoS 0 is dropped',
      );
    this.lastTrouble = { code, message: messageOf(error) };
  }

  private whileActive(run: () => Promise<boolean>): Promise<boolean> {
    return this.inTurn(async () => {
      if (!this.isActive) return false;
      try {
        return await run();
      } catch (error) {
        // A fault of the evaluation: the way to the database will say so.
        this.refused(error);
        return false;
      }
    });
  }

  private inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.tail.then(run);
    this.tail = result.catch(() => undefined);
    return result;
  }

  private changed(): void {
    for (const listener of this.listeners) listener();
  }
}

/** Of one record: it is made, and read back, in one turn of the event loop. */
const MOST_ALERT_ROWS = 2000;

function record(lane: SpoolLane, part: Partial<SpoolRecord>): SpoolRecord[] {
  const { readings = [], deadLetters = [], alerts = EMPTY_ALERT_BATCH } = part;
  if (readings.length + deadLetters.length === 0 && lane !== 'alerts') return [];
  return [{ lane, id: randomUUID(), readings, deadLetters, alerts }];
}

/** Of what is evaluated anew it says which lines are out. */
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
function spooledRows(rows: readonly IntakeRow[], batch: IntakeBatch): SpooledReading[] {
  const messages = new Map<LetterSource, SpooledMessage>();
  return rows.map(({ key, sensorId, timeUs, receivedAtMs, stamped, metrics, message: source }) => {
    let message = messages.get(source);
    if (message === undefined) {
      const { topic, payload, arrivalUs, dup, retain } = source;
      message = { topic, payload, receivedAtMs: source.receivedAtMs, arrivalUs, dup, retain };
      messages.set(source, message);
    }
    const location = batch.unknown.get(key)?.location;
    return { key, location, sensorId, timeUs, receivedAtMs, stamped, metrics, message };
  });
}
