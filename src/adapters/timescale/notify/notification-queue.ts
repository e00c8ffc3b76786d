import { SUPPRESSIBLE } from '../../../core/notify/delivery.ts';
import type {
  DeliveryOutcome,
  GroupName,
  QueuedGroup,
  QueuedNotification,
  SinkQueue,
  WaitingGroup,
} from '../../../ports/notification.ts';
import type { Query } from './notification-writes.ts';

const WAITING = 'd.sink = $1 AND d.done_at IS NULL AND NOT d.held';

/**
 * An episode is sent in order: nothing of it while an earlier notification waits. OFFSET 0 has the lookup go by the episode alone: on a
 * table without statistics the planner would combine that index with the one of the queue, and read the whole queue per row.
 */
const FIRST_OF_EPISODE = `NOT EXISTS (
  SELECT FROM (SELECT * FROM alert_deliveries WHERE alert_id = d.alert_id OFFSET 0) e
   WHERE e.sink = d.sink AND (e.seq, e.step) < (d.seq, d.step) AND e.done_at IS NULL AND NOT e.held)`;

/** Rows of earlier versions have no group: they are grouped by their type. */
const GROUP_KEY = `coalesce(d.group_key, json_build_object('alert_type', d.alert_type)::text)`;
const OF_GROUP = `${WAITING} AND d.event = $2 AND ${GROUP_KEY} = $3`;

const COUNT = `SELECT count(*)::int AS count FROM alert_deliveries d WHERE ${WAITING}`;

/** A group to which so many were added within the last seconds still grows: it is sent once it does not, or after its interval. */
const GROWING = 50;
const GROWN_AFTER = `interval '10 s'`;

const GROUPS = `
SELECT q.event, q.group_key AS "groupKey",
  (extract(epoch FROM greatest(q.due_at, g.flushed_at + q.every * interval '1 ms',
     CASE WHEN q.recent >= ${GROWING} THEN least(q.newest + ${GROWN_AFTER}, q.due_at + q.every * interval '1 ms') END) - now()) * 1000)::float8
     AS "dueInMs"
FROM (SELECT d.event, ${GROUP_KEY} AS group_key, min(coalesce(d.due_at, d.created_at)) AS due_at, min(d.group_interval_ms) AS every,
             max(d.created_at) AS newest, count(*) FILTER (WHERE d.created_at > now() - ${GROWN_AFTER}) AS recent
        FROM alert_deliveries d WHERE ${WAITING} GROUP BY 1, 2) q
LEFT JOIN notify_groups g ON g.sink = $1 AND g.event = q.event AND g.group_key = q.group_key
ORDER BY 3 LIMIT $2`;

/** While a firing waits for others of its group its episode may end: its text says that it is over, and the end follows. */
const AS_IT_IS = `CASE WHEN d.event IN ('firing', 'escalated') AND NOT o.payload ? 'past' AND EXISTS (
    SELECT FROM alert_outbox n WHERE n.alert_id = d.alert_id AND n.seq > d.seq AND n.event = 'resolved')
  THEN o.payload || '{"past": "over"}' ELSE o.payload END`;

/**
 * A delivery that was made later than its notification is sent as the newest of its episode, under the event that it is for.
 * `o` is the notification of the row.
 */
const PAYLOAD = `CASE WHEN d.origin IS NULL THEN ${AS_IT_IS} ELSE coalesce((
    SELECT n.payload FROM alert_outbox n WHERE n.alert_id = d.alert_id AND n.seq > d.seq
      AND n.event IN ('firing', 'escalated', 'deescalated', 'reminder') ORDER BY n.seq DESC LIMIT 1), o.payload)
  || jsonb_build_object('seq', d.seq, 'event', d.event) END`;
/** The sinks that had an escalated alert before, in the order in which they were notified first. */
const NOTIFIED = `CASE WHEN d.step > 0 THEN ARRAY(
    SELECT e.sink FROM (SELECT * FROM alert_deliveries WHERE alert_id = d.alert_id OFFSET 0) e
     WHERE e.sink <> d.sink AND e.outcome = 'sent' GROUP BY e.sink ORDER BY min(e.id) LIMIT 10) END`;
const ITEM = `d.id::float8 AS id, ${PAYLOAD} AS notification, d.origin, d.step, ${NOTIFIED} AS notified`;
/** Each row by its key: the planner takes a group for a few rows, however many they are, and would read the outbox for each of them. */
const JOINED = `alert_deliveries d JOIN LATERAL (
  SELECT payload FROM alert_outbox WHERE alert_id = d.alert_id AND seq = d.seq OFFSET 0) o ON true`;

const IS_SUPPRESSED = `s.alert_id = d.alert_id AND (s.detail ? 'deferred' OR s.detail ? 'owed')`;

const NEXT = `SELECT ${ITEM}, EXISTS (SELECT FROM alert_state s WHERE ${IS_SUPPRESSED}) AS suppressed FROM ${JOINED} WHERE ${WAITING} AND ${FIRST_OF_EPISODE} ORDER BY d.id LIMIT $2`;

export const groupSql = `
SELECT count(*)::int AS total, coalesce(max(id), 0)::float8 AS "lastId" FROM alert_deliveries d
 WHERE ${OF_GROUP} AND ${FIRST_OF_EPISODE}`;

export const groupFirstSql = `
SELECT ${ITEM} FROM ${JOINED} WHERE ${OF_GROUP} AND ${FIRST_OF_EPISODE}
 ORDER BY array_position(ARRAY['critical', 'warning', 'info'], o.payload->>'severity'), d.id LIMIT $4`;

/** The next reminder of each episode, from now on; `done` has what was sent. */
const REMIND = `
INSERT INTO alert_deliveries (alert_id, seq, sink, event, alert_type, step, origin, held, due_at, group_key, group_interval_ms, repeat_ms, route)
SELECT DISTINCT ON (n.alert_id) n.alert_id, n.seq, n.sink, 'reminder', n.alert_type,
       least(0, (SELECT min(e.step) FROM alert_deliveries e WHERE e.alert_id = n.alert_id AND e.sink || '' = n.sink)) - 1,
       'reminder', true, now() + n.repeat_ms * interval '1 ms', n.group_key, n.group_interval_ms, n.repeat_ms, n.route
  FROM done n WHERE n.repeat_ms IS NOT NULL
   AND NOT EXISTS (SELECT FROM alert_outbox o WHERE o.alert_id = n.alert_id AND o.event = 'resolved')
 ORDER BY n.alert_id, n.seq DESC
ON CONFLICT (alert_id, sink) WHERE held AND origin = 'reminder' DO UPDATE SET due_at = excluded.due_at, seq = excluded.seq`;

/** No reminder follows: the notification at the end of the suppression has one. */
const CANCEL = `
UPDATE alert_deliveries SET done_at = now(), outcome = 'cancelled' WHERE sink = $1 AND id = ANY($2::bigint[]) AND done_at IS NULL`;

const CANCEL_SUPPRESSED = `
UPDATE alert_deliveries d SET done_at = now(), outcome = 'cancelled' FROM alert_state s WHERE ${OF_GROUP} AND ${IS_SUPPRESSED}`;

const CONFIRM = `
WITH done AS (UPDATE alert_deliveries d SET done_at = now(), outcome = $3
  WHERE sink = $1 AND id = ANY($2::bigint[]) AND done_at IS NULL RETURNING d.*)
${REMIND}`;

const CONFIRM_GROUP = `
WITH done AS (UPDATE alert_deliveries d SET done_at = now(), outcome = $5
  WHERE ${OF_GROUP} AND d.id <= $4 AND ${FIRST_OF_EPISODE} RETURNING d.*),
flushed AS (INSERT INTO notify_groups (sink, event, group_key, flushed_at) VALUES ($1, $2, $3, now())
  ON CONFLICT (sink, event, group_key) DO UPDATE SET flushed_at = excluded.flushed_at)
${REMIND}`;

interface Candidate extends QueuedNotification {
  /** Its alert is suppressed at this moment. */
  readonly suppressed: boolean;
}

const isSuppressed = ({ suppressed, notification }: Candidate): boolean =>
  suppressed && SUPPRESSIBLE.includes(notification.event);

/** The stored queue of one sink. */
export class StoredQueue implements SinkQueue {
  readonly #query: Query;
  readonly #sink: string;

  constructor(query: Query, sink: string) {
    this.#query = query;
    this.#sink = sink;
  }

  async waiting(): Promise<number> {
    const rows = (await this.#query(COUNT, [this.#sink])).rows as { count: number }[];
    return rows[0]?.count ?? 0;
  }

  async groups(limit: number): Promise<readonly WaitingGroup[]> {
    return (await this.#query(GROUPS, [this.#sink, limit])).rows as WaitingGroup[];
  }

  async next(limit: number): Promise<readonly QueuedNotification[]> {
    for (;;) {
      const rows = (await this.#query(NEXT, [this.#sink, limit])).rows as Candidate[];
      const suppressed = rows.filter(isSuppressed).map(({ id }) => id);
      if (suppressed.length === 0) return rows.map(({ suppressed: _, ...queued }) => queued);
      await this.#query(CANCEL, [this.#sink, suppressed]);
    }
  }

  async group({ event, groupKey }: GroupName, names: number): Promise<QueuedGroup> {
    const of = [this.#sink, event, groupKey];
    if (SUPPRESSIBLE.includes(event)) await this.#query(CANCEL_SUPPRESSED, of);
    const counted = (await this.#query(groupSql, of)).rows as { total: number; lastId: number }[];
    const first = (await this.#query(groupFirstSql, [...of, names])).rows as QueuedNotification[];
    const { total = 0, lastId = 0 } = counted[0] ?? {};
    return { total, lastId, first };
  }

  async confirm(ids: readonly number[], outcome: DeliveryOutcome): Promise<void> {
    await this.#query(CONFIRM, [this.#sink, ids, outcome]);
  }

  async confirmGroup(
    { event, groupKey }: GroupName,
    { lastId }: QueuedGroup,
    outcome: DeliveryOutcome,
  ): Promise<void> {
    await this.#query(CONFIRM_GROUP, [this.#sink, event, groupKey, lastId, outcome]);
  }
}
