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
  /**
   * Runs under the lease, in parts that each take less than it lasts. Called again at once where it resolves; where it rejects, or the
   * lease is lost, later.
   */
  run(lease: HeldLease): Promise<void>;
}

export interface HeldLease {
  /** Aborted by `stop`. */
  readonly signal: AbortSignal;
  /** Keeps the lease; false: another daemon has it. Rejects as the store does. */
  renew(): Promise<boolean>;
  /** The outage, if there was one, is over. */
  works(): void;
}

/** A daemon that is killed holds it so long. */
export const LEASE_MS: Millis = 60_000;
const STANDBY_MS = 10_000;
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
    const lease: HeldLease = {
      signal,
      renew: () => this.#renew(),
      works: () => void this.#outage.recovered(),
    };
    while (!signal.aborted) {
      let waitMs = 0;
      try {
        if (await this.#renew()) await this.#work.run(lease);
        if (!this.#owned) waitMs = STANDBY_MS;
      } catch (error) {
        if (signal.aborted) return;
        if (this.#outage.failed(error)) this.#log(error);
        waitMs = Math.max(RETRY_MS, error instanceof SinkError ? (error.retryAfterMs ?? 0) : 0);
      }
      await this.#sleep.sleep(waitMs);
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
