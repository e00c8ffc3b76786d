import { type BackoffLimits, type RandomSource, backoffMs, slowBackoffMs } from '../../lib/backoff.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { Failure } from './failure.ts';

/** This many accepted connections in a row that end early look like a client id used twice. */
const SUSPICIOUS = 3;
/** A repeated reason is logged again once per this many attempts, with their number. */
const REPEAT_EVERY = 100;

/** Decides how long to wait after a connection ended, and logs the cause once per reason rather than once per attempt. */
export class ReconnectPolicy {
  readonly #limits: BackoffLimits;
  readonly #random: RandomSource;
  readonly #logger: Logger;
  #attempt = 0;
  #shortLived = 0;
  #loggedReason: string | undefined;
  #repeats = 0;

  constructor(limits: BackoffLimits, random: RandomSource, logger: Logger) {
    this.#limits = limits;
    this.#random = random;
    this.#logger = logger;
  }

  /** True while connections end again and again for a reason that is logged already: then a new one is not logged. */
  get isLooping(): boolean {
    return this.#repeats > 0;
  }

  /**
   * `aliveMs` is how long the accepted connection lived; undefined when the broker never accepted it. `adapted`: the
   * next attempt is made differently, so it is not a repetition and needs no long wait.
   */
  afterEnd(end: Failure, aliveMs: number | undefined, adapted = false): number {
    if (aliveMs !== undefined && aliveMs >= this.#limits.capMs) this.#forget();
    const isSuspicious = this.#isShortLivedAgain(end, aliveMs);
    const waitMs =
      (end.slow || isSuspicious) && !adapted
        ? slowBackoffMs(this.#limits, this.#random)
        : backoffMs(this.#attempt, this.#limits, this.#random);
    this.#attempt++;
    this.#report(end, waitMs);
    return waitMs;
  }

  #forget(): void {
    this.#attempt = 0;
    this.#shortLived = 0;
    this.#loggedReason = undefined;
    this.#repeats = 0;
  }

  #report(end: Failure, retryInMs: number): void {
    const fields = { kind: end.kind, reason: end.reason, retry_in_ms: retryInMs, remedy: end.remedy };
    if (end.reason === this.#loggedReason) {
      this.#repeats++;
      if (this.#repeats % REPEAT_EVERY === 0)
        this.#logger.warn({ ...fields, attempts: this.#repeats }, 'mqtt: still not connected');
      else this.#logger.debug(fields, 'mqtt: still not connected');
      return;
    }
    this.#repeats = 0;
    if (end.slow) this.#logger.error(fields, 'mqtt: connection refused, operator action required');
    else this.#logger.warn(fields, 'mqtt: not connected');
    this.#loggedReason = end.reason;
  }

  /**
   * MQTT 3.1.1 has no DISCONNECT from the broker, and mosquitto 2.0 sends none in MQTT 5 either: when another client
   * takes the session over, the connection just closes, again and again. Trying quickly would only evict the other.
   */
  #isShortLivedAgain(end: Failure, aliveMs: number | undefined): boolean {
    if (aliveMs === undefined) return this.#shortLived >= SUSPICIOUS;
    this.#shortLived = end.kind === 'broker_closed' ? this.#shortLived + 1 : 0;
    if (this.#shortLived === SUSPICIOUS) {
      this.#logger.error(
        { remedy: 'Give every daemon its own client_id; the log of the broker says why it closed.' },
        'mqtt: the broker keeps closing accepted connections: another client may use the same client id',
      );
    }
    return this.#shortLived >= SUSPICIOUS;
  }
}
