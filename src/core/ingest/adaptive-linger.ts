import type { Millis } from '../reading.ts';

/** Wait per time of a commit: a daemon with little to do spends at most a third of its time in commits. */
const PER_COMMIT = 2;
/** However fast the database is: each batch costs CPU on both sides. */
const LEAST_MS = 4;
/** Long enough to make batches large under load, where many messages would wait as long. */
const MOST_FILLED_MS = 20;
/** A daemon that works for this share of the time waits that long: its CPU is worth more than the milliseconds. */
const BUSY = 0.5;
/** Limit for a member of a large group. */
const LONGEST_SHARED_MS = 200;
const WEIGHT = 0.2;

/**
 * How long the first message of a batch waits for further ones. One with few messages waits as long as it may. One that
 * fills waits a multiple of what a commit takes: where commits are fast and CPU is
 * left, waiting longer only delays the reading; where they wait for a slow disk, or the daemon is busy, fewer and larger ones
 * relieve it. Members that share the messages wait as many times longer as they are: each gets that much less, and together they
 * commit as often as one would.
 */
export class AdaptiveLinger {
  readonly #mostMs: Millis;
  #commitMs: Millis | undefined;
  #load = 0;

  /** @param mostMs `ingest.batch.linger` */
  constructor(mostMs: Millis) {
    this.#mostMs = mostMs;
  }

  /** The wait of a batch that is not sparse. `members`: daemons that share the messages, this one included. */
  filledMs(members = 1): Millis {
    return this.#shared(members, this.#alone());
  }

  /** The wait of a sparse batch. */
  sparseMs(members = 1): Millis {
    return this.#shared(members, this.#mostMs);
  }

  /** A batch was committed. `commitMs`: how long that took; `load`: for what share of the time the daemon was busy since the last one. */
  observe(commitMs: Millis, load: number): void {
    // A batch that waited for the database to come back says nothing beyond "slow".
    const counted = Math.min(commitMs, this.#mostMs);
    this.#commitMs =
      this.#commitMs === undefined ? counted : this.#commitMs + WEIGHT * (counted - this.#commitMs);
    this.#load += WEIGHT * (load - this.#load);
  }

  #shared(members: number, aloneMs: Millis): Millis {
    return Math.min(Math.max(this.#mostMs, LONGEST_SHARED_MS), members * aloneMs);
  }

  #alone(): Millis {
    const mostMs = Math.min(this.#mostMs, MOST_FILLED_MS);
    if (this.#commitMs === undefined) return mostMs;
    const quick = Math.max(LEAST_MS, PER_COMMIT * this.#commitMs);
    return Math.min(mostMs, Math.max(quick, mostMs * (this.#load / BUSY)));
  }
}
