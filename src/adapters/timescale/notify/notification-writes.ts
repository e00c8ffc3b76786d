import type pg from 'pg';
import { SAYS_OPEN } from '../../../core/notify/delivery.ts';
import type { NewDelivery, NotificationKey } from '../../../ports/alerts.ts';
import { columns } from '../values.ts';

export type Query = (text: string, values: unknown[]) => Promise<pg.QueryResult>;

/** Rows of one statement: 100,000 alerts at once must not hold the database for seconds. */
const SLICE = 2000;

/**
 * The mark "logged" and the queue entries, in one statement each slice: a crash leaves both or neither, and what is
 * published again then changes nothing.
 */
export async function markAndQueue(
  query: Query,
  sent: readonly NotificationKey[],
  deliveries: readonly NewDelivery[],
): Promise<void> {
  const bySlice = new Map<number, NewDelivery[]>();
  const sliceOf = new Map(sent.map((each, index) => [keyOf(each), Math.floor(index / SLICE)]));
  for (const delivery of deliveries) {
    const slice = sliceOf.get(keyOf(delivery)) ?? 0;
    const found = bySlice.get(slice);
    if (found === undefined) bySlice.set(slice, [delivery]);
    else found.push(delivery);
  }
  for (let at = 0; at < sent.length; at += SLICE)
    await query(MARK, valuesOf(sent.slice(at, at + SLICE), bySlice.get(at / SLICE) ?? []));
}

const keyOf = ({ alertId, seq }: NotificationKey) => `${alertId} ${seq}`;

/** Waiting notifications that the end of their episode makes untrue. */
const OUTDATED = `done_at IS NULL AND NOT held
  AND (origin IS NOT NULL OR event IN (${SAYS_OPEN.map((event) => `'${event}'`).join(', ')}))`;

// The end of an episode cancels what is held of it, and what waits and would be untrue. It was not sent, so it is no firing that needs an
// end. OFFSET 0: by the key of each, not through the whole queue.
const MARK = `
WITH marked AS (
  UPDATE alert_outbox o SET sent_at = now() FROM unnest($1::uuid[], $2::int[]) AS s (alert_id, seq)
   WHERE o.alert_id = s.alert_id AND o.seq = s.seq AND o.sent_at IS NULL RETURNING o.alert_id, o.event),
ended AS (
  UPDATE alert_deliveries h SET done_at = now(), outcome = 'cancelled', held = false FROM marked m
   WHERE m.event = 'resolved' AND h.alert_id = m.alert_id AND h.held),
outdated AS (
  UPDATE alert_deliveries w SET done_at = now(), outcome = 'cancelled' FROM marked m
    CROSS JOIN LATERAL (SELECT seq, sink, step FROM alert_deliveries WHERE alert_id = m.alert_id AND ${OUTDATED} OFFSET 0) x
   WHERE m.event = 'resolved' AND (w.alert_id, w.seq, w.sink, w.step) = (m.alert_id, x.seq, x.sink, x.step) AND w.done_at IS NULL)
INSERT INTO alert_deliveries (alert_id, seq, sink, event, alert_type, group_key, group_interval_ms, due_at, origin, held, step, repeat_ms, route)
SELECT n.alert_id, n.seq, n.sink, n.event, n.alert_type, n.group_key, n.group_interval_ms,
       now() + n.due_in_ms * interval '1 ms', n.held_by, n.held_by IS NOT NULL, n.step, n.repeat_ms, n.route
  FROM unnest($3::uuid[], $4::int[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::text[], $10::int[], $11::float8[],
              $12::text[], $13::int[], $14::bigint[], $15::boolean[], $16::text[])
    WITH ORDINALITY AS n (alert_id, seq, sink, event, alert_type, if_notified, group_key, group_interval_ms, due_in_ms,
                          held_by, step, repeat_ms, is_rise, route, ordinal)
 WHERE (NOT n.if_notified OR EXISTS (
   SELECT FROM alert_deliveries e WHERE e.alert_id = n.alert_id AND e.sink = n.sink AND e.seq < n.seq
      AND NOT e.held AND e.outcome IS DISTINCT FROM 'cancelled' AND NOT (n.event = 'resolved' AND ${OUTDATED})))
   AND (n.step = 0 OR NOT EXISTS (
   SELECT FROM alert_deliveries e WHERE e.alert_id = n.alert_id AND e.sink = n.sink AND e.step = n.step
      AND (n.is_rise OR e.outcome IS DISTINCT FROM 'cancelled')))
 ORDER BY n.ordinal
ON CONFLICT DO NOTHING`;

function valuesOf(sent: readonly NotificationKey[], given: readonly NewDelivery[]): unknown[] {
  const ended = new Set(given.filter(({ event }) => event === 'resolved').map(({ alertId }) => alertId));
  const deliveries = given.filter(({ alertId, event }) => !(SAYS_OPEN.includes(event) && ended.has(alertId)));
  // The statement does not see the rows that it inserts itself: a firing and its end in one slice, a step of two routes.
  const isSent = ({ ifNotified, heldBy }: NewDelivery) => !ifNotified && heldBy === undefined;
  const notified = new Set(deliveries.filter(isSent).map(({ alertId, sink }) => `${alertId} ${sink}`));
  const steps = new Set<string>();
  const isNew = ({ alertId, sink, step = 0 }: NewDelivery) =>
    step === 0 || steps.size < steps.add(`${alertId} ${sink} ${step}`).size;
  return [
    ...columns(
      sent,
      ({ alertId }) => alertId,
      ({ seq }) => seq,
    ),
    ...columns(
      deliveries.filter(isNew),
      ({ alertId }) => alertId,
      ({ seq }) => seq,
      ({ sink }) => sink,
      ({ event }) => event,
      ({ alertType }) => alertType,
      ({ ifNotified, alertId, sink }) => ifNotified && !notified.has(`${alertId} ${sink}`),
      ({ groupKey }) => groupKey,
      ({ groupIntervalMs }) => groupIntervalMs,
      ({ dueInMs }) => dueInMs,
      ({ heldBy }) => heldBy ?? null,
      ({ step }) => step ?? 0,
      ({ repeatMs }) => repeatMs ?? null,
      ({ isRise }) => isRise ?? false,
      ({ route }) => route ?? null,
    ),
  ];
}
