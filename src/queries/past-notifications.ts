import type { AlertChange, ResolveReason, Severity, Side, SuppressedBy } from '../core/alert/model.ts';
import { isAlertChange, OF_NO_END } from '../core/alert/model.ts';
import type { OutgoingNotification, SensorFactsOf } from '../core/notify/delivery.ts';
import type { Db } from './db.ts';

/** A notification of an alert, with the facts about its sensor as they are now. */
export type PastNotification = AlertChange & { readonly facts: SensorFactsOf };

/** Rows of an episode that escalated are several: as many again are read, and more of them are not found. */
const ROWS_PER_EPISODE = 10;

export const lastEpisodesSql = `
SELECT "alertId" FROM (
  SELECT alert_id AS "alertId", max(time) AS newest FROM (
    (SELECT alert_id, time FROM sensor_alerts WHERE alert_id IS NOT NULL ORDER BY time DESC LIMIT $1)
    UNION ALL
    (SELECT alert_id, started_at FROM system_alerts ORDER BY started_at DESC LIMIT $2)
  ) r GROUP BY alert_id ORDER BY newest DESC LIMIT $2
) e ORDER BY newest`;

/** The newest episodes, the oldest of them first. */
export async function lastEpisodes(db: Db, most: number): Promise<readonly string[]> {
  const { rows } = await db.query<{ alertId: string }>(lastEpisodesSql, [most * ROWS_PER_EPISODE, most]);
  return rows.map(({ alertId }) => alertId);
}

export const announcedSql = `
SELECT o.payload, s.name, s.location FROM alert_outbox o LEFT JOIN sensors s ON s.id = (o.payload ->> 'sensorId')::int
WHERE o.alert_id = $1::uuid ORDER BY o.seq LIMIT 1000`;

// The outbox forgets what was sent in time, the rows of an alert stay.
export const alertRowsSql = `
SELECT a.sensor_id AS "sensorId", coalesce(s.key, '#' || a.sensor_id) AS "sensorKey", s.name, s.location,
  a.alert_type AS "alertType", a.metric, a.kind, a.side, a.severity, a.message, a.value, a.threshold,
  extract(epoch FROM a.time)::float8 * 1000 AS "timeMs", extract(epoch FROM a.started_at)::float8 * 1000 AS "startedAtMs",
  extract(epoch FROM a.resolved_at)::float8 * 1000 AS "resolvedAtMs", a.resolved_value AS "resolvedValue",
  a.resolve_reason AS reason, a.peak_value AS "peakValue", a.suppressed
FROM sensor_alerts a LEFT JOIN sensors s ON s.id = a.sensor_id WHERE a.alert_id = $1::uuid ORDER BY a.time LIMIT 100`;

export const escalationsSql = `
SELECT d.sink, d.step, d.seq, extract(epoch FROM d.done_at)::float8 * 1000 AS "sentAtMs",
  ARRAY(SELECT e.sink FROM alert_deliveries e WHERE e.alert_id = d.alert_id AND e.sink <> d.sink AND e.outcome = 'sent'
    AND e.done_at <= d.done_at GROUP BY e.sink ORDER BY min(e.id)) AS notified
FROM alert_deliveries d WHERE d.alert_id = $1::uuid AND d.step > 0 AND d.outcome = 'sent' ORDER BY d.id LIMIT 100`;

/** A notification that was made since an episode was not acknowledged in time. */
export interface PastEscalation {
  readonly sink: string;
  /** Seconds after the firing. */
  readonly step: number;
  readonly seq: number;
  readonly sentAtMs: number;
  readonly notified: readonly string[];
}

/** The escalations of an episode that were sent. */
export const pastEscalations = async (db: Db, alertId: string): Promise<readonly PastEscalation[]> =>
  (await db.query<PastEscalation>(escalationsSql, [alertId])).rows;

/** The notification that was sent: the newest that was known of the episode by then, under the event that it was for. */
export function escalated(
  { step, seq, sentAtMs, notified }: PastEscalation,
  all: readonly PastNotification[],
): (PastNotification & Pick<OutgoingNotification, 'origin' | 'escalatedAfterS' | 'notified'>) | undefined {
  const newest = all.findLast(
    (each) => each.eventTimeMs <= sentAtMs && each.seq >= seq && each.event !== 'resolved',
  );
  if (newest === undefined) return undefined;
  return { ...newest, seq, event: 'firing', origin: 'escalation', escalatedAfterS: step, notified };
}

interface AnnouncedRow extends SensorFactsOf {
  readonly payload: AlertChange;
}

interface AlertRow extends SensorFactsOf {
  readonly sensorId: number;
  readonly sensorKey: string;
  readonly alertType: string;
  readonly metric: string | null;
  readonly kind: string | null;
  readonly side: Side | null;
  readonly severity: Severity;
  readonly message: string | null;
  readonly value: number | null;
  readonly threshold: number | null;
  readonly timeMs: number;
  readonly startedAtMs: number | null;
  readonly resolvedAtMs: number | null;
  readonly resolvedValue: number | null;
  readonly reason: ResolveReason | null;
  readonly peakValue: number | null;
  readonly suppressed: SuppressedBy | null;
}

/** Notifications of an episode, in order: as it is kept, otherwise by its rows. */
export async function pastNotifications(db: Db, alertId: string): Promise<readonly PastNotification[]> {
  const { rows: announced } = await db.query<AnnouncedRow>(announcedSql, [alertId]);
  const kept = announced
    .filter(({ payload }) => isAlertChange(payload))
    .map(({ payload, name, location }) => ({ ...payload, facts: { name, location } }));
  if (kept.length > 0) return kept;
  return fromRows(alertId, (await db.query<AlertRow>(alertRowsSql, [alertId])).rows);
}

function fromRows(alertId: string, rows: readonly AlertRow[]): PastNotification[] {
  const [first] = rows;
  const last = rows.at(-1);
  if (first === undefined || last === undefined) return [];
  const crossings = rows.map((row, index) => ofRow(alertId, row, first, index));
  const { resolvedAtMs, resolvedValue, reason, peakValue } = last;
  if (resolvedAtMs === null) return crossings;
  const base = ofRow(alertId, last, first, rows.length);
  const durationS = (resolvedAtMs - base.startedAtMs) / 1000;
  return [
    ...crossings,
    {
      ...{ ...base, event: 'resolved', eventTimeMs: resolvedAtMs, durationS },
      ...{ value: resolvedValue, resolvedValue, peakValue, reason: reason ?? 'value' },
    },
  ];
}

function ofRow(alertId: string, row: AlertRow, first: AlertRow, index: number): PastNotification {
  const { metric, kind, side, name, location } = row;
  return {
    ...{ alertId, seq: index + 1, event: index === 0 ? 'firing' : 'escalated' },
    ...{ sensorId: row.sensorId, sensorKey: row.sensorKey, alertType: row.alertType },
    // A row of an operator's own INSERT has none of them.
    ...(metric === null || kind === null ? {} : { metric, kind, ...(side === null ? {} : { side }) }),
    ...{ severity: row.severity, message: row.message ?? '', value: row.value, threshold: row.threshold },
    ...{ eventTimeMs: row.timeMs, startedAtMs: first.startedAtMs ?? first.timeMs, firedAtMs: first.timeMs },
    ...OF_NO_END,
    suppressed: row.suppressed,
    facts: { name, location },
  };
}

export const firstDeliveriesSql = `
SELECT sink, seq, outcome FROM alert_deliveries WHERE alert_id = $1::uuid AND step = 0 ORDER BY id LIMIT 1000`;

/** Outcome of one notification at one sink. */
export interface PastDelivery {
  readonly sink: string;
  readonly seq: number;
  /** Null while it waits. */
  readonly outcome: string | null;
}

/** Deliveries of an episode, without escalations and the reminders of routes. */
export const pastDeliveries = async (db: Db, alertId: string): Promise<readonly PastDelivery[]> =>
  (await db.query<PastDelivery>(firstDeliveriesSql, [alertId])).rows;

/** Outcome of a notification at a sink, or at any where none is named: `none` if it was never for that sink; null: not known. */
export function outcomeAt(
  all: readonly PastDelivery[],
  sink: string | undefined,
): (each: Pick<PastNotification, 'seq'>) => string | null {
  return ({ seq }) => {
    // They are not kept any more.
    if (all.length === 0) return null;
    const found = all.filter((each) => each.seq === seq && (sink === undefined || each.sink === sink));
    if (found.length === 0) return sink === undefined ? null : 'none';
    return found.some(({ outcome }) => outcome === 'sent') ? 'sent' : (found[0]?.outcome ?? 'waits');
  };
}

/** Why a notification of an episode was not sent; an end is sent only to sinks that had the firing. */
export function unsentOf(
  all: readonly Pick<PastNotification, 'event' | 'suppressed'>[],
): (each: Pick<PastNotification, 'event' | 'suppressed'>) => string | null {
  const wasSent = all.some(({ event, suppressed = null }) => event !== 'resolved' && suppressed === null);
  const first = all.find(({ suppressed = null }) => suppressed !== null)?.suppressed ?? null;
  return ({ event, suppressed = null }) => {
    if (event !== 'resolved') return suppressed;
    return wasSent ? null : (suppressed ?? first);
  };
}
