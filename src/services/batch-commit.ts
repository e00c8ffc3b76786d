import { MOST_VALUES } from '../core/batch.ts';
import { FieldwatchError, messageOf } from '../core/errors.ts';
import type { AlertNotification } from '../core/alert/model.ts';
import { LeaseLost } from '../core/alert/shards/lease-lost.ts';
import { isAvailability } from '../core/reading.ts';
import type { Logger, ReadingStore, RowRefused, StoreBatch, StoreOutcome } from '../ports.ts';
import { unlessAborted } from './abort.ts';
import type { DeadLetterBudget } from './dead-letter-budget.ts';
import { conflictLetters } from './dead-letter.ts';
import type { Evaluation } from './alerting.ts';
import type { IntakeBatch, IntakeRow, ResolvedRow } from './intake-batch.ts';
import type { SensorRegistry } from './sensor-registry.ts';
import { Shrinking, tooBig } from './shrinking.ts';
import { codeOf, type StoreWatch } from './store-health.ts';

/** A committed batch, and the alert lines that may leave now. */
export type WriteOutcome = StoreOutcome & { readonly notifications: readonly AlertNotification[] };

/** What is asked of the alert engine; `Alerting` is it. */
export interface AlertEvaluator {
  /** Fetches what the engine must know of sensors it has not seen since the start. */
  prepare(rows: readonly ResolvedRow[], signal?: AbortSignal): Promise<void>;
  /** True of a sensor that needs no fetching. */
  knows(sensorId: number): boolean;
  /**
   * What these readings do to the alerts; nothing is remembered until `adopt`. `stored`: in the same transaction. `onStep` is
   * called now and then where it takes long.
   */
  evaluate(
    rows: readonly ResolvedRow[],
    stored?: boolean,
    onStep?: () => void,
  ): Evaluation | Promise<Evaluation>;
  /** Sends what is committed to the alert log and the sinks. */
  announce(notifications: readonly AlertNotification[]): void;
  /**
   * The same for what is on this machine's disk only; `announce` follows with the commit, and tells nothing twice. Resolves
   * once the lines are out.
   */
  announceUnpersisted(notifications: readonly AlertNotification[]): void | Promise<void>;
  /** The change of sensors that the engine knows of; absent of what evaluates nothing. */
  readonly sensorSeq?: number | undefined;
  /** Sensors were renamed, merged or forgotten: what is known of them is read again. */
  sensorsChanged?(registry: SensorRegistry): Promise<void>;
  /** Other members of the share group own these shards: what was evaluated of them here cannot be written any more. */
  lost?(shards: readonly number[]): void;
}

export interface BatchCommitDeps {
  readonly registry: SensorRegistry;
  readonly alerting: AlertEvaluator;
  readonly store: ReadingStore;
  readonly logger: Logger;
  readonly watch: StoreWatch;
  readonly deadLetters?: DeadLetterBudget | undefined;
  /** Takes readings out of the way that the database takes slowly: keeps them safe on disk, and marks them `spooled`. */
  readonly setLateAside?: ((batch: IntakeBatch) => Promise<void>) | undefined;
}

export interface CommitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Rows of one transaction at most. */
  readonly most?: number | undefined;
  /** Rejects with SENSOR_LIMIT where readings of new sensors would be refused that may register a minute later. */
  readonly patient?: boolean | undefined;
  /** Called at each step, and with each answer: the database has the batch in hand. */
  readonly onStep?: (() => void) | undefined;
}

const SENSOR_LIMIT = {
  code: 'SENSOR_LIMIT',
  kind: 'transient',
  remedy: 'Raise sensors.max_new_per_minute if so many new sensors are expected.',
} as const;

type Result =
  | Awaited<ReturnType<ReadingStore['commit']>>
  | { readonly kind: 'again' }
  | { readonly kind: 'sensors_changed' };

/** How the store says that sensors were renamed, merged or forgotten since they were looked up. */
export const SENSORS_CHANGED = 'SENSORS_CHANGED';

/** One attempt to write a batch: registers, evaluates, commits. What it wrote before it failed is gone from the batch. */
export class BatchCommit {
  private readonly deps: BatchCommitDeps;
  private readonly shrinking = new Shrinking();

  constructor(deps: BatchCommitDeps) {
    this.deps = deps;
  }

  /** A new batch begins. */
  begin(): void {
    this.shrinking.begin();
  }

  /** All of the batch, in one transaction unless the database wants smaller ones. */
  async run(batch: IntakeBatch, options: CommitOptions = {}): Promise<WriteOutcome> {
    const { alerting, registry, setLateAside } = this.deps;
    const { most = Infinity } = options;
    await this.prepare(batch, options);
    await setLateAside?.(batch);
    while (batch.rowList.length > 0 || batch.deadLetters.length > 0) {
      const rows = atMost(this.shrinking.piece(batch.rowList as ResolvedRow[]), most);
      const last = rows.length === batch.rowList.length;
      // Evaluated anew after a refused row: a reading that is not stored raises no alert.
      const evaluation = await alerting.evaluate(rows, true, options.onStep);
      const readings = rows.some((row) => row.spooled) ? rows.filter((row) => !row.spooled) : rows;
      const write: StoreBatch = {
        readings,
        // With the last piece: until then an attempt that fails leaves a batch that is whole in itself.
        deadLetters: last ? batch.deadLetters : [],
        alerts: evaluation.batch,
        retry: batch.retry,
        sensorSeq: knownSeq(registry, alerting),
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
      evaluation.adopt();
      batch.settle(rows.length, result);
      const { notifications } = evaluation.batch;
      if (last) return { ...batch.written, notifications };
      if (notifications.length > 0) alerting.announce(notifications);
    }
    return { ...batch.written, notifications: [] };
  }

  private async prepare(batch: IntakeBatch, options: CommitOptions): Promise<void> {
    const { signal } = options;
    const { registry } = this.deps;
    // Looked up on arrival, and gone since: another batch has found that out.
    if (batch.rowList.some((row) => registry.gone.has(row.sensorId)))
      batch.lookUpAgain((key) => registry.find(key));
    await unlessAborted(this.resolveSensors(batch, options), signal);
    if (batch.rowList.length === 0) return;
    await unlessAborted(this.deps.alerting.prepare(batch.rowList as ResolvedRow[], signal), signal);
  }

  /** The readings of the batch belong to whatever their keys lead to now. */
  private async learnSensors(batch: IntakeBatch, options: CommitOptions): Promise<void> {
    const { registry, alerting } = this.deps;
    await unlessAborted(learnSensors(registry, alerting), options.signal);
    batch.lookUpAgain((key) => registry.find(key));
    await this.prepare(batch, options);
  }

  private async commit(batch: IntakeBatch, write: StoreBatch, options: CommitOptions): Promise<Result> {
    options.onStep?.();
    try {
      return await this.deps.store.commit(write, options.signal, options.onStep);
    } catch (error) {
      // Rolled back before anything was written.
      if (codeOf(error) === SENSORS_CHANGED) return { kind: 'sensors_changed' };
      if (error instanceof LeaseLost) {
        // Rolled back; in the next attempt it is handed over.
        this.deps.alerting.lost?.(error.shards);
        return { kind: 'again' };
      }
      const sqlstate = tooBig(error);
      if (sqlstate === undefined) {
        batch.retry = true;
        throw error;
      }
      return this.shrink(batch, write.readings as readonly IntakeRow[], sqlstate, error);
    }
  }

  /** Rolled back for its size: a smaller piece next, or one row less. Without readings there is nothing to make smaller. */
  private shrink(
    batch: IntakeBatch,
    rows: readonly IntakeRow[],
    sqlstate: string,
    error: unknown,
  ): { kind: 'again' } {
    if (rows.length === 0) throw error;
    this.deps.watch.count(error);
    if (this.shrinking.shrink(rows.length)) {
      batch.groupBySensor();
      this.deps.logger.debug(
        { code: codeOf(error), rows: rows.length },
        'too much for one transaction; tried again in smaller pieces',
      );
    } else {
      this.refuse(batch, rows, [{ index: 0, sqlstate, message: messageOf(error) }]);
    }
    return { kind: 'again' };
  }

  private refuse(
    batch: IntakeBatch,
    rows: readonly IntakeRow[],
    found: readonly Pick<RowRefused, 'index' | 'sqlstate' | 'message'>[],
  ): void {
    const refused = new Map<IntakeRow, { readonly reason: string; readonly detail: string }>();
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

  private async resolveSensors(batch: IntakeBatch, { signal, patient }: CommitOptions): Promise<void> {
    if (batch.unknown.size === 0 && !batch.seekSensor) return;
    const { registry } = this.deps;
    const refused = await registry.resolve(batch.unknown.values());
    if (batch.seekSensor)
      await registry.learn(batch.rowList.filter(isWithoutSensor(registry)).map(({ key }) => key));
    // Nobody waits any more: the batch has gone another way.
    if (signal?.aborted === true) return;
    if (patient === true && registry.admitsLater && [...refused.values()].includes('sensor_limit'))
      throw new FieldwatchError(
        'new sensors have to wait: sensors.max_new_per_minute is used up',
        SENSOR_LIMIT,
      );
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
const isWithoutSensor = (registry: SensorRegistry) => (row: IntakeRow) =>
  row.sensor === undefined && isAvailability(row) && registry.find(row.key) === undefined;

/** What both know of. */
export const knownSeq = (registry: SensorRegistry, { sensorSeq = Infinity }: AlertEvaluator): number =>
  Math.min(registry.sensorSeq, sensorSeq);

/** After a change of sensors, where nothing is being evaluated. */
export async function learnSensors(registry: SensorRegistry, alerting: AlertEvaluator): Promise<void> {
  await registry.load();
  await alerting.sensorsChanged?.(registry);
}

/** As many rows as hold so many values, one at least; the array itself if it may be all. */
function atMost(rows: ResolvedRow[], most: number): ResolvedRow[] {
  let values = 0;
  const end = rows.findIndex(({ metrics }, at) => at >= most || (values += metrics.size) > MOST_VALUES);
  return end === -1 ? rows : rows.slice(0, Math.max(1, end));
}
