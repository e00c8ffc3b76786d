import type pg from 'pg';
import type { NewDelivery, NotificationKey } from '../../ports/alerts.ts';
import { columns } from './values.ts';

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

const MARK = `
WITH marked AS (
  UPDATE alert_outbox o SET sent_at = now() FROM unnest($1::uuid[], $2::int[]) AS s (alert_id, seq)
   WHERE o.alert_id = s.alert_id AND o.seq = s.seq AND o.sent_at IS NULL)
INSERT INTO alert_deliveries (alert_id, seq, sink, event, alert_type)
SELECT n.alert_id, n.seq, n.sink, n.event, n.alert_type
  FROM unnest($3::uuid[], $4::int[], $5::text[], $6::text[], $7::text[], $8::boolean[])
    WITH ORDINALITY AS n (alert_id, seq, sink, event, alert_type, if_told, ordinal)
 WHERE NOT n.if_told OR EXISTS (
   SELECT FROM alert_deliveries e WHERE e.alert_id = n.alert_id AND e.sink = n.sink AND e.seq < n.seq)
 ORDER BY n.ordinal
ON CONFLICT DO NOTHING`;

function valuesOf(sent: readonly NotificationKey[], deliveries: readonly NewDelivery[]): unknown[] {
  // A firing and its end in one slice: the statement does not see the rows that it inserts itself.
  const notified = new Set(
    deliveries.filter(({ ifNotified }) => !ifNotified).map(({ alertId, sink }) => `${alertId} ${sink}`),
  );
  return [
    ...columns(
      sent,
      ({ alertId }) => alertId,
      ({ seq }) => seq,
    ),
    ...columns(
      deliveries,
      ({ alertId }) => alertId,
      ({ seq }) => seq,
      ({ sink }) => sink,
      ({ event }) => event,
      ({ alertType }) => alertType,
      ({ ifNotified, alertId, sink }) => ifNotified && !notified.has(`${alertId} ${sink}`),
    ),
  ];
}
