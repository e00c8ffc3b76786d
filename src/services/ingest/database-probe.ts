import { Outage, type Trouble } from '../../lib/outage.ts';
import { PollLoop } from '../../lib/poll-loop.ts';
import { unlessAborted, withDeadline } from '../../lib/timeout.ts';
import type { Clock } from '../../ports/time.ts';

export interface DatabaseProbeDeps {
  /** Rejects with what keeps the database from accepting writes. */
  readonly query: () => Promise<void>;
  /** The database accepts writes again: pending retries need not wait any longer. */
  readonly onBack?: () => void;
  readonly clock: Clock;
}

/** Together the longest time until an outage is detected when nothing is written. */
const EVERY_MS = 4000;
const ANSWER_MS = 5000;

/** Probes the database regularly, whether or not anything is written. */
export class DatabaseProbe {
  readonly #deps: DatabaseProbeDeps;
  readonly #loop: PollLoop;
  readonly #outage: Outage;

  constructor(deps: DatabaseProbeDeps) {
    this.#deps = deps;
    this.#outage = new Outage(deps.clock);
    this.#loop = new PollLoop({ clock: deps.clock, everyMs: EVERY_MS, run: () => this.#probe() });
  }

  /** Undefined while the database answers. */
  get trouble(): Trouble | undefined {
    return this.#outage.trouble;
  }

  /** Probes at once, and from then on regularly. Never rejects. */
  start(): Promise<void> {
    return this.#loop.now();
  }

  stop(): void {
    void this.#loop.stop();
  }

  async #probe(): Promise<void> {
    const { clock, query, onBack } = this.#deps;
    try {
      await withDeadline(clock, { ms: ANSWER_MS }, (signal) => unlessAborted(query(), signal));
      const wasAway = this.#outage.recovered() !== undefined;
      if (wasAway && !this.#loop.isStopped) onBack?.();
    } catch (error) {
      this.#outage.failed(error);
    }
  }
}
