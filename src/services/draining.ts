import { backoffMs, type BackoffLimits } from '../core/backoff.ts';
import { messageOf } from '../core/errors.ts';
import type { Clock, Logger } from '../ports.ts';
import { withDeadline } from './abort.ts';
import type { AlertEvaluator } from './batch-commit.ts';
import { isInexplicable, type Settling } from './settling.ts';
import { Sleeper } from './sleeper.ts';
import type { Spooling } from './spooling.ts';
import { codeOf, type StoreWatch } from './store-health.ts';

export interface DrainingDeps {
  readonly spooling: Spooling;
  readonly settling: Settling;
  readonly alerting: AlertEvaluator;
  readonly watch: StoreWatch;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** With nothing to do; whoever puts something in ends the sleep. */
const IDLE_MS = 60_000;
/** How long a few hundred readings may take, while batches wait. */
const ANSWER_MS = 10_000;

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
  /** Recoveries in a row that had nothing to write. */
  private vain = 0;

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

  private async run(): Promise<void> {
    let attempt = 0;
    while (!this.hangUp.signal.aborted) {
      const { spooling } = this.deps;
      const away = spooling.active;
      try {
        if (away) await this.recover();
        else if (!(await this.deps.settling.readings(this.hangUp.signal))) await this.sleeper.sleep(IDLE_MS);
        if (!away) this.complaint = undefined;
        attempt = 0;
      } catch (error) {
        if (this.hangUp.signal.aborted) return;
        this.complain(error, away);
        await this.sleeper.sleep(backoffMs(attempt++, this.backoff, this.deps.random));
      }
    }
  }

  private async recover(): Promise<void> {
    const { spooling, watch } = this.deps;
    // One piece of the rest shows whether the database is back.
    const proved = (await this.settleAlerts()) || (await this.tryReadings());
    if (proved) this.vain = 0;
    // Nothing is there to try it with: batches try it themselves, now and then.
    else await this.sleeper.sleep(backoffMs(this.vain++, this.backoff, this.deps.random));
    while (await spooling.exclusive(() => this.settleUnresolved()));
    await spooling.end(async () => {
      await this.settleAlerts();
      while (await this.settleUnresolved());
    });
    if (proved) watch.recovered();
  }

  /** True if there were any. */
  private async settleAlerts(): Promise<boolean> {
    const { settling, spooling } = this.deps;
    let any = false;
    while (spooling.contents.lanes.alerts.records > 0 && (await settling.alerts(this.hangUp.signal)))
      any = true;
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

  /** Batches wait meanwhile, for the engine does one evaluation at a time: so the database has to answer soon. */
  private async settleUnresolved(): Promise<boolean> {
    const { settling, spooling, alerting, clock } = this.deps;
    if (spooling.contents.lanes.unresolved.records === 0) return false;
    const run = (signal: AbortSignal) => settling.unresolved(alerting, signal);
    return withDeadline(clock, ANSWER_MS, run, this.hangUp.signal);
  }

  private complain(error: unknown, away: boolean): void {
    const code = codeOf(error);
    if (away) return this.deps.watch.failed(error, 0);
    this.deps.watch.count(error);
    if (this.complaint === code) return;
    this.complaint = code;
    this.deps.logger.warn({ code, error: messageOf(error) }, 'the spool cannot drain now; tried again');
  }
}

/**
 * At a start, before anything else is written: what the last process left for the head of the line. An error that says
 * nothing is tried again until its record is set aside; every other one ends the start.
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
