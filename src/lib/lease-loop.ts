import { FieldwatchError, messageOf } from '../core/errors.ts';
import type { Millis } from '../core/reading.ts';
import type { NamedLeases } from '../ports/lease.ts';
import type { Logger } from '../ports/metrics.ts';
import type { Clock } from '../ports/time.ts';
import { Outage } from './outage.ts';
import { InterruptibleSleep } from './sleep.ts';

export interface LeaseLoopDeps {
  readonly store: NamedLeases;
  /** Names this daemon among several. */
  readonly owner: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface LeasedWork {
  /** Name of the lease. */
  readonly name: string;
  readonly kind: string;
  /** The line of an outage; its fields say why. */
  readonly failed: string;
  /** How long the lease outlives a killed daemon at most; absent: `LEASE_MS`. */
  readonly ttlMs?: Millis;
  /** How long a failure asks to wait before the next attempt. */
  readonly retryAfterMs?: (error: unknown) => Millis | undefined;
  /** Runs under the lease, however long it takes. Called again at once where it resolves; where it rejects, or the lease is lost, later. */
  run(lease: HeldLease): Promise<void>;
}

export interface HeldLease {
  /** Aborted by `stop`, and when another daemon has the lease. */
  readonly signal: AbortSignal;
  /**
   * Whether it is still ours: after a time in which the process stood still, the database is asked. False: the signal is
   * aborted. Rejects where the database does not say.
   */
  hold(): Promise<boolean>;
  /** The outage, if there was one, is over. */
  works(): void;
}

/** The others try to take a lease every `STANDBY_MS`: a takeover lasts that long after its end at most. */
export const LEASE_MS: Millis = 10_000;
export const STANDBY_MS: Millis = 5000;
/** Part of its time to live after which a lease is renewed: two renewals may be lost. */
const RENEWED_AFTER = 0.3;
const RETRY_MS = 5000;

/** Work that one daemon at a time does: under a lease of the database, and tried again after a failure. */
export class LeaseLoop {
  readonly #work: LeasedWork;
  readonly #deps: LeaseLoopDeps;
  readonly #sleep: InterruptibleSleep;
  readonly #abort = new AbortController();
  readonly #outage: Outage;
  #running: Promise<void> | undefined;
  #owned = false;
  #renewedAtMs = 0;

  constructor(work: LeasedWork, deps: LeaseLoopDeps) {
    this.#work = work;
    this.#deps = deps;
    this.#sleep = new InterruptibleSleep(deps.clock);
    this.#outage = new Outage(deps.clock);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** There is something to do: an attempt to take the lease, or to run after a failure, is made at once. */
  wake(): void {
    this.#sleep.wake();
  }

  /** Idempotent. Resolves once the work has ended, and another daemon may take the lease. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#sleep.stop();
    await this.#running;
    const { store, owner } = this.#deps;
    if (this.#owned) await store.release(this.#work.name, owner).catch(() => undefined);
    this.#owned = false;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      let waitMs = 0;
      try {
        if (await this.#renew()) await this.#underLease();
        if (!this.#owned) waitMs = STANDBY_MS;
      } catch (error) {
        if (signal.aborted) return;
        if (this.#outage.failed(error)) this.#log(error);
        waitMs = Math.max(RETRY_MS, this.#work.retryAfterMs?.(error) ?? 0);
      }
      await this.#sleep.sleep(waitMs);
    }
  }

  async #underLease(): Promise<void> {
    const { signal: stopped } = this.#abort;
    const end = new AbortController();
    const abort = () => end.abort();
    if (stopped.aborted) abort();
    stopped.addEventListener('abort', abort);
    const pause = new InterruptibleSleep(this.#deps.clock);
    const keeping = this.#keep(pause, abort);
    try {
      await this.#work.run({
        signal: end.signal,
        hold: () => this.#hold(end),
        works: () => void this.#outage.recovered(),
      });
    } catch (error) {
      // What it was aborted by is no failure of the work.
      if (this.#owned) throw error;
    } finally {
      stopped.removeEventListener('abort', abort);
      pause.stop();
      // A renewal under way must not come after a release.
      await keeping;
    }
  }

  /** A poll may last longer than the lease, which is therefore renewed meanwhile. */
  async #keep(pause: InterruptibleSleep, lost: () => void): Promise<void> {
    while (!pause.isStopped) {
      await pause.sleep(this.#renewMs);
      if (pause.isStopped) return;
      // Where the database is away no other daemon can take it either.
      if (!(await this.#renew().catch(() => true))) return lost();
    }
  }

  async #hold(lease: AbortController): Promise<boolean> {
    const isFresh = this.#deps.clock.monotonicMs() - this.#renewedAtMs <= this.#renewMs;
    if (!lease.signal.aborted && !isFresh && !(await this.#renew())) lease.abort();
    return !lease.signal.aborted;
  }

  async #renew(): Promise<boolean> {
    const { store, owner, clock } = this.#deps;
    const { name, kind } = this.#work;
    const askedAtMs = clock.monotonicMs();
    this.#owned = await store.lease({ name, kind }, owner, this.#ttlMs);
    if (this.#owned) this.#renewedAtMs = askedAtMs;
    return this.#owned;
  }

  get #ttlMs(): Millis {
    return this.#work.ttlMs ?? LEASE_MS;
  }

  get #renewMs(): Millis {
    return this.#ttlMs * RENEWED_AFTER;
  }

  #log(error: unknown): void {
    const remedy = error instanceof FieldwatchError ? { remedy: error.remedy } : {};
    this.#deps.logger.warn({ error: messageOf(error), ...remedy }, this.#work.failed);
  }
}
