import { joinable, joined } from '../../core/alert/engine/batch-parts.ts';
import { withoutForgotten } from '../../core/alert/engine/moved-sensors.ts';
import {
  type AlertBatch,
  type AlertNotification,
  EMPTY_ALERT_BATCH,
  type ShardFence,
} from '../../core/alert/model.ts';
import { FieldwatchError, codeOf, messageOf } from '../../core/errors.ts';
import type { Micros, Millis, RejectCode } from '../../core/reading.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Spool, SpoolAmount, SpooledReading, SpooledRecord } from '../../ports/spool.ts';
import type { ReadingStore, StoreOutcome } from '../../ports/store.ts';
import type { Clock } from '../../ports/time.ts';
import { forwardingTo } from '../alert/cluster/sharded-evaluator.ts';
import type { ArrivalClocks } from '../ingest/arrival-clocks.ts';
import {
  type AlertEvaluator,
  BatchCommit,
  type CommitOptions,
  SENSORS_CHANGED,
} from '../ingest/batch-commit.ts';
import { IngestBatch } from '../ingest/batch.ts';
import type { DeadLetterBudget } from '../ingest/dead-letter-budget.ts';
import type { OutageMonitor } from '../ingest/outage-monitor.ts';
import type { SensorRegistry } from '../ingest/sensor-registry.ts';

export interface SpoolReplayerOptions {
  /** Readings older than this are written in small transactions; undefined: none are. */
  readonly lateAfterMs: () => number | undefined;
  /** How far after its arrival the time of a reading may be. */
  readonly maxFutureMs?: (() => Millis) | undefined;
}

export interface SpoolReplayerDeps {
  readonly spool: Spool;
  readonly registry: SensorRegistry;
  /** A separate connection: the replay must not block live batches. */
  readonly store: ReadingStore;
  readonly clock: Clock;
  /** Corrects the time of what was stamped under a wrong clock. */
  readonly arrivalClocks?: Pick<ArrivalClocks, 'fixed' | 'corrected'> | undefined;
  readonly logger: Logger;
  readonly watch: OutageMonitor;
  readonly deadLetters?: DeadLetterBudget | undefined;
  /** Readings and dead letters that have left the spool. */
  readonly onSettled: (outcome: StoreOutcome, deadLetters: number) => void;
  /** Their alert rows are in the database now. */
  readonly onAlertsReplayed: (notifications: readonly AlertNotification[]) => void;
  /** In a share group, evaluations made while the database was away are dropped: their lines that are published. */
  readonly onDropped?: ((notified: readonly AlertNotification[]) => void) | undefined;
}

interface Times {
  readonly timeUs: Micros;
  readonly receivedAtMs: Millis;
}

interface Refusal {
  readonly reason: RejectCode;
  readonly detail: string;
}

/** The result of the oldest records of a lane: it survives failed attempts, so that nothing is counted twice. */
interface Load {
  readonly records: readonly SpooledRecord[];
  readonly batches: readonly IngestBatch[];
  /** The first of the batches is of late readings. */
  readonly late: boolean;
  /** In a share group: an earlier version evaluated them under it. */
  readonly fence: ShardFence | undefined;
}

/**
 * Limits of one transaction: whole records are joined up to these. Batches wait while alerts and unresolved readings are
 * committed. The bytes bound the memory: a record may be one large message, or the states of all sensors.
 */
const JOINED = {
  alerts: { records: 250, bytes: 2 * 1024 ** 2 },
  unresolved: { items: 500, bytes: 8 * 1024 ** 2 },
  readings: { items: 5000, bytes: 8 * 1024 ** 2 },
} as const satisfies Record<SpooledRecord['lane'], Partial<SpoolAmount>>;
/** Late readings of one transaction: each may make the server decompress, and live batches come in between. */
const LATE_ROWS = 500;
/** Attempts at a record that fails with an unclassified error, before it is set aside. */
const PARK_AFTER = 5;
const TIME_UNKNOWN = 'it has no time of its own, and the clock of this system was wrong when it arrived';
const FROM_THE_FUTURE = 'its time is after its arrival by more than time_window.max_future';
const NONE: StoreOutcome = { stored: 0, duplicate: 0, merged: 0, conflict: 0 };

/** Readings whose alerts were evaluated before they were spooled. */
const EVALUATED: AlertEvaluator = {
  prepare: async () => {},
  knows: () => true,
  evaluate: () => ({ batch: EMPTY_ALERT_BATCH, commit: () => {} }),
  publish: () => {},
  publishUnpersisted: () => {},
};

/** Stored with the rows, whether their lines are published: the alert log may be long, and another process may read them. */
const alertsOf = ({ alerts, notified }: SpooledRecord): AlertBatch =>
  notified
    ? { ...alerts, notifications: alerts.notifications.map((each) => ({ ...each, logged: true })) }
    : alerts;

/** An error that does not say when it ends: retrying without limit would be futile. */
export const isInexplicable = (error: unknown): boolean =>
  !(error instanceof FieldwatchError) || error.code === 'DB_UNKNOWN' || error.kind === 'bug';

/** The way out of the spool: commits the oldest records of a lane, and removes them. */
export class SpoolReplayer {
  private readonly options: SpoolReplayerOptions;
  private readonly deps: SpoolReplayerDeps;
  private readonly plain: BatchCommit;
  private readonly loads = new Map<'unresolved' | 'readings', Load>();
  private failures = { id: '', count: 0 };
  /** After an unclassified failure: one record at a time, so that only the bad one is set aside. */
  private single = 0;
  private damagedItems = 0;

  constructor(options: SpoolReplayerOptions, deps: SpoolReplayerDeps) {
    this.options = options;
    this.deps = deps;
    this.plain = new BatchCommit({ ...deps, alertManager: EVALUATED });
  }

  /** Evaluations made while the database was away. False: there are none. Rejects as a commit does. */
  async alerts(options: Pick<CommitOptions, 'signal' | 'onStep'> = {}): Promise<boolean> {
    const found = await this.oldest('alerts');
    const provisional = whileOf(found, isProvisional);
    if (provisional.length > 0) return this.drop(provisional);
    const lasting = whileOf(found, (record) => !isProvisional(record));
    const records = lasting.slice(0, joinable(lasting.map(({ alerts }) => alerts)));
    if (records.length === 0) return false;
    return this.attempt(records, async () => {
      const alerts = joined(records.map(alertsOf));
      await this.commitAlerts(alerts, options);
      await this.deps.spool.remove(records);
      this.single = Math.max(0, this.single - 1);
      this.deps.onAlertsReplayed(alerts.notifications);
    });
  }

  /** In a share group the readings are evaluated anew; lines that are published are not published again. */
  private async drop(records: readonly SpooledRecord[]): Promise<true> {
    const notified = records
      .filter((record) => record.notified)
      .flatMap(({ alerts }) => alerts.notifications);
    this.deps.onDropped?.(notified);
    await this.deps.spool.forgetWatermarks();
    await this.deps.spool.remove(records);
    return true;
  }

  /** They may have been evaluated before sensors were merged or forgotten. */
  private async commitAlerts(evaluated: AlertBatch, options: CommitOptions): Promise<void> {
    const { registry, store } = this.deps;
    const alerts = withoutForgotten(evaluated, registry.forgotten);
    const { sensorSeq } = registry;
    try {
      const batch = { readings: [], deadLetters: [], alerts, retry: true, sensorSeq };
      await store.commit(batch, options.signal, options.onStep);
    } catch (error) {
      if (codeOf(error) !== SENSORS_CHANGED) throw error;
      await registry.load();
      await this.commitAlerts(evaluated, options);
    }
  }

  /**
   * Readings that are still to be evaluated, here or elsewhere. `patient`: those of new sensors wait while registration
   * is limited (SENSOR_LIMIT).
   */
  unresolved(alertManager: AlertEvaluator, options: CommitOptions = {}): Promise<boolean> {
    return this.load('unresolved', new BatchCommit({ ...this.deps, alertManager }), alertManager, options);
  }

  /** All the others, and dead letters. */
  readings(signal?: AbortSignal): Promise<boolean> {
    return this.load('readings', this.plain, EVALUATED, { signal });
  }

  /** True while `unresolved` has work. */
  get hasPending(): boolean {
    return this.deps.spool.contents.lanes.unresolved.records > 0;
  }

  /** Nothing is to be written now: the connection may be one too many for the server, or for the role. */
  async rest(): Promise<void> {
    await this.deps.store.disconnect?.();
  }

  private async load(
    lane: 'unresolved' | 'readings',
    plain: BatchCommit,
    alertManager: AlertEvaluator,
    options: CommitOptions,
  ): Promise<boolean> {
    const { arrivalClocks } = this.deps;
    if (arrivalClocks !== undefined) await arrivalClocks.fixed();
    const load = this.loads.get(lane) ?? this.loadOf(await this.oldest(lane));
    if (load === undefined) return false;
    this.loads.set(lane, load);
    const { fence } = load;
    const commit =
      fence !== undefined
        ? new BatchCommit({ ...this.deps, alertManager: forwardingTo(fence.group) })
        : plain;
    return this.attempt(load.records, async () => {
      for (const batch of load.batches) {
        const small: CommitOptions = load.late && batch === load.batches[0] ? { most: LATE_ROWS } : {};
        commit.begin();
        const { notifications } = await commit.run(batch, { ...options, ...small });
        if (notifications.length > 0) alertManager.publish(notifications);
      }
      await this.deps.spool.remove(load.records);
      this.loads.delete(lane);
      this.single = Math.max(0, this.single - 1);
      for (const { written, deadLettered } of load.batches) this.deps.onSettled(written, deadLettered);
    });
  }

  private async oldest(lane: SpooledRecord['lane']): Promise<readonly SpooledRecord[]> {
    const { spool, onSettled } = this.deps;
    const records = await spool.oldest(lane, this.single > 0 ? { records: 1 } : JOINED[lane]);
    const damaged = spool.contents.damaged.items;
    // Kept aside as files: as much of a dead letter as damage allows.
    if (damaged > this.damagedItems) onSettled(NONE, damaged - this.damagedItems);
    this.damagedItems = damaged;
    return records;
  }

  /** As one batch, or two where some of it is late: first the late ones. Records of one era only. */
  private loadOf(found: readonly SpooledRecord[]): Load | undefined {
    const fence = found[0]?.alerts.fence;
    const records = whileOf(found, ({ alerts }) => alerts.fence?.era === fence?.era);
    if (records.length === 0) return undefined;
    const { registry, clock, deadLetters } = this.deps;
    const lateAfterMs = this.options.lateAfterMs();
    const horizonUs = lateAfterMs === undefined ? -Infinity : (clock.nowMs() - lateAfterMs) * 1000;
    const late = new IngestBatch(clock.monotonicMs(), deadLetters);
    const batch = new IngestBatch(clock.monotonicMs(), deadLetters);
    for (const { readings, deadLetters: letters, clock: era } of records) {
      for (const reading of readings) {
        const { key: device, location, gateway, metrics, message, stamped } = reading;
        const times = this.timesOf(reading, era);
        if ('reason' in times) {
          batch.addDeadLetter(message, times.reason, times.detail);
          continue;
        }
        const { timeUs, receivedAtMs } = times;
        const isLate = timeUs < horizonUs;
        const row = { device, timeUs, location, gateway, metrics, stamped };
        const sensor = registry.find(device) ?? registry.findById(reading.sensorId);
        (isLate ? late : batch).addReading(row, message, receivedAtMs, sensor);
      }
      batch.deadLetters.push(...letters);
    }
    if (late.rows === 0) return { records, batches: [batch], late: false, fence };
    return { records, batches: [late, batch], late: true, fence };
  }

  /**
   * The time of the reading and of its arrival by the right clock, or why they are unknown. Only arrival-based times move
   * with the arrival: those stamped with it, and those relative to it (SenML). A time of its own is checked here where the
   * arrival was by a clock that may have been wrong.
   */
  private timesOf(
    { timeUs, stamped, receivedAtMs, message: { arrivalUs } }: SpooledReading,
    era: string | undefined,
  ): Times | Refusal {
    const { arrivalClocks } = this.deps;
    if (arrivalClocks === undefined || arrivalUs === undefined) return { timeUs, receivedAtMs };
    const moves = stamped ?? timeUs === arrivalUs;
    const rightUs = arrivalClocks.corrected(era, arrivalUs);
    if (rightUs === undefined)
      return moves ? { reason: 'time_unknown', detail: TIME_UNKNOWN } : { timeUs, receivedAtMs };
    const aheadUs = rightUs - arrivalUs;
    const rightMs = receivedAtMs + aheadUs / 1000;
    if (moves) return { timeUs: timeUs + aheadUs, receivedAtMs: rightMs };
    const { maxFutureMs } = this.options;
    return era !== undefined && maxFutureMs !== undefined && timeUs > rightUs + maxFutureMs() * 1000
      ? { reason: 'time_out_of_range', detail: FROM_THE_FUTURE }
      : { timeUs, receivedAtMs: rightMs };
  }

  /** True once it is done, or set aside; rejects while a retry may succeed. */
  private async attempt(records: readonly SpooledRecord[], run: () => Promise<void>): Promise<true> {
    const [first] = records;
    try {
      await run();
      return true;
    } catch (error) {
      if (first === undefined || !isInexplicable(error)) throw error;
      if (records.length > 1) this.splitUp(records.length);
      else if (this.failedOften(first.id)) {
        await this.park(first, error);
        return true;
      }
      throw error;
    }
  }

  private splitUp(records: number): void {
    this.single = records;
    // What was already written of it is written again, and found to be present.
    this.loads.clear();
  }

  private failedOften(id: string): boolean {
    this.failures = { id, count: id === this.failures.id ? this.failures.count + 1 : 1 };
    return this.failures.count >= PARK_AFTER;
  }

  private async park(record: SpooledRecord, error: unknown): Promise<void> {
    await this.deps.spool.park(record);
    this.loads.clear();
    const { lane, readings, deadLetters } = record;
    this.deps.logger.error(
      {
        code: codeOf(error),
        error: messageOf(error),
        lane,
        items: readings.length + deadLetters.length,
        remedy: error instanceof FieldwatchError ? error.remedy : undefined,
      },
      'spool: record set aside, retrying at the next start',
    );
  }
}

const isProvisional = ({ alerts }: SpooledRecord): boolean => alerts.fence !== undefined;

function whileOf<T>(all: readonly T[], holds: (one: T) => boolean): readonly T[] {
  const end = all.findIndex((one) => !holds(one));
  return end === -1 ? all : all.slice(0, end);
}
