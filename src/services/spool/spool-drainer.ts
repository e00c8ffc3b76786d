import { codeOf, messageOf } from '../../core/errors.ts';
import { type BackoffLimits, backoffMs } from '../../lib/backoff.ts';
import { Outage } from '../../lib/outage.ts';
import { InterruptibleSleep } from '../../lib/sleep.ts';
import { unlessAborted, withDeadline } from '../../lib/timeout.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Clock } from '../../ports/time.ts';
import type { AlertEvaluator, CommitOptions } from '../ingest/batch-commit.ts';
import type { OutageMonitor } from '../ingest/outage-monitor.ts';
import type { DeferredStartup } from '../ingest/startup.ts';
import { type SpoolReplayer, isInexplicable } from './spool-replayer.ts';
import type { SpoolWriter } from './spool-writer.ts';

export interface SpoolDrainerDeps {
  readonly spoolWriter: SpoolWriter;
  readonly replayer: SpoolReplayer;
  readonly alertManager: AlertEvaluator;
  /** Runs first where the database was away at the start. */
  readonly start: DeferredStartup;
  /** In a share group, once the database answers: evaluations made meanwhile are dropped. Rejects while it is away. */
  readonly regroup?: (() => Promise<void>) | undefined;
  readonly watch: OutageMonitor;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** Sleep while idle; an append to the spool ends it. */
const IDLE_MS = 60_000;
/** How long to wait for an answer, and how long the alert lane drains in one go, while batches wait. */
const ANSWER_MS = 10_000;
/** Interval at which the limit of new sensors is checked. */
const ADMISSION_EVERY_MS = 1000;
/** A flood of random names must not keep other arrivals in the spool: after this the remaining ones are refused as usual. */
const PATIENCE_MS = 3_600_000;
const OUTAGE_MESSAGE = 'cannot write to the database, spooling messages';

/**
 * Empties the spool. While batches go there, it retries the database; once it answers, what must come before the next
 * live batch is committed first, in order, and the rest in the background.
 */
export class SpoolDrainer {
  private readonly backoff: BackoffLimits;
  private readonly deps: SpoolDrainerDeps;
  private readonly hangUp = new AbortController();
  private running: Promise<void> | undefined;
  private readonly sleeper: InterruptibleSleep;
  private readonly outage: Outage;
  private wasAway = false;
  /** Consecutive recoveries that had nothing to write. */
  private emptyRecoveries = 0;
  /** Monotonic time since when new sensors have been waiting. */
  private waitingSinceMs: number | undefined;

  constructor(backoff: BackoffLimits, deps: SpoolDrainerDeps) {
    this.backoff = backoff;
    this.deps = deps;
    this.sleeper = new InterruptibleSleep(deps.clock);
    this.outage = new Outage(deps.clock);
    deps.spoolWriter.onChange(() => this.sleeper.wake());
  }

  start(): void {
    this.running ??= this.run();
  }

  /** Idempotent. Work under way is abandoned: it stays in the spool. */
  async stop(): Promise<void> {
    this.hangUp.abort();
    this.sleeper.stop();
    await this.running;
  }

  /** The database is back: retry at once, without waiting for the backoff. */
  retryNow(): void {
    this.sleeper.wake();
  }

  private async run(): Promise<void> {
    let attempt = 0;
    while (!this.hangUp.signal.aborted) {
      const { spoolWriter } = this.deps;
      const away = spoolWriter.active;
      try {
        if (away) await this.recover();
        else if (await this.deps.replayer.readings(this.hangUp.signal)) this.deps.watch.recovered();
        else await this.rest();
        if (!away) this.outage.recovered();
        attempt = 0;
      } catch (error) {
        if (this.hangUp.signal.aborted) return;
        this.logFailure(error, away);
        await this.sleeper.sleep(backoffMs(attempt++, this.backoff, this.deps.random));
      }
    }
  }

  /** After an outage the pool may have no connection left for the writer. */
  private async rest(): Promise<void> {
    if (this.wasAway) await this.deps.replayer.rest();
    this.wasAway = false;
    await this.sleeper.sleep(IDLE_MS);
  }

  private async recover(): Promise<void> {
    const { watch, start } = this.deps;
    this.wasAway = true;
    const started = await start.retry(this.hangUp.signal);
    if (started) watch.recovered();
    const regrouped = await this.regroup();
    // One record of the rest shows whether the database is back.
    const proved = started || regrouped || (await this.replayAlerts()) || (await this.tryReadings());
    if (proved) this.emptyRecoveries = 0;
    else if (await this.awaitReadings()) return;
    while (!(await this.replayHead()));
    this.waitingSinceMs = undefined;
    if (proved) watch.recovered();
  }

  private async regroup(): Promise<boolean> {
    const { regroup, clock } = this.deps;
    if (regroup === undefined) return false;
    const run = (signal: AbortSignal) => unlessAborted(regroup(), signal);
    await withDeadline(clock, { ms: ANSWER_MS }, run, this.hangUp.signal);
    return true;
  }

  /**
   * The spool is empty, so nothing can probe the database: batches probe it themselves, now and then. True once in a row:
   * a batch that was on its way into the spool may have added something meanwhile.
   */
  private async awaitReadings(): Promise<boolean> {
    const { spoolWriter } = this.deps;
    const before = spoolWriter.contents.lanes.readings.records;
    const first = this.emptyRecoveries === 0;
    await this.sleeper.sleep(backoffMs(this.emptyRecoveries++, this.backoff, this.deps.random));
    return (
      first && (await spoolWriter.exclusive(async () => spoolWriter.contents.lanes.readings.records > before))
    );
  }

  /** Replays the records that must come before the next live batch; then batches go to the database again. False: not all of it may yet. */
  private async replayHead(): Promise<boolean> {
    const { spoolWriter, watch } = this.deps;
    try {
      while (await spoolWriter.exclusive(() => this.replayNext())) watch.recovered();
      await spoolWriter.end(async () => {
        while (await this.replayNext());
      });
      return true;
    } catch (error) {
      if (codeOf(error) !== 'SENSOR_LIMIT') throw error;
      await this.awaitAdmission(error);
      return false;
    }
  }

  /**
   * Alternates with batches, which may bring alerts of their own: a state must not be stored over a newer one. Batches
   * wait meanwhile, for the engine does one evaluation at a time: so each statement has a short deadline.
   */
  private replayNext(): Promise<boolean> {
    const { clock } = this.deps;
    const next = async (signal: AbortSignal, onStep: () => void) =>
      (await this.replayAlerts({ signal, onStep })) || (await this.replayUnresolved({ signal, onStep }));
    return withDeadline(clock, { ms: ANSWER_MS }, next, this.hangUp.signal);
  }

  private async awaitAdmission(error: unknown): Promise<void> {
    if (this.waitingSinceMs === undefined)
      this.deps.logger.warn({ code: codeOf(error), error: messageOf(error) }, 'the spool drains slowly');
    this.waitingSinceMs ??= this.deps.clock.monotonicMs();
    if (!(await this.tryReadings())) await this.sleeper.sleep(ADMISSION_EVERY_MS);
    this.hangUp.signal.throwIfAborted();
  }

  /** True if there were any. */
  private async replayAlerts(options: CommitOptions = { signal: this.hangUp.signal }): Promise<boolean> {
    const { replayer, spoolWriter, clock } = this.deps;
    const untilMs = clock.monotonicMs() + ANSWER_MS;
    let any = false;
    while (spoolWriter.contents.lanes.alerts.records > 0 && (await replayer.alerts(options))) {
      any = true;
      if (clock.monotonicMs() >= untilMs) break;
    }
    return any;
  }

  /** A spool that cannot be read must not keep live batches from the database: only what comes before them may. */
  private async tryReadings(): Promise<boolean> {
    try {
      return await this.deps.replayer.readings(this.hangUp.signal);
    } catch (error) {
      if (!codeOf(error).startsWith('SPOOL_')) throw error;
      return false;
    }
  }

  private async replayUnresolved(options: CommitOptions): Promise<boolean> {
    const { replayer, alertManager, clock } = this.deps;
    if (!replayer.hasPending) return false;
    const nowMs = clock.monotonicMs();
    const patient = nowMs - (this.waitingSinceMs ?? nowMs) < PATIENCE_MS;
    return replayer.unresolved(alertManager, { ...options, patient });
  }

  private logFailure(error: unknown, away: boolean): void {
    if (away) return this.deps.watch.failed(error, 0, OUTAGE_MESSAGE);
    this.deps.watch.count(error);
    if (!this.outage.failed(error)) return;
    this.deps.logger.warn(
      { code: codeOf(error), error: messageOf(error) },
      'spool: draining failed, retrying',
    );
  }
}

/**
 * Before the alert state is read: records of the last process that come first. An unclassified error is retried until
 * its record is set aside; every other one is thrown to the startup.
 */
export async function replayAtStart(
  replay: () => Promise<boolean>,
  wait: () => Promise<void>,
): Promise<void> {
  for (;;) {
    try {
      if (!(await replay())) return;
    } catch (error) {
      if (!isInexplicable(error)) throw error;
      await wait();
    }
  }
}
