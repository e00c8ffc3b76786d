import type { Severity } from '../core/alert/model.ts';
import type { Matchers } from '../core/alert/rules/config.ts';
import { type AlertListRow, COLUMNS, IS_ACKED, SYSTEM_COLUMNS } from './alerts.ts';
import type { Db, TimeRange } from './db.ts';

/**
 * Alerts as episodes: one of each, whatever severities it went through. An episode is shown as its newest row, which is that of the
 * most urgent severity it reached. A row of an operator's own INSERT has no alert_id: it is an episode of its own.
 */
export interface EpisodeRow extends AlertListRow {
  /** `time` to the microsecond, as the database writes it. */
  readonly at: string;
  readonly name: string | null;
  /** Of the sensor. */
  readonly type: string | null;
  readonly tags: readonly string[];
  readonly metric: string | null;
  readonly kind: string | null;
  readonly backfilled: boolean;
  readonly state: string;
  /** Why it is not notified now. */
  readonly deferredBy: string | null;
  readonly system: boolean;
  /** Of an open one: its row has the peak at its end. */
  readonly peakSoFar: number | null;
}

const FURTHER = `a.time::text AS at, s.name, s.type, coalesce(s.tags, '{}') AS tags, a.metric, a.kind, a.backfilled, false AS system,
  coalesce(a.alert_id::text, '') AS episode`;
const SYSTEM_FURTHER = `a.started_at::text AS at, NULL::text AS name, NULL::text AS type, '{}'::text[] AS tags, NULL::text AS metric,
  NULL::text AS kind, false AS backfilled, true AS system, a.alert_id::text AS episode`;

const EPISODES = `
SELECT ${COLUMNS}, ${FURTHER}, CASE WHEN a.resolved_at IS NULL THEN coalesce(st.state, 'firing') ELSE 'resolved' END AS state,
  st.detail ->> 'deferred' AS "deferredBy", st.peak_value AS "peakSoFar"
FROM sensor_alerts a LEFT JOIN sensors s ON s.id = a.sensor_id
LEFT JOIN alert_state st ON a.resolved_at IS NULL AND st.sensor_id = a.sensor_id AND st.metric = a.metric
  AND st.alert_id = a.alert_id`;

const SYSTEM_EPISODES = `
SELECT ${SYSTEM_COLUMNS}, ${SYSTEM_FURTHER}, CASE WHEN a.resolved_at IS NULL THEN 'firing' ELSE 'resolved' END AS state,
  NULL::text AS "deferredBy", NULL::float8 AS "peakSoFar"
FROM system_alerts a`;

/** No later row of the same episode. */
const NEWEST = `NOT EXISTS (SELECT FROM sensor_alerts b WHERE b.sensor_id = a.sensor_id AND b.alert_id = a.alert_id AND b.time > a.time)`;

// $1 sensor, $2 location, $3 type, $4 alert type, $5 severities, $6 acknowledged: each null for any.
const WANTED = `($1::text IS NULL OR s.key = $1) AND ($2::text IS NULL OR s.location = $2) AND ($3::text IS NULL OR s.type = $3)
  AND ($4::text IS NULL OR a.alert_type = $4) AND ($5::text[] IS NULL OR a.severity = ANY ($5))
  AND ($6::boolean IS NULL OR ${IS_ACKED} = $6)`;
const SYSTEM_WANTED = `($1::text IS NULL OR a.subject = $1) AND $2::text IS NULL AND $3::text IS NULL
  AND ($4::text IS NULL OR a.alert_type = $4) AND ($5::text[] IS NULL OR a.severity = ANY ($5)) AND $6::boolean IS DISTINCT FROM true`;

// The page after $7 to $11: time, sensor, type, key, episode. $12 is its size.
const ORDER = `time DESC, "sensorId", "alertType", sensor, episode`;
const after = (time: string, sensorId: string, key: string): string =>
  `($7::timestamptz IS NULL OR ${time} <= $7 AND (${time} < $7 OR (${sensorId}, a.alert_type, ${key}, coalesce(a.alert_id::text, ''))
    > ($8::int, $9::text, $10::text, $11::text)))`;

const pageSql = (rows: string, systemRows: string): string => `
(${EPISODES} WHERE ${rows} AND ${NEWEST} AND ${WANTED} AND ${after('a.time', 'a.sensor_id', `coalesce(s.key, '#' || a.sensor_id)`)}
ORDER BY ${ORDER} LIMIT $12)
UNION ALL
(${SYSTEM_EPISODES} WHERE ${systemRows} AND ${SYSTEM_WANTED} AND ${after('a.started_at', '0', 'a.subject')}
ORDER BY ${ORDER} LIMIT $12)
ORDER BY ${ORDER} LIMIT $12`;

/** Firing now. Not bounded in time: an alert may be open for months. The partial index of open rows bounds it instead. */
export const openEpisodesSql = pageSql('a.resolved_at IS NULL', 'a.resolved_at IS NULL');

const FIRED =
  'a.time >= $13::timestamptz AND a.time < $14::timestamptz AND ($15::boolean OR a.resolved_at IS NOT NULL)';

/** Fired in [$13, $14): all, or only those that are resolved. */
export const pastEpisodesSql = pageSql(FIRED, FIRED.replaceAll('a.time', 'a.started_at'));

// Of a breach that has not fired yet only the state is known.
/** Breaches that have not lasted long enough to fire, the newest first. */
export const pendingSql = `
SELECT a.began AS time, a.sensor_id AS "sensorId", coalesce(s.key, '#' || a.sensor_id) AS sensor, s.location,
  a.alert_type AS "alertType", a.severity, NULL::text AS message, a.last_value AS value, a.threshold, NULL::uuid AS "alertId",
  a.began AS "startedAt", NULL::timestamptz AS "resolvedAt", NULL::float8 AS "resolvedValue", NULL::text AS "resolveReason",
  NULL::float8 AS "peakValue", NULL::timestamptz AS "ackedAt", NULL::text AS "ackedBy", NULL::timestamptz AS "ackedUntil", NULL::text AS suppressed,
  a.began::text AS at, s.name, s.type, coalesce(s.tags, '{}') AS tags, a.metric, a.kind, false AS backfilled, false AS system,
  '' AS episode, a.state, NULL::text AS "deferredBy", NULL::float8 AS "peakSoFar"
FROM (SELECT *, NULL::timestamptz AS acked_at, NULL::timestamptz AS acked_until, NULL::timestamptz AS resolved_at, coalesce(since, last_event_at) AS began FROM alert_state WHERE state = 'pending') a
LEFT JOIN sensors s ON s.id = a.sensor_id
WHERE ${WANTED} ORDER BY a.began DESC, a.sensor_id, a.alert_type LIMIT $7`;

export interface EpisodeFilter {
  readonly sensor?: string | undefined;
  readonly location?: string | undefined;
  readonly type?: string | undefined;
  readonly alertType?: string | undefined;
  readonly severity?: readonly Severity[] | undefined;
  readonly acked?: boolean | undefined;
}

/** The last episode of the page before. */
export type EpisodeCursor = readonly [
  at: string,
  sensorId: number,
  alertType: string,
  sensor: string,
  alertId: string,
];

export interface EpisodePage extends EpisodeFilter {
  readonly after: EpisodeCursor | undefined;
  readonly limit: number;
}

export const cursorOf = ({ at, sensorId, alertType, sensor, alertId }: EpisodeRow): EpisodeCursor => [
  at,
  sensorId,
  alertType,
  sensor,
  alertId ?? '',
];

const wanted = ({ sensor, location, type, alertType, severity, acked }: EpisodeFilter): unknown[] => [
  sensor ?? null,
  location ?? null,
  type ?? null,
  alertType ?? null,
  severity ?? null,
  acked ?? null,
];

const paged = (page: EpisodePage): unknown[] => [
  ...wanted(page),
  ...(page.after ?? [null, null, null, null, null]),
  page.limit,
];

/** Episodes that are open, the newest first. */
export async function openEpisodes(db: Db, page: EpisodePage): Promise<readonly EpisodeRow[]> {
  return (await db.query<EpisodeRow>(openEpisodesSql, paged(page))).rows;
}

/** Episodes that fired in a range, the newest first. */
export async function pastEpisodes(
  db: Db,
  page: EpisodePage & TimeRange & { readonly resolvedOnly: boolean },
): Promise<readonly EpisodeRow[]> {
  const values = [...paged(page), page.from, page.to, !page.resolvedOnly];
  return (await db.query<EpisodeRow>(pastEpisodesSql, values)).rows;
}

export async function pendingEpisodes(
  db: Db,
  query: EpisodeFilter & { readonly limit: number },
): Promise<readonly EpisodeRow[]> {
  if (query.acked === true) return [];
  return (await db.query<EpisodeRow>(pendingSql, [...wanted(query), query.limit])).rows;
}

/** Every row of an episode, oldest first: one for each severity. */
export const episodeSql = `
(${EPISODES} WHERE a.alert_id = $1::uuid) UNION ALL (${SYSTEM_EPISODES} WHERE a.alert_id = $1::uuid) ORDER BY time`;

/** What was notified of an episode, in order. */
export const notificationsSql = `
SELECT seq, event, created_at AS "createdAt", payload ->> 'severity' AS severity, payload ->> 'message' AS message,
  (payload ->> 'value')::float8 AS value, (payload ->> 'eventTimeMs')::float8 AS "eventTimeMs",
  payload -> 'labels' AS labels
FROM alert_outbox WHERE alert_id = $1::uuid ORDER BY seq LIMIT 1000`;

export const deliveriesSql = `
SELECT sink, event, created_at AS "queuedAt", done_at AS "doneAt", outcome, origin, CASE WHEN held THEN due_at END AS "heldUntil"
FROM alert_deliveries WHERE alert_id = $1::uuid ORDER BY id LIMIT 1000`;

/** What operators asked for and got. */
export const actionsSql = `
SELECT kind, asked_by AS by, comment, coalesce(applied_at, created_at) AS at
FROM alert_commands WHERE alert_id = $1::uuid AND outcome = 'done' ORDER BY id LIMIT 100`;

const activeSilencesSql = `
SELECT id::text, matchers, ends_at AS "endsAt", created_by AS by, comment FROM silences
WHERE starts_at <= now() AND ends_at > now() ORDER BY ends_at DESC LIMIT 1000`;

export interface NotificationRow {
  readonly seq: number;
  readonly event: string;
  readonly createdAt: Date;
  readonly severity: Severity | null;
  readonly message: string | null;
  readonly value: number | null;
  readonly eventTimeMs: number | null;
  /** Those of the rule. */
  readonly labels: Readonly<Record<string, string>> | null;
}

export interface DeliveryRow {
  readonly sink: string;
  readonly event: string;
  readonly queuedAt: Date;
  readonly doneAt: Date | null;
  /** Null while it waits. */
  readonly outcome: string | null;
  /** Why it was made later than its notification: mute, escalation, reminder. */
  readonly origin: string | null;
  /** It is decided then. */
  readonly heldUntil: Date | null;
}

export interface ActionRow {
  readonly kind: 'ack' | 'resolve';
  readonly by: string;
  readonly comment: string;
  readonly at: Date;
}

export interface ActiveSilence {
  readonly id: string;
  readonly matchers: Matchers;
  readonly endsAt: Date;
  readonly by: string;
  readonly comment: string;
}

/** Everything that is known of one episode. */
export interface EpisodeRecord {
  readonly rows: readonly [EpisodeRow, ...EpisodeRow[]];
  /** Those that are kept: as long as it is open, and a week longer. */
  readonly notifications: readonly NotificationRow[];
  readonly deliveries: readonly DeliveryRow[];
  readonly actions: readonly ActionRow[];
}

/** Undefined for an unknown episode. */
export async function episodeRecord(db: Db, alertId: string): Promise<EpisodeRecord | undefined> {
  const [first, ...others] = (await db.query<EpisodeRow>(episodeSql, [alertId])).rows;
  if (first === undefined) return undefined;
  return {
    rows: [first, ...others],
    notifications: (await db.query<NotificationRow>(notificationsSql, [alertId])).rows,
    deliveries: (await db.query<DeliveryRow>(deliveriesSql, [alertId])).rows,
    actions: (await db.query<ActionRow>(actionsSql, [alertId])).rows,
  };
}

/** Silences that are in effect. */
export async function activeSilences(db: Db): Promise<readonly ActiveSilence[]> {
  return (await db.query<ActiveSilence>(activeSilencesSql, [])).rows;
}

/** The open alerts in figures. */
export const alertCountsSql = `
SELECT count(*) FILTER (WHERE open AND severity = 'critical')::int AS critical,
  count(*) FILTER (WHERE open AND severity = 'warning')::int AS warning,
  count(*) FILTER (WHERE open AND severity = 'info')::int AS info,
  count(*) FILTER (WHERE open AND NOT acked)::int AS unacknowledged,
  count(*) FILTER (WHERE open AND deferred)::int AS silenced,
  count(*) FILTER (WHERE NOT open)::int AS pending
FROM (
  SELECT severity, state <> 'pending' AS open, detail ? 'ack' AS acked, detail ? 'deferred' AS deferred
  FROM alert_state WHERE state <> 'ok'
  UNION ALL
  SELECT severity, true, false, false FROM system_alerts WHERE resolved_at IS NULL
) a`;

export interface AlertCounts {
  readonly critical: number;
  readonly warning: number;
  readonly info: number;
  readonly unacknowledged: number;
  /** Not notified now. */
  readonly silenced: number;
  readonly pending: number;
}

export async function alertCounts(db: Db): Promise<AlertCounts> {
  const [row] = (await db.query<AlertCounts>(alertCountsSql, [])).rows;
  return row ?? { critical: 0, warning: 0, info: 0, unacknowledged: 0, silenced: 0, pending: 0 };
}
