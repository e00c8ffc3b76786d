import { backoffMs, type BackoffLimits } from '../core/backoff.ts';
import { messageOf } from '../core/errors.ts';
import type { Clock, Logger } from '../ports.ts';
import { unlessAborted, withDeadline } from './abort.ts';
import type { AlertEvaluator, CommitOptions } from './batch-commit.ts';
import type { DatabaseStart } from './database-start.ts';
import { isInexplicable, type Settling } from './settling.ts';
import { Sleeper } from './sleeper.ts';
import type { Spooling } from './spooling.ts';
import { codeOf, type StoreWatch } from './store-health.ts';

export interface DrainingDeps {
  readonly spooling: Spooling;
  readonly settling: Settling;
  readonly alerting: AlertEvaluator;
  /** Comes before all else where the database was away at the start. */
  readonly start: DatabaseStart;
  /** In a share group, once the database answers: what was evaluated meanwhile is dropped. Rejects while it is away. */
  readonly regroup?: (() => Promise<void>) | undefined;
  readonly watch: StoreWatch;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** With nothing to do; whoever puts something in ends the sleep. */
const IDLE_MS = 60_000;
/** How long an answer is waited for, and how long the alert lane drains in one go, while batches wait. */
const ANSWER_MS = 10_000;
/** How often is looked whether more new sensors may register. */
const ADMISSION_EVERY_MS = 1000;
/** A flood of random names must not keep what arrives in the spool: after so long the rest of them is refused as ever. */
const PATIENCE_MS = 3_600_000;
const COMPLAINT = 'cannot write to the database; messages go to the spool, and it is tried again';

/**
 * Empties the spool. While batches go there, it tries the database again and again; once it answers, what must come
 * before the next live batch is committed first, in order, and the rest in the background.
 */
export class Draining {
  private readonly backoff: BackoffLimits;
  private readonly deps: DrainingDeps;
  private readonly hangUp = new AbortController();
  private running: Promise<void> | undefined;
  private readonly sleeper: Sleeper;
  private complaint: string | undefined;
  private wasAway = false;
  /** Recoveries in a row that had nothing to write. */
  private vain = 0;
  /** Since when new sensors have been waiting, in monotonic time. */
  private waitingSinceMs: number | undefined;

  constructor(backoff: BackoffLimits, deps: DrainingDeps) {
    this.backoff = backoff;
    this.deps = deps;
    this.sleeper = new Sleeper(deps.clock);
    deps.spooling.onChange(() => this.sleeper.wake());
  }

  start(): void {
    this.running ??= this.run();
  }

  /** Idempotent. What is under way is hung up on: it stays in the spool. */
  async stop(): Promise<void> {
    this.hangUp.abort();
    this.sleeper.stop();
    await this.running;
  }

  /** The database was seen to be back: tried at once, and not when the pause is over. */
  retryNow(): void {
    this.sleeper.wake();
  }

  private async run(): Promise<void> {
    let attempt = 0;
    while (!this.hangUp.signal.aborted) {
      const { spooling } = this.deps;
      const away = spooling.active;
      try {
        if (away) await this.recover();
        else if (await this.deps.settling.readings(this.hangUp.signal)) this.deps.watch.recovered();
        else await this.rest();
        if (!away) this.complaint = undefined;
        attempt = 0;
      } catch (error) {
        if (this.hangUp.signal.aborted) return;
        this.complain(error, away);
        await this.sleeper.sleep(backoffMs(attempt++, this.backoff, this.deps.random));
      }
    }
  }

  /** After an outage the writer may find no connection left for itself. */
  private async rest(): Promise<void> {
    if (this.wasAway) await this.deps.settling.rest();
    this.wasAway = false;
    await this.sleeper.sleep(IDLE_MS);
  }

  private async recover(): Promise<void> {
    const { watch, start } = this.deps;
    this.wasAway = true;
    const started = await start.later(this.hangUp.signal);
    if (started) watch.recovered();
    const regrouped = await this.regroup();
    // One piece of the rest shows whether the database is back.
    const proved = started || regrouped || (await this.settleAlerts()) || (await this.tryReadings());
    if (proved) this.vain = 0;
    else if (await this.awaitReadings()) return;
    while (!(await this.settleHead()));
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
   * Nothing is there to try the database with: batches try it themselves, now and then. True once in a row: a batch, which
   * may have been on its way into the spool, has brought something meanwhile.
   */
  private async awaitReadings(): Promise<boolean> {
    const { spooling } = this.deps;
    const before = spooling.contents.lanes.readings.records;
    const first = this.vain === 0;
    await this.sleeper.sleep(backoffMs(this.vain++, this.backoff, this.deps.random));
    return first && (await spooling.exclusive(async () => spooling.contents.lanes.readings.records > before));
  }

  /** What must come before the next live batch; then batches go to the database again. False: not all of it may yet. */
  private async settleHead(): Promise<boolean> {
    const { spooling, watch } = this.deps;
    try {
      while (await spooling.exclusive(() => this.settleNext())) watch.recovered();
      await spooling.end(async () => {
        while (await this.settleNext());
      });
      return true;
    } catch (error) {
      if (codeOf(error) !== 'SENSOR_LIMIT') throw error;
      await this.awaitAdmission(error);
      return false;
    }
  }

  /**
   * In turns with batches, which may bring alerts of their own: a state must not be stored over a newer one. Batches wait
   * meanwhile, for the engine does one evaluation at a time: so the database has to answer soon, to each statement.
   */
  private settleNext(): Promise<boolean> {
    const { clock } = this.deps;
    const next = async (signal: AbortSignal, onStep: () => void) =>
      (await this.settleAlerts({ signal, onStep })) || (await this.settleUnresolved({ signal, onStep }));
    return withDeadline(clock, { ms: ANSWER_MS }, next, this.hangUp.signal);
  }

  private async awaitAdmission(error: unknown): Promise<void> {
    if (this.waitingSinceMs === undefined)
      this.deps.logger.warn({ code: codeOf(error) }, `the spool drains slowly: ${messageOf(error)}`);
    this.waitingSinceMs ??= this.deps.clock.monotonicMs();
    if (!(await this.tryReadings())) await this.sleeper.sleep(ADMISSION_EVERY_MS);
    this.hangUp.signal.throwIfAborted();
  }

  /** True if there were any. */
  private async settleAlerts(options: CommitOptions = { signal: this.hangUp.signal }): Promise<boolean> {
    const { settling, spooling, clock } = this.deps;
    const untilMs = clock.monotonicMs() + ANSWER_MS;
    let any = false;
    while (spooling.contents.lanes.alerts.records > 0 && (await settling.alerts(options))) {
      any = true;
      if (clock.monotonicMs() >= untilMs) break;
    }
    return any;
  }

  /** A spool that cannot be read must not keep live batches from the database: only what comes before them may. */
  private async tryReadings(): Promise<boolean> {
    try {
      return await this.deps.settling.readings(this.hangUp.signal);
    } catch (error) {
      if (!codeOf(error).startsWith('SPOOL_')) throw error;
      return false;
    }
  }

  private async settleUnresolved(options: CommitOptions): Promise<boolean> {
    const { settling, alerting, clock } = this.deps;
    if (!settling.owes) return false;
    const nowMs = clock.monotonicMs();
    const patient = nowMs - (this.waitingSinceMs ?? nowMs) < PATIENCE_MS;
    return settling.unresolved(alerting, { ...options, patient });
  }

  private complain(error: unknown, away: boolean): void {
    const code = codeOf(error);
    if (away) return this.deps.watch.failed(error, 0, COMPLAINT);
    this.deps.watch.count(error);
    if (this.complaint === code) return;
    this.complaint = code;
    this.deps.logger.warn({ code, error: messageOf(error) }, 'the spool cannot drain now; tried again');
  }
}

/**
 * Before the alert state is read: what the last process left for the head of the line. An error that says nothing is
 * tried again until its record is set aside; every other one is for who starts.
 */
export async function settleAtStart(
  settle: () => Promise<boolean>,
  wait: () => Promise<void>,
): Promise<void> {
  for (;;) {
    try {
      if (!(await settle())) return;
    } catch (error) {
      if (!isInexplicable(error)) throw error;
      await wait();
    }
  }
}
