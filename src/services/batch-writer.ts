import { backoffMs, type BackoffLimits } from '../core/backoff.ts';
import { FieldwatchError, messageOf } from '../core/errors.ts';
import type { AlertNotification } from '../core/alert/model.ts';
import type { Clock, Logger, Metrics, ReadingStore, RowRefused, StoreBatch, StoreOutcome } from '../ports.ts';
import type { Evaluation } from './alerting.ts';
import type { IntakeBatch, ResolvedRow } from './intake-batch.ts';
import type { SensorRegistry } from './sensor-registry.ts';
import { Shrinking, tooBig } from './shrinking.ts';

/** A committed batch, and the alert lines that may leave now. */
export type WriteOutcome = StoreOutcome & { readonly notifications: readonly AlertNotification[] };

/** What the writer asks of the alert engine; `Alerting` is it. */
export interface AlertEvaluator {
  /** Fetches what the engine must know of sensors it has not seen since the start. */
  prepare(rows: readonly ResolvedRow[]): Promise<void>;
  /** What these readings do to the alerts; nothing is remembered until `adopt`. */
  evaluate(rows: readonly ResolvedRow[]): Evaluation;
  /** Sends what is committed to the alert log and the sinks. */
  announce(notifications: readonly AlertNotification[]): void;
}

export interface BatchWriterDeps {
  readonly registry: SensorRegistry;
  readonly alerting: AlertEvaluator;
  readonly store: ReadingStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly random: () => number;
}

/** Whether the database takes what we write. */
export type StoreHealth =
  | { readonly state: 'ok' }
  | { readonly state: 'failing'; readonly code: string; readonly message: string; readonly sinceMs: number };

const COMMIT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Writes one batch, however long the database stays away: registers, evaluates, commits, tries again. */
export class BatchWriter {
  private readonly backoff: BackoffLimits;
  private readonly deps: BatchWriterDeps;
  private readonly seconds;
  private readonly rows;
  private readonly failures;
  private readonly shrinking = new Shrinking();
  private abandoned = false;
  private busySince: number | undefined;
  private tail: Promise<unknown> = Promise.resolve();
  private wake: (() => void) | undefined;
  private failingSince: StoreHealth = { state: 'ok' };

  constructor(backoff: BackoffLimits, deps: BatchWriterDeps) {
    this.backoff = backoff;
    this.deps = deps;
    const { metrics } = deps;
    this.seconds = metrics.histogram(
      'fieldwatch_store_commit_seconds',
      'Time from the start of a batch to its commit',
      COMMIT_SECONDS,
    );
    this.rows = metrics.histogram(
      'fieldwatch_store_batch_rows',
      'Readings in a committed batch',
      [1, 10, 100, 1000, 5000, 10_000],
    );
    this.failures = metrics.counter('fieldwatch_store_failures_total', 'Failed attempts to write a batch', [
      'code',
    ]);
  }

  get health(): StoreHealth {
    return this.failingSince;
  }

  /** Gives up on what cannot be written now: the way out of a shutdown with the database away. */
  abandon(): void {
    this.abandoned = true;
    this.wake?.();
  }

  /** Since when something has been in the hands of the database, in monotonic time; undefined while idle. */
  get busySinceMs(): number | undefined {
    return this.busySince;
  }

  /** Resolves once the batch is committed; tries for ever, unless it is abandoned. Never rejects. */
  async write(batch: IntakeBatch): Promise<WriteOutcome | 'abandoned'> {
    const startedMs = this.deps.clock.monotonicMs();
    this.shrinking.begin();
    const outcome = await this.inTurn(() => this.attempt(batch), batch.rowList.length);
    if (outcome === 'abandoned') return outcome;
    this.seconds.observe((this.deps.clock.monotonicMs() - startedMs) / 1000);
    this.rows.observe(outcome.stored + outcome.duplicate + outcome.merged + outcome.conflict);
    return outcome;
  }

  /** Commits what a change of rules does to the alerts, between two batches. */
  async commitAlerts(evaluate: () => Evaluation): Promise<void> {
    const outcome = await this.inTurn(async () => {
      const evaluation = evaluate();
      const alerts = evaluation.batch;
      await this.deps.store.commit({ readings: [], deadLetters: [], alerts, retry: false });
      evaluation.adopt();
      return alerts.notifications;
    }, 0);
    if (outcome !== 'abandoned' && outcome.length > 0) this.deps.alerting.announce(outcome);
  }

  /** After the acknowledgements are out: alert lines to the log and the sinks. Never rejects. */
  announce(outcome: WriteOutcome): void {
    if (outcome.notifications.length > 0) this.deps.alerting.announce(outcome.notifications);
  }

  /** One at a time, in the order of the calls, each until it succeeds. */
  private inTurn<T>(run: () => Promise<T>, rows: number): Promise<T | 'abandoned'> {
    const result = this.tail.then(() => this.untilDone(run, rows));
    this.tail = result;
    return result;
  }

  private async untilDone<T>(run: () => Promise<T>, rows: number): Promise<T | 'abandoned'> {
    for (let attempt = 0; !this.abandoned; attempt++) {
      try {
        this.busySince = this.deps.clock.monotonicMs();
        const outcome = await run();
        this.recovered();
        return outcome;
      } catch (error) {
        this.failed(error, rows);
      } finally {
        this.busySince = undefined;
      }
      await this.pause(backoffMs(attempt, this.backoff, this.deps.random));
    }
    return 'abandoned';
  }

  /** All of the batch, in one transaction unless the database wants smaller ones. */
  private async attempt(batch: IntakeBatch): Promise<WriteOutcome> {
    const { alerting } = this.deps;
    await this.resolveSensors(batch);
    if (batch.rowList.length > 0) await alerting.prepare(batch.rowList as ResolvedRow[]);
    while (batch.rowList.length > 0 || batch.deadLetters.length > 0) {
      const rows = this.shrinking.piece(batch.rowList as ResolvedRow[]);
      const last = rows.length === batch.rowList.length;
      // Evaluated anew after a refused row: a reading that is not stored raises no alert.
      const evaluation = alerting.evaluate(rows);
      const result = await this.commit(batch, {
        readings: rows,
        // With the last piece: until then an attempt that fails leaves a batch that is whole in itself.
        deadLetters: last ? batch.deadLetters : [],
        alerts: evaluation.batch,
        retry: batch.retry,
      });
      if (result.kind === 'too_big') continue;
      if (result.kind === 'row_refused') {
        this.refuse(batch, result);
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

  private async commit(
    batch: IntakeBatch,
    write: StoreBatch,
  ): Promise<Awaited<ReturnType<ReadingStore['commit']>> | { readonly kind: 'too_big' }> {
    this.busySince = this.deps.clock.monotonicMs();
    try {
      return await this.deps.store.commit(write);
    } catch (error) {
      const sqlstate = tooBig(error);
      if (sqlstate === undefined) {
        batch.retry = true;
        throw error;
      }
      return this.shrink(batch, write.readings.length, sqlstate, error);
    }
  }

  /** Rolled back for its size: a smaller piece next, or one row less. Without readings there is nothing to make smaller. */
  private shrink(batch: IntakeBatch, rows: number, sqlstate: string, error: unknown): { kind: 'too_big' } {
    if (rows === 0) throw error;
    const code = (error as FieldwatchError).code;
    this.failures.inc(1, { code });
    if (this.shrinking.shrink(rows)) {
      batch.groupBySensor();
      this.deps.logger.debug({ code, rows }, 'too much for one transaction; tried again in smaller pieces');
    } else {
      this.refuse(batch, { index: 0, sqlstate, message: messageOf(error) });
    }
    return { kind: 'too_big' };
  }

  private refuse(batch: IntakeBatch, { index, sqlstate, message }: Omit<RowRefused, 'kind'>): void {
    this.deps.logger.warn(
      { sqlstate, error: message, topic: batch.rowList[index]?.message.topic },
      'the database refused a row; kept as a dead letter',
    );
    batch.refuse(index, sqlstate, message);
  }

  private async resolveSensors(batch: IntakeBatch): Promise<void> {
    if (batch.unknown.size === 0) return;
    const { registry } = this.deps;
    const refused = await registry.resolve(batch.unknown.values());
    const kept = [];
    for (const row of batch.rowList) {
      const sensor = row.sensor ?? registry.find(row.key);
      if (sensor !== undefined) {
        row.sensor = sensor;
        row.sensorId = sensor.id;
        kept.push(row);
      } else {
        batch.addDeadLetter(row.message, refused.get(row.key) ?? 'sensor_rejected', `device ${row.key}`);
      }
    }
    batch.rowList = kept;
    batch.unknown.clear();
  }

  private failed(error: unknown, rows: number): void {
    const code = error instanceof FieldwatchError ? error.code : 'UNEXPECTED';
    this.failures.inc(1, { code });
    // Logged when the trouble begins or changes, not at every attempt.
    if (this.failingSince.state === 'failing' && this.failingSince.code === code) return;
    this.failingSince = {
      state: 'failing',
      code,
      message: messageOf(error),
      sinceMs: this.deps.clock.nowMs(),
    };
    const remedy = error instanceof FieldwatchError ? error.remedy : undefined;
    this.deps.logger.error(
      { code, err: error, remedy, rows },
      'cannot write to the database; messages are held unacknowledged and tried again',
    );
  }

  private recovered(): void {
    if (this.failingSince.state === 'ok') return;
    const awayMs = this.deps.clock.nowMs() - this.failingSince.sinceMs;
    this.failingSince = { state: 'ok' };
    this.deps.logger.info({ away_ms: awayMs }, 'the database takes writes again');
  }

  private async pause(ms: number): Promise<void> {
    if (this.abandoned) return;
    await new Promise<void>((resolve) => {
      const timer = this.deps.clock.after(ms, resolve);
      this.wake = () => {
        timer.cancel();
        resolve();
      };
    });
    this.wake = undefined;
  }
}
