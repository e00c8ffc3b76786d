import { LeaseLost } from '../../core/alert/cluster/shard-lease.ts';
import type { AlertNotification } from '../../core/alert/model.ts';
import { codeOf, FieldwatchError } from '../../core/errors.ts';
import { type BackoffLimits, backoffMs } from '../../lib/backoff.ts';
import { SerialQueue } from '../../lib/serial-queue.ts';
import { InterruptibleSleep } from '../../lib/sleep.ts';
import { withDeadline } from '../../lib/timeout.ts';
import type { Logger, Metrics } from '../../ports/metrics.ts';
import type { ReadingStore } from '../../ports/store.ts';
import type { Clock } from '../../ports/time.ts';
import type { EvaluatedBatch } from '../alert/evaluation.ts';
import type { SpoolHealth, SpoolWriter } from '../spool/spool-writer.ts';
import {
  type AlertEvaluator,
  BatchCommit,
  knownSeq,
  learnSensors,
  SENSORS_CHANGED,
  type WriteOutcome,
} from './batch-commit.ts';
import type { IngestBatch, IngestRow } from './batch.ts';
import type { DeadLetterBudget } from './dead-letter-budget.ts';
import { OutageMonitor, type StoreHealth } from './outage-monitor.ts';
import type { SensorRegistry } from './sensor-registry.ts';

export interface BatchWriterDeps {
  readonly registry: SensorRegistry;
  readonly alertManager: AlertEvaluator;
  readonly store: ReadingStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly random: () => number;
  readonly watch?: OutageMonitor;
  readonly deadLetters?: DeadLetterBudget | undefined;
  /** Where batches go while the database is away; without it they are held and retried without limit. */
  readonly spool?: WriterSpool | undefined;
  /**
   * How long a batch is tried where there is no spool; absent: without limit. A batch that is refused for another reason than a
   * transient one is then given up at once.
   */
  readonly giveUpAfterMs?: number | undefined;
}

export interface WriterSpool {
  readonly spoolWriter: SpoolWriter;
  /** How long the database may be away before. */
  readonly afterMs: number;
  /** Readings older than this go through the spool, whether the database is available or not. */
  readonly lateAfterMs: () => number | undefined;
}

/** Where a batch ended up; `abandoned`: nowhere, by `abandon` or `giveUpAfterMs`. `spooled`: only `batch.written` is in the database. */
export type Written = (WriteOutcome & { readonly kind: 'committed' }) | 'spooled' | 'abandoned';

/** One unit to write, and its alternative when the database is away. */
interface Task<T> {
  readonly run: (signal: AbortSignal | undefined, answered: () => void) => Promise<T>;
  readonly keep: (spoolWriter: SpoolWriter) => Promise<boolean>;
  readonly rows: number;
}

const COMMIT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** A late attempt still gets this much time. */
const MIN_TRY_MS = 1000;

/** Writes batches one after the other: to the database, or to the spool once that has been away for a while. */
export class BatchWriter {
  private readonly backoff: BackoffLimits;
  private readonly deps: BatchWriterDeps;
  private readonly seconds;
  private readonly rows;
  private readonly watch: OutageMonitor;
  private readonly commit: BatchCommit;
  private abandoned = false;
  private failure: unknown;
  private busySince: number | undefined;
  private writingSince: number | undefined;
  private readonly queue = new SerialQueue();
  private readonly sleeper: InterruptibleSleep;
  private readonly hangUp = new AbortController();

  constructor(backoff: BackoffLimits, deps: BatchWriterDeps) {
    this.backoff = backoff;
    this.deps = deps;
    this.sleeper = new InterruptibleSleep(deps.clock);
    const { metrics, spool } = deps;
    this.watch = deps.watch ?? new OutageMonitor(deps);
    const setLateAside =
      spool === undefined ? undefined : (batch: IngestBatch) => this.setLateAside(spool, batch);
    this.commit = new BatchCommit({ ...deps, watch: this.watch, setLateAside });
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
    spool?.spoolWriter.onChange(() => this.sleeper.interrupt());
  }

  get health(): StoreHealth {
    return this.watch.health;
  }

  /** Undefined without a spool. */
  get spoolHealth(): SpoolHealth | undefined {
    return this.deps.spool?.spoolWriter.health;
  }

  /** Earlier readings of the device are not evaluated yet. */
  holds(device: string): boolean {
    return this.deps.spool?.spoolWriter.holds(device) === true;
  }

  /** Batches go to the spool now. */
  get spools(): boolean {
    return this.deps.spool?.spoolWriter.active === true;
  }

  /** True while neither the database nor the spool accepts anything. */
  get stuck(): boolean {
    return this.deps.spool?.spoolWriter.trouble !== undefined;
  }

  /** True while readings go to the spool unevaluated, after the start. */
  get evaluationSuspended(): boolean {
    return this.deps.spool?.spoolWriter.evaluationSuspended === true;
  }

  /** Error of the last attempt that failed. */
  get lastFailure(): unknown {
    return this.failure;
  }

  /** Abandons what cannot be written now: the way out of a shutdown with the database away. */
  abandon(): void {
    this.abandoned = true;
    this.hangUp.abort();
    this.sleeper.stop();
  }

  /** Since when a write to the database has been under way, in monotonic time; undefined while idle. */
  get busySinceMs(): number | undefined {
    return this.busySince;
  }

  /** Since when the current batch has been waiting for its commit, in monotonic time. */
  get writingSinceMs(): number | undefined {
    return this.writingSince;
  }

  /** Resolves once the batch is safe; retries without limit, unless it is abandoned. Never rejects. */
  async write(batch: IngestBatch): Promise<Written> {
    const room = this.deps.alertManager.room?.();
    if (room !== undefined) await room;
    const startedMs = this.deps.clock.monotonicMs();
    this.commit.begin();
    this.writingSince = startedMs;
    const outcome = await this.enqueue<WriteOutcome>({
      run: (signal, answered) => this.commit.run(batch, { signal, onStep: answered }),
      keep: (spoolWriter) => spoolWriter.keep(batch),
      rows: batch.rowList.length,
    });
    this.writingSince = undefined;
    if (typeof outcome === 'string') return outcome;
    this.seconds.observe((this.deps.clock.monotonicMs() - startedMs) / 1000);
    this.rows.observe(outcome.stored + outcome.duplicate + outcome.merged + outcome.conflict);
    return { kind: 'committed', ...outcome };
  }

  /** Commits what a rule change does to the alerts, between two batches. */
  commitAlerts(evaluate: () => EvaluatedBatch): Promise<void> {
    return this.commitEvaluation(evaluate, (spoolWriter) => spoolWriter.appendAlerts(evaluate), true);
  }

  /**
   * Commits what waits in a table: operator commands, or the handover of other daemons. While the spool is in use it is
   * dropped instead: it keeps waiting, and the rows that it refers to may not be stored yet.
   */
  commitCommands(
    evaluate: (signal?: AbortSignal) => EvaluatedBatch | Promise<EvaluatedBatch>,
  ): Promise<void> {
    return this.commitEvaluation(evaluate, async () => true, false);
  }

  /** Between two batches, the sensors are read again. Dropped while the spool is in use: the next batch detects the change. */
  async learnSensors(): Promise<void> {
    const { registry, alertManager } = this.deps;
    await this.between(() => learnSensors(registry, alertManager));
  }

  /** Runs something between two batches. False: it was dropped, for the spool is in use. */
  async between(run: () => void | Promise<void>): Promise<boolean> {
    const done = async () => {
      await run();
      return true;
    };
    return (await this.enqueue<boolean>({ run: done, keep: async () => true, rows: 0 })) === true;
  }

  /** `between` for work without the database: also while the spool is in use. Not once the writer has given up. */
  async inMemory(run: () => void): Promise<void> {
    const done = async () => {
      run();
      return true;
    };
    await this.enqueue<boolean>({ run: done, keep: (spoolWriter) => spoolWriter.exclusive(done), rows: 0 });
  }

  /** `again`: also when it turned out that another daemon evaluates some of it; new rules are applied all the same. */
  private async commitEvaluation(
    evaluate: (signal?: AbortSignal) => EvaluatedBatch | Promise<EvaluatedBatch>,
    keep: Task<readonly AlertNotification[]>['keep'],
    again: boolean,
  ): Promise<void> {
    const { registry, alertManager } = this.deps;
    const run: Task<readonly AlertNotification[]>['run'] = async (signal, answered) => {
      const evaluation = await evaluate(signal);
      const alerts = evaluation.batch;
      try {
        const sensorSeq = knownSeq(registry, alertManager);
        const batch = { readings: [], deadLetters: [], alerts, retry: false, sensorSeq };
        await this.deps.store.commit(batch, signal, answered);
      } catch (error) {
        if (codeOf(error) === SENSORS_CHANGED) {
          await learnSensors(registry, alertManager);
          return again ? run(signal, answered) : [];
        }
        // Another daemon was faster: its result stands, and this evaluation is dropped.
        if (codeOf(error) === 'COMMAND_TAKEN') return [];
        if (!(error instanceof LeaseLost)) throw error;
        this.deps.alertManager.lost?.(error.shards);
        return again ? run(signal, answered) : [];
      }
      evaluation.commit();
      return alerts.notifications;
    };
    const outcome = await this.enqueue({ run, keep, rows: 0 });
    if (typeof outcome !== 'string' && outcome.length > 0) this.deps.alertManager.publish(outcome);
  }

  /** After the acknowledgements are out: alert lines to the log and the sinks. Never rejects. */
  publish(outcome: WriteOutcome): void {
    if (outcome.notifications.length > 0) this.deps.alertManager.publish(outcome.notifications);
  }

  /** The database is back: a batch that waits for a retry is retried at once. */
  retryNow(): void {
    this.sleeper.interrupt();
  }

  /** One at a time, in the order of the calls, each until it succeeds. */
  private enqueue<T>(task: Task<T>): Promise<T | 'spooled' | 'abandoned'> {
    return this.queue.run(() => this.untilDone(task));
  }

  private async untilDone<T>(task: Task<T>): Promise<T | 'spooled' | 'abandoned'> {
    const { spool, clock } = this.deps;
    const patientUntilMs = clock.monotonicMs() + (spool?.afterMs ?? Infinity);
    const giveUpMs = clock.monotonicMs() + (this.deps.giveUpAfterMs ?? Infinity);
    let refused = false;
    const keep = async () => {
      if (spool?.spoolWriter.active !== true) return false;
      const kept = await task.keep(spool.spoolWriter);
      refused = !kept && spool.spoolWriter.active;
      return kept;
    };
    for (let attempt = 0; ; attempt++) {
      // At a stop with the database away, what is spooled need not be redelivered; at QoS 0 it would be lost.
      if (this.abandoned) spool?.spoolWriter.begin();
      if (await keep()) return 'spooled';
      if (this.abandoned) return 'abandoned';
      if (spool?.spoolWriter.active !== true) {
        const limitMs = refused ? undefined : patientUntilMs - clock.monotonicMs();
        const outcome = await this.try(task, limitMs);
        if (outcome !== undefined) return outcome.value;
        if (clock.monotonicMs() >= patientUntilMs) spool?.spoolWriter.begin();
        if (await keep()) return 'spooled';
        if (this.deps.giveUpAfterMs !== undefined && this.isHopeless(giveUpMs)) return 'abandoned';
      }
      const patienceMs = patientUntilMs - clock.monotonicMs();
      const waitMs = backoffMs(attempt, this.backoff, this.deps.random);
      await this.sleeper.sleep(patienceMs > 0 ? Math.min(waitMs, patienceMs) : waitMs);
    }
  }

  /** Undefined when it failed. With an alternative, this bounds the wait for an answer. */
  private async try<T>(task: Task<T>, limitMs = Infinity): Promise<{ readonly value: T } | undefined> {
    const { clock, spool } = this.deps;
    const { signal } = this.hangUp;
    try {
      this.busy();
      const run = (until: AbortSignal, answered?: () => void) =>
        task.run(until, () => {
          this.busy();
          answered?.();
        });
      // An answer that has arrived counts, even with no time left.
      const stepMs = Math.max(MIN_TRY_MS, spool?.afterMs ?? 0);
      const value = await (limitMs < Infinity
        ? withDeadline(clock, { ms: Math.max(MIN_TRY_MS, limitMs), stepMs }, run, signal)
        : run(signal));
      this.watch.recovered();
      return { value };
    } catch (error) {
      this.failure = error;
      this.watch.failed(error, task.rows);
      return undefined;
    } finally {
      this.busySince = undefined;
    }
  }

  private isHopeless(giveUpMs: number): boolean {
    const { failure } = this;
    const isTransient = failure instanceof FieldwatchError && failure.kind === 'transient';
    return !isTransient || this.deps.clock.monotonicMs() >= giveUpMs;
  }

  private busy(): void {
    this.busySince = this.deps.clock.monotonicMs();
  }

  /** Readings that the database writes slowly are kept on disk first, so that their batch need not wait for them. */
  private async setLateAside({ spoolWriter, lateAfterMs }: WriterSpool, batch: IngestBatch): Promise<void> {
    const afterMs = lateAfterMs();
    if (afterMs === undefined) return;
    const horizonUs = (this.deps.clock.nowMs() - afterMs) * 1000;
    const late: IngestRow[] = [];
    for (const row of batch.rowList) if (row.timeUs < horizonUs && !row.spooled) late.push(row);
    if (late.length === 0 || !(await spoolWriter.appendLate(late, batch))) return;
    for (const row of late) row.spooled = true;
  }
}
