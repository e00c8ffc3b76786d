import { messageOf } from '../../core/errors.ts';
import { codeOf } from '../../lib/outage-monitor.ts';
import { unlessAborted, withDeadline } from '../../lib/timeout.ts';
import type { Clock, Timer } from '../../ports/time.ts';

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
  #timer: Timer | undefined;
  #stopped = false;
  #trouble: DatabaseTrouble | undefined;

  constructor(deps: DatabaseProbeDeps) {
    this.#deps = deps;
  }

  /** Undefined while the database answers. */
  get trouble(): DatabaseTrouble | undefined {
    return this.#trouble;
  }

  /** Probes at once, and from then on regularly. Never rejects. */
  async start(): Promise<void> {
    const { clock, query, onBack } = this.#deps;
    try {
      await withDeadline(clock, { ms: ANSWER_MS }, (signal) => unlessAborted(query(), signal));
      const wasAway = this.#trouble !== undefined;
      this.#trouble = undefined;
      if (wasAway && !this.#stopped) onBack?.();
    } catch (error) {
      this.#trouble = { code: codeOf(error), message: messageOf(error) };
    }
    if (!this.#stopped) this.#timer = clock.after(EVERY_MS, () => void this.start());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }
}
