import { SerialQueue } from '../lib/serial-queue.ts';
import { sleep } from '../lib/sleep.ts';
import type { Clock } from '../ports/time.ts';
import type { Db } from '../queries/db.ts';

/** After a query, times its duration: a quarter of one session's time is left to readers. */
const PAUSES = 3;
const MAX_PAUSE_MS = 250;

export interface BackgroundDbDeps {
  readonly clock: Clock;
  /** Messages wait longer than usual for their commit. */
  readonly isBehind: () => boolean;
}

/**
 * Queries that give way to intake. While it is behind they run one at a time, each followed by a pause; otherwise as many as there
 * are connections.
 */
export class BackgroundDb implements Db {
  readonly #db: Db;
  readonly #deps: BackgroundDbDeps;
  readonly #queue = new SerialQueue();

  constructor(db: Db, deps: BackgroundDbDeps) {
    this.#db = db;
    this.#deps = deps;
  }

  query<Row>(text: string, values: unknown[]): Promise<{ rows: Row[] }> {
    if (!this.#deps.isBehind()) return this.#db.query<Row>(text, values);
    return new Promise((resolve, reject) => {
      void this.#queue.run(async () => {
        const { clock, isBehind } = this.#deps;
        const startedMs = clock.monotonicMs();
        const answer = this.#db.query<Row>(text, values);
        answer.then(resolve, reject);
        await answer.catch(() => undefined);
        const pauseMs = Math.min(MAX_PAUSE_MS, PAUSES * (clock.monotonicMs() - startedMs));
        if (isBehind()) await sleep(clock, pauseMs);
      });
    });
  }
}
