import type { AlertNotification } from '../../core/alert/model.ts';
import type { Kind, KindCount } from '../../core/notify/grouping.ts';
import type {
  DeliveryOutcome,
  QueuedGroup,
  QueuedNotification,
  SinkQueue,
} from '../../ports/notification.ts';
import type { Query } from './notification-writes.ts';
import { columns } from './values.ts';

const WAITING = 'd.sink = $1 AND d.done_at IS NULL';

/**
 * An episode is sent in order: nothing of it while an earlier notification waits. The sink is compared as an expression,
 * so that the lookup goes by the episode: on a table without statistics the planner would scan the whole queue per row.
 */
const FIRST_OF_EPISODE = `NOT EXISTS (SELECT FROM alert_deliveries e
  WHERE e.alert_id = d.alert_id AND e.sink || '' = d.sink AND e.seq < d.seq AND e.done_at IS NULL)`;

const KINDS = `
SELECT event, alert_type AS "alertType", count(*)::int AS count FROM alert_deliveries d
 WHERE ${WAITING} GROUP BY event, alert_type ORDER BY min(id)`;

const NEXT = `
SELECT d.id::float8 AS id, o.payload AS notification FROM alert_deliveries d JOIN alert_outbox o USING (alert_id, seq)
 WHERE ${WAITING} AND ${FIRST_OF_EPISODE} AND NOT EXISTS (
   SELECT FROM unnest($3::text[], $4::text[]) AS x (event, alert_type) WHERE x.event = d.event AND x.alert_type = d.alert_type)
 ORDER BY d.id LIMIT $2`;

const GROUP = `
SELECT count(*)::int AS total, coalesce(max(id), 0)::float8 AS "lastId" FROM alert_deliveries d
 WHERE ${WAITING} AND d.event = $2 AND d.alert_type = $3 AND ${FIRST_OF_EPISODE}`;

const GROUP_FIRST = `
SELECT o.payload FROM alert_deliveries d JOIN alert_outbox o USING (alert_id, seq)
 WHERE ${WAITING} AND d.event = $2 AND d.alert_type = $3 AND ${FIRST_OF_EPISODE} ORDER BY d.id LIMIT $4`;

const SETTLE_GROUP = `
UPDATE alert_deliveries d SET done_at = now(), outcome = $5
 WHERE ${WAITING} AND d.event = $2 AND d.alert_type = $3 AND d.id <= $4 AND ${FIRST_OF_EPISODE}`;

/** The stored queue of one sink. */
export class StoredQueue implements SinkQueue {
  readonly #query: Query;
  readonly #sink: string;

  constructor(query: Query, sink: string) {
    this.#query = query;
    this.#sink = sink;
  }

  async kinds(): Promise<readonly KindCount[]> {
    return (await this.#query(KINDS, [this.#sink])).rows as KindCount[];
  }

  async next(limit: number, except: readonly Kind[]): Promise<readonly QueuedNotification[]> {
    const kinds = columns(
      except,
      ({ event }) => event,
      ({ alertType }) => alertType,
    );
    return (await this.#query(NEXT, [this.#sink, limit, ...kinds])).rows as QueuedNotification[];
  }

  async group({ event, alertType }: Kind, names: number): Promise<QueuedGroup> {
    const of = [this.#sink, event, alertType];
    const counted = (await this.#query(GROUP, of)).rows as { total: number; lastId: number }[];
    const first = (await this.#query(GROUP_FIRST, [...of, names])).rows as { payload: AlertNotification }[];
    const { total = 0, lastId = 0 } = counted[0] ?? {};
    return { total, lastId, first: first.map(({ payload }) => payload) };
  }

  async confirm(ids: readonly number[], outcome: DeliveryOutcome): Promise<void> {
    await this.#query(
      `UPDATE alert_deliveries SET done_at = now(), outcome = $3
        WHERE sink = $1 AND id = ANY($2::bigint[]) AND done_at IS NULL`,
      [this.#sink, ids, outcome],
    );
  }

  async confirmGroup(
    { event, alertType }: Kind,
    { lastId }: QueuedGroup,
    outcome: DeliveryOutcome,
  ): Promise<void> {
    await this.#query(SETTLE_GROUP, [this.#sink, event, alertType, lastId, outcome]);
  }
}
