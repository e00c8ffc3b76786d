import { LeaseLost } from '../../core/alert/cluster/shard-lease.ts';
import type { AlertNotification } from '../../core/alert/model.ts';
import { codeOf, FieldwatchError, messageOf } from '../../core/errors.ts';
import { MOST_STORED_VALUES, MOST_VALUES } from '../../core/ingest/batch-limits.ts';
import { isAvailability } from '../../core/reading.ts';
import { unlessAborted } from '../../lib/timeout.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { ReadingStore, RowRefused, StoreBatch, StoreOutcome } from '../../ports/store.ts';
import type { EvaluatedBatch } from '../alert/evaluation.ts';
import type { IngestBatch, IngestRow, ResolvedRow } from './batch.ts';
import type { DeadLetterBudget } from './dead-letter-budget.ts';
import { conflictLetters } from './dead-letter.ts';
import type { OutageMonitor } from './outage-monitor.ts';
import type { SensorRegistry } from './sensor-registry.ts';

/** A committed batch, and the alert lines that may be published now. */
export type WriteOutcome = StoreOutcome & { readonly notifications: readonly AlertNotification[] };

/** The alert engine, as the batch writer uses it; `AlertManager` implements it. */
export interface AlertEvaluator {
  /** False where readings are only stored: no alerts, and nothing handed over. Default true. */
  readonly evaluates?: boolean | undefined;
  /** Fetches the sensors that the engine has not seen since the start. */
  prepare(rows: readonly ResolvedRow[], signal?: AbortSignal): Promise<void>;
  /** True of a sensor that needs no fetching. */
  knows(sensorId: number): boolean;
  /**
   * Evaluates these readings; nothing is remembered until `commit`. `stored`: in the same transaction. `onStep` is called
   * now and then during a long evaluation.
   */
  evaluate(
    rows: readonly ResolvedRow[],
    stored?: boolean,
    onStep?: () => void,
  ): EvaluatedBatch | Promise<EvaluatedBatch>;
  /** Publishes what is committed to the alert log and the sinks. */
  publish(notifications: readonly AlertNotification[]): void;
  /** Waits while what was published is not yet logged and queued; undefined: there is nothing to wait for. */
  room?(): Promise<void> | undefined;
  /**
   * Publishes what is on this machine's disk only; `publish` follows with the commit, and publishes nothing twice.
   * Resolves once the lines are written.
   */
  publishUnpersisted(notifications: readonly AlertNotification[]): void | Promise<void>;
  /** The sensor change counter that the engine has; absent of an evaluator that does nothing. */
  readonly sensorSeq?: number | undefined;
  /** Sensors were renamed, merged or forgotten: they are read again. */
  sensorsChanged?(registry: SensorRegistry): Promise<void>;
  /** Other members of the share group own these shards: evaluations of them made here cannot be written any more. */
  lost?(shards: readonly number[]): void;
}

export interface BatchCommitDeps {
  readonly registry: SensorRegistry;
  readonly alertManager: AlertEvaluator;
  readonly store: ReadingStore;
  readonly logger: Logger;
  readonly watch: OutageMonitor;
  readonly deadLetters?: DeadLetterBudget | undefined;
  /** Diverts readings that the database writes slowly: keeps them safe on disk, and marks them `spooled`. */
  readonly setLateAside?: ((batch: IngestBatch) => Promise<void>) | undefined;
}

export interface CommitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Rows of one transaction at most. */
  readonly most?: number | undefined;
  /** Rejects with SENSOR_LIMIT where readings of new sensors would be refused that may register a minute later. */
  readonly patient?: boolean | undefined;
  /** Called at each step, and with each answer: the database is working on the batch. */
  readonly onStep?: (() => void) | undefined;
}

const SENSOR_LIMIT = {
  code: 'SENSOR_LIMIT',
  kind: 'transient',
  remedy: 'Raise sensors.max_new_per_minute if these sensors are expected.',
} as const;

type Result =
  | Awaited<ReturnType<ReadingStore['commit']>>
  | { readonly kind: 'again' }
  | { readonly kind: 'sensors_changed' };

/** How the store reports that sensors were renamed, merged or forgotten since they were looked up. */
export const SENSORS_CHANGED = 'SENSORS_CHANGED';

/** One attempt to write a batch: registers, evaluates, commits. Rows written before a failure are removed from the batch. */
export class BatchCommit {
  private readonly deps: BatchCommitDeps;
  private readonly splitter = new BatchSplitter();

  constructor(deps: BatchCommitDeps) {
    this.deps = deps;
  }

  /** A new batch begins. */
  begin(): void {
    this.splitter.begin();
  }

  /** All of the batch, in one transaction unless the database requires smaller ones. */
  async run(batch: IngestBatch, options: CommitOptions = {}): Promise<WriteOutcome> {
    const { alertManager, registry, setLateAside } = this.deps;
    const { most = Infinity } = options;
    await this.prepare(batch, options);
    await setLateAside?.(batch);
    while (batch.rowList.length > 0 || batch.deadLetters.length > 0) {
      const mostValues = alertManager.evaluates === false ? MOST_STORED_VALUES : MOST_VALUES;
      const rows = atMost(this.splitter.piece(batch.rowList as ResolvedRow[]), most, mostValues);
      const last = rows.length === batch.rowList.length;
      // Evaluated anew after a refused row: a reading that is not stored raises no alert.
      const evaluation = await alertManager.evaluate(rows, true, options.onStep);
      const readings = rows.some((row) => row.spooled) ? rows.filter((row) => !row.spooled) : rows;
      const write: StoreBatch = {
        readings,
        // With the last piece: until then a failed attempt leaves a complete batch.
        deadLetters: last ? batch.deadLetters : [],
        alerts: evaluation.batch,
        retry: batch.retry,
        sensorSeq: knownSeq(registry, alertManager),
        keepConflicts: (conflicts) => conflictLetters(readings, conflicts, this.deps.deadLetters),
      };
      const result = await this.commit(batch, write, options);
      if (result.kind === 'sensors_changed') {
        await this.learnSensors(batch, options);
        continue;
      }
      if (result.kind === 'again') continue;
      if (result.kind === 'row_refused') {
        this.refuse(batch, readings, [result, ...(result.others ?? [])]);
        continue;
      }
      evaluation.commit();
      batch.recordOutcome(rows.length, result);
      const { notifications } = evaluation.batch;
      if (last) return { ...batch.written, notifications };
      if (notifications.length > 0) alertManager.publish(notifications);
    }
    return { ...batch.written, notifications: [] };
  }

  private async prepare(batch: IngestBatch, options: CommitOptions): Promise<void> {
    const { signal } = options;
    const { registry } = this.deps;
    // Looked up on arrival, and deleted since: another batch has found that out.
    if (batch.rowList.some((row) => registry.forgotten.has(row.sensorId)))
      batch.resolveAgain((key) => registry.find(key));
    await unlessAborted(this.resolveSensors(batch, options), signal);
    if (batch.rowList.length === 0) return;
    await unlessAborted(this.deps.alertManager.prepare(batch.rowList as ResolvedRow[], signal), signal);
  }

  /** The readings of the batch belong to the sensors that their keys resolve to now. */
  private async learnSensors(batch: IngestBatch, options: CommitOptions): Promise<void> {
    const { registry, alertManager } = this.deps;
    await unlessAborted(learnSensors(registry, alertManager), options.signal);
    batch.resolveAgain((key) => registry.find(key));
    await this.prepare(batch, options);
  }

  private async commit(batch: IngestBatch, write: StoreBatch, options: CommitOptions): Promise<Result> {
    options.onStep?.();
    try {
      return await this.deps.store.commit(write, options.signal, options.onStep);
    } catch (error) {
      // Rolled back before anything was written.
      if (codeOf(error) === SENSORS_CHANGED) return { kind: 'sensors_changed' };
      if (error instanceof LeaseLost) {
        // Rolled back; in the next attempt it is handed over.
        this.deps.alertManager.lost?.(error.shards);
        return { kind: 'again' };
      }
      const sqlstate = tooBig(error);
      if (sqlstate === undefined) {
        batch.retry = true;
        throw error;
      }
      return this.split(batch, write.readings as readonly IngestRow[], sqlstate, error);
    }
  }

  /** Rolled back for its size: a smaller piece next, or one row less. Without readings there is nothing to make smaller. */
  private split(
    batch: IngestBatch,
    rows: readonly IngestRow[],
    sqlstate: string,
    error: unknown,
  ): { kind: 'again' } {
    if (rows.length === 0) throw error;
    this.deps.watch.count(error);
    if (this.splitter.split(rows.length)) {
      batch.groupBySensor();
      this.deps.logger.debug(
        { code: codeOf(error), rows: rows.length },
        'batch exceeds one transaction, retrying in smaller pieces',
      );
    } else {
      this.refuse(batch, rows, [{ index: 0, sqlstate, message: messageOf(error) }]);
    }
    return { kind: 'again' };
  }

  private refuse(
    batch: IngestBatch,
    rows: readonly IngestRow[],
    found: readonly Pick<RowRefused, 'index' | 'sqlstate' | 'message'>[],
  ): void {
    const refused = new Map<IngestRow, { readonly reason: string; readonly detail: string }>();
    for (const { index, sqlstate, message } of found) {
      const row = rows[index];
      if (row !== undefined) refused.set(row, { reason: sqlstate, detail: message });
    }
    const [first] = refused;
    if (first === undefined) return;
    const [{ message }, { reason: sqlstate, detail: error }] = first;
    this.deps.watch.refused(refused.size, { sqlstate, error, topic: message.topic });
    batch.refuse(refused);
  }

  private async resolveSensors(batch: IngestBatch, { signal, patient }: CommitOptions): Promise<void> {
    if (batch.unknown.size === 0 && !batch.seekSensor) return;
    const { registry } = this.deps;
    const refused = await registry.resolve(batch.unknown.values());
    if (batch.seekSensor)
      await registry.learn(batch.rowList.filter(isWithoutSensor(registry)).map(({ key }) => key));
    // The caller has given up: the batch has gone another way.
    if (signal?.aborted === true) return;
    if (patient === true && registry.admitsLater && [...refused.values()].includes('sensor_limit'))
      throw new FieldwatchError('new sensors deferred: sensors.max_new_per_minute reached', SENSOR_LIMIT);
    const kept = [];
    for (const row of batch.rowList) {
      const sensor = row.sensor ?? registry.find(row.key);
      if (sensor !== undefined) {
        row.sensor = sensor;
        row.sensorId = sensor.id;
        kept.push(row);
      } else if (isAvailability(row)) {
        registry.noteUnregistered(row.key);
      } else {
        batch.reject(row, refused.get(row.key) ?? 'sensor_unstorable', `device ${row.key}`);
      }
    }
    batch.rowList = kept;
    batch.unknown.clear();
    batch.seekSensor = false;
  }
}

/** Another daemon may have registered it. */
const isWithoutSensor = (registry: SensorRegistry) => (row: IngestRow) =>
  row.sensor === undefined && isAvailability(row) && registry.find(row.key) === undefined;

/** The change that both have. */
export const knownSeq = (registry: SensorRegistry, { sensorSeq = Infinity }: AlertEvaluator): number =>
  Math.min(registry.sensorSeq, sensorSeq);

/** After a change of sensors, where nothing is being evaluated. */
export async function learnSensors(registry: SensorRegistry, alertManager: AlertEvaluator): Promise<void> {
  await registry.load();
  await alertManager.sensorsChanged?.(registry);
}

/** As many rows as hold this many values, at least one; the array itself if that is all. */
function atMost(rows: ResolvedRow[], most: number, mostValues: number): ResolvedRow[] {
  let values = 0;
  const end = rows.findIndex(({ metrics }, at) => at >= most || (values += metrics.size) > mostValues);
  return end === -1 ? rows : rows.slice(0, Math.max(1, end));
}

/** How an adapter reports that the statement was too large for the server: rolled back, and futile to send again as it is. */
const TOO_BIG = 'DB_BATCH_TOO_BIG';

/** The SQLSTATE (or our code) of a batch that was too big; undefined of every other error. */
export function tooBig(error: unknown): string | undefined {
  if (!(error instanceof FieldwatchError) || error.code !== TOO_BIG) return undefined;
  const sqlstate = (error.cause as { readonly code?: unknown } | undefined)?.code;
  return typeof sqlstate === 'string' ? sqlstate : TOO_BIG;
}

/**
 * How many readings go into one transaction. All of a batch, until the database refuses it for its size: TimescaleDB
 * limits how many compressed rows one statement may decompress (SQLSTATE 53400), and rows that are filled in late reach
 * that limit. Then half of it, and half again, down to one row. The size that passed is kept for the rest of the batch;
 * the next batch may have twice as much, so that one late batch does not slow down all that follow.
 */
export class BatchSplitter {
  private most = Number.POSITIVE_INFINITY;

  /** A new batch begins. */
  begin(): void {
    this.most *= 2;
  }

  /** Rows of the next transaction: `rows` itself if it may take all. */
  piece<T>(rows: T[]): T[] {
    return rows.length <= this.most ? rows : rows.slice(0, this.most);
  }

  /** This many rows were too many. False where nothing smaller is left to try. */
  split(rows: number): boolean {
    if (rows <= 1) return false;
    this.most = Math.ceil(rows / 2);
    return true;
  }
}
