import { FieldwatchError, messageOf } from '../../core/errors.ts';
import { SinkError } from '../../core/notify/sink-error.ts';
import type { Millis } from '../../core/reading.ts';
import { Outage } from '../../lib/outage.ts';
import { InterruptibleSleep } from '../../lib/sleep.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { NotificationStore } from '../../ports/notification.ts';
import type { Clock } from '../../ports/time.ts';

export interface LeaseLoopDeps {
  readonly store: Pick<NotificationStore, 'lease' | 'release'>;
  /** Names this daemon among several. */
  readonly owner: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface LeasedWork {
  /** Of the lease. */
  readonly name: string;
  readonly kind: string;
  /** The line of an outage; its fields say why. */
  readonly failed: string;
  /** Runs under the lease, however long it takes. Called again at once where it resolves; where it rejects, or the lease is lost, later. */
  run(lease: HeldLease): Promise<void>;
}

export interface HeldLease {
  /** Aborted by `stop`, and when another daemon has the lease. */
  readonly signal: AbortSignal;
  /** The outage, if there was one, is over. */
  works(): void;
}

/** The lease outlives a killed daemon by `LEASE_MS` at most, and the others try to take it every `STANDBY_MS`: a takeover lasts the sum at most. */
export const LEASE_MS: Millis = 10_000;
export const STANDBY_MS: Millis = 5000;
/** Two renewals may be lost. */
const RENEW_MS = 3000;
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

  constructor(work: LeasedWork, deps: LeaseLoopDeps) {
    this.#work = work;
    this.#deps = deps;
    this.#sleep = new InterruptibleSleep(deps.clock);
    this.#outage = new Outage(deps.clock);
  }

  start(): void {
    this.#running ??= this.#run();
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
        waitMs = Math.max(RETRY_MS, error instanceof SinkError ? (error.retryAfterMs ?? 0) : 0);
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
      await this.#work.run({ signal: end.signal, works: () => void this.#outage.recovered() });
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

  /** A poll may last longer than the lease, which is therefore renewed beside it. */
  async #keep(pause: InterruptibleSleep, lost: () => void): Promise<void> {
    while (!pause.isStopped) {
      await pause.sleep(RENEW_MS);
      if (pause.isStopped) return;
      // Where the database is away no other daemon can take it either.
      if (!(await this.#renew().catch(() => true))) return lost();
    }
  }

  async #renew(): Promise<boolean> {
    const { store, owner } = this.#deps;
    const { name, kind } = this.#work;
    this.#owned = await store.lease({ name, kind }, owner, LEASE_MS);
    return this.#owned;
  }

  #log(error: unknown): void {
    const remedy = error instanceof FieldwatchError ? { remedy: error.remedy } : {};
    this.#deps.logger.warn({ error: messageOf(error), ...remedy }, this.#work.failed);
  }
}
