import { messageOf } from '../../core/errors.ts';
import { codeOf } from '../../lib/outage-monitor.ts';
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

export interface DatabaseTrouble {
  readonly code: string;
  readonly message: string;
}

/** Together the longest time until an outage is detected when nothing is written. */
const EVERY_MS = 4000;
const ANSWER_MS = 5000;

/** Probes the database regularly, whether or not anything is written. */
export class DatabaseProbe {
  readonly #deps: DatabaseProbeDeps;
  readonly #loop: PollLoop;
  #trouble: DatabaseTrouble | undefined;

  constructor(deps: DatabaseProbeDeps) {
    this.#deps = deps;
    this.#loop = new PollLoop({ clock: deps.clock, everyMs: EVERY_MS, run: () => this.#probe() });
  }

  /** Undefined while the database answers. */
  get trouble(): DatabaseTrouble | undefined {
    return this.#trouble;
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
      const wasAway = this.#trouble !== undefined;
      this.#trouble = undefined;
      if (wasAway && !this.#loop.isStopped) onBack?.();
    } catch (error) {
      this.#trouble = { code: codeOf(error), message: messageOf(error) };
    }
  }
}
