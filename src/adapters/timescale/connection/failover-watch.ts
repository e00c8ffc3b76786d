import type { Counter, Logger, Metrics } from '../../../ports/metrics.ts';
import type { StorableReading } from '../../../ports/store.ts';
import type { Clock } from '../../../ports/time.ts';
import { RecentCommits } from './recent-commits.ts';
import { type QueryClient, type Timeline, readTimeline } from './timeline.ts';

/**
 * Detects that the database failed over to another server, and whether that server has everything that was acknowledged:
 * with synchronous replication it has, with asynchronous it may lack the last commits, which no sensor sends again.
 */
export class FailoverWatch {
  readonly #logger: Logger;
  readonly #commits: RecentCommits;
  readonly #failovers: Counter;
  readonly #lost: Counter;
  #timeline: Timeline | undefined;

  constructor({ clock, logger, metrics }: { clock: Clock; logger: Logger; metrics: Metrics }) {
    this.#logger = logger;
    this.#commits = new RecentCommits(clock);
    this.#failovers = metrics.counter('fieldwatch_database_failovers_total', 'Database failovers detected');
    this.#lost = metrics.counter(
      'fieldwatch_database_failover_lost_readings_total',
      'Readings that were acknowledged and that the new primary does not have, at most',
    );
  }

  committed(readings: readonly StorableReading[]): void {
    this.#commits.note(readings);
  }

  /** On each new connection. */
  async connected(client: QueryClient): Promise<void> {
    const timeline = await readTimeline(client);
    if (timeline === undefined) return;
    const former = this.#timeline;
    if (former !== undefined && former.cluster === timeline.cluster && former.id < timeline.id)
      await this.#classify(client, former, timeline);
    this.#timeline = timeline;
  }

  async #classify(client: QueryClient, former: Timeline, timeline: Timeline): Promise<void> {
    const missing = await this.#commits.missingFrom(client);
    this.#failovers.inc();
    const fields = { timeline: timeline.id, former_timeline: former.id };
    if (missing === undefined) {
      this.#logger.warn(fields, 'database failed over, no acknowledged readings lost');
      return;
    }
    this.#lost.inc(missing.readings);
    this.#logger.error(
      {
        ...fields,
        code: 'DB_FAILOVER_LOSS',
        readings: missing.readings,
        since: new Date(missing.sinceMs).toISOString(),
        remedy:
          'The former primary may still have them. Synchronous replication (synchronous_standby_names) loses nothing.',
      },
      'database failed over, acknowledged readings lost',
    );
  }
}
