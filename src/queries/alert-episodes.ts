import { identityOf } from '../core/alert/engine/alert-key.ts';
import { SEVERITIES, type Severity } from '../core/alert/model.ts';
import type { Matchers } from '../core/alert/rules/config.ts';
import { type AlertLabels, matches } from '../core/alert/suppress/matcher.ts';
import { type AlertListRow, columnsOf, IS_ACKED, SYSTEM_COLUMNS } from './alerts.ts';
import { type Db, type Limited, selected, type Selection, type TimeRange } from './db.ts';

/**
 * Alerts as episodes: one of each, whatever severities it went through. An episode is shown as its newest row, an open one with the
 * severity and the limit that hold at present, an ended one with the most urgent severity that it reached. A row of an operator's own
 * INSERT has no alert_id: it is an episode of its own.
 */
export interface EpisodeRow extends AlertListRow {
  /** `time` to the microsecond, as the database writes it. */
  readonly at: string;
  readonly name: string | null;
  /** Type of the sensor. */
  readonly type: string | null;
  readonly tags: readonly string[];
  readonly backfilled: boolean;
  readonly state: string;
  /** Why it is not notified now. */
  readonly deferredBy: string | null;
  readonly system: boolean;
  /** Peak of an open episode; an ended one has it in its row. */
  readonly peakSoFar: number | null;
}

const FURTHER = `a.time::text AS at, s.name, s.type, coalesce(s.tags, '{}') AS tags, a.backfilled, false AS system,
  coalesce(a.alert_id::text, '') AS episode`;
const SYSTEM_FURTHER = `a.started_at::text AS at, NULL::text AS name, NULL::text AS type, '{}'::text[] AS tags,
  false AS backfilled, true AS system, a.alert_id::text AS episode`;

/** An episode may be less severe by now than its newest row is. */
const PRESENT = {
  severity: 'coalesce(st.severity, a.severity)',
  threshold: 'coalesce(st.threshold, a.threshold)',
};

const episodesSql = (columns: string): string => `
SELECT ${columns}, ${FURTHER}, CASE WHEN a.resolved_at IS NULL THEN coalesce(st.state, 'firing') ELSE 'resolved' END AS state,
  st.detail ->> 'deferred' AS "deferredBy", st.peak_value AS "peakSoFar"
FROM sensor_alerts a LEFT JOIN sensors s ON s.id = a.sensor_id
LEFT JOIN alert_state st ON a.resolved_at IS NULL AND st.sensor_id = a.sensor_id AND st.metric = a.metric
  AND st.alert_id = a.alert_id`;

const SYSTEM_STATE = `CASE WHEN a.resolved_at IS NULL THEN 'firing' ELSE 'resolved' END AS state,
  NULL::text AS "deferredBy", NULL::float8 AS "peakSoFar"`;
const SYSTEM_EPISODES = `SELECT ${SYSTEM_COLUMNS}, ${SYSTEM_FURTHER}, ${SYSTEM_STATE} FROM system_alerts a`;

/** No later row of the same episode among those of the list, whose chunks `among` names for the planner. */
const newest = (among: string): string =>
  `NOT EXISTS (SELECT FROM sensor_alerts b WHERE b.sensor_id = a.sensor_id AND b.alert_id = a.alert_id AND b.time > a.time AND ${among})`;

// $1 sensors, $2 location, $3 type, $4 alert type, $5 severities, $6 acknowledged: each null for any.
const wantedWhere = (severity: string): string => `
  ($1::text[] IS NULL OR s.key = ANY ($1)) AND ($2::text IS NULL OR s.location = $2) AND ($3::text IS NULL OR s.type = $3)
  AND ($4::text IS NULL OR a.alert_type = $4) AND ($5::text[] IS NULL OR ${severity} = ANY ($5))
  AND ($6::boolean IS NULL OR ${IS_ACKED} = $6)`;
const SYSTEM_WANTED = `($1::text[] IS NULL OR a.subject = ANY ($1)) AND $2::text IS NULL AND $3::text IS NULL
  AND ($4::text IS NULL OR a.alert_type = $4) AND ($5::text[] IS NULL OR a.severity = ANY ($5)) AND $6::boolean IS DISTINCT FROM true`;

// The page after $7 to $11: time, sensor, type, key, episode. $12 is its size.
const ORDER = `time DESC, "sensorId", "alertType", sensor, episode`;
const after = (time: string, sensorId: string, key: string): string =>
  `($7::timestamptz IS NULL OR ${time} <= $7 AND (${time} < $7 OR (${sensorId}, a.alert_type, ${key}, coalesce(a.alert_id::text, ''))
    > ($8::int, $9::text, $10::text, $11::text)))`;

const pageSql = (rows: string, among: string, systemRows: string): string => `
(${episodesSql(columnsOf(PRESENT))} WHERE ${rows} AND ${newest(among)} AND ${wantedWhere(PRESENT.severity)} AND ${after('a.time', 'a.sensor_id', `coalesce(s.key, '#' || a.sensor_id)`)}
ORDER BY ${ORDER} LIMIT $12)
UNION ALL
(${SYSTEM_EPISODES} WHERE ${systemRows} AND ${SYSTEM_WANTED} AND ${after('a.started_at', '0', 'a.subject')}
ORDER BY ${ORDER} LIMIT $12)
ORDER BY ${ORDER} LIMIT $12`;

/** Firing now. Not bounded in time: an alert may be open for months. The partial index of open rows bounds it instead. */
export const openEpisodesSql = pageSql(
  'a.resolved_at IS NULL',
  'b.resolved_at IS NULL',
  'a.resolved_at IS NULL',
);

const IN_RANGE = 'a.time >= $13::timestamptz AND a.time < $14::timestamptz';
const FIRED = `${IN_RANGE} AND ($15::boolean OR a.resolved_at IS NOT NULL)`;

/** Fired, or rose to a higher severity, in [$13, $14): all, or only those that are resolved. */
export const pastEpisodesSql = pageSql(
  FIRED,
  IN_RANGE.replaceAll('a.time', 'b.time'),
  FIRED.replaceAll('a.time', 'a.started_at'),
);

// Only the state of a breach that has not fired yet is known.
/** Breaches that have not lasted long enough to fire, the newest first. */
export const pendingSql = `
SELECT a.began AS time, a.sensor_id AS "sensorId", coalesce(s.key, '#' || a.sensor_id) AS sensor, s.location,
  a.alert_type AS "alertType", a.severity, NULL::text AS message, a.last_value AS value, a.threshold, NULL::uuid AS "alertId",
  a.began AS "startedAt", NULL::timestamptz AS "resolvedAt", NULL::float8 AS "resolvedValue", NULL::text AS "resolveReason",
  NULL::float8 AS "peakValue", NULL::timestamptz AS "ackedAt", NULL::text AS "ackedBy", NULL::timestamptz AS "ackedUntil", NULL::text AS suppressed,
  a.began::text AS at, s.name, s.type, coalesce(s.tags, '{}') AS tags, a.metric, a.kind, a.side, false AS backfilled, false AS system,
  '' AS episode, a.state, NULL::text AS "deferredBy", NULL::float8 AS "peakSoFar"
FROM (SELECT *, NULL::timestamptz AS acked_at, NULL::timestamptz AS acked_until, NULL::timestamptz AS resolved_at, coalesce(since, last_event_at) AS began FROM alert_state WHERE state = 'pending') a
LEFT JOIN sensors s ON s.id = a.sensor_id
WHERE ${wantedWhere('a.severity')} ORDER BY a.began DESC, a.sensor_id, a.alert_type LIMIT $7`;

export interface EpisodeFilter extends Selection {
  /** Type of the sensor. */
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

/** `open`: firing now, whenever it began; `pending`: not firing yet; `resolved` and `all`: of those that fired in the range. */
export const LISTED_STATES = ['open', 'pending', 'resolved', 'all'] as const;
export type ListedState = (typeof LISTED_STATES)[number];

export type EpisodeQuery = EpisodeFilter &
  Limited & { readonly after?: EpisodeCursor | undefined } & (
    | { readonly state: 'open' | 'pending' }
    | {
        readonly state: ListedState;
        /** Range of `resolved` and `all`. */
        readonly range: () => TimeRange;
      }
  );

export const cursorOf = ({ at, sensorId, alertType, sensor, alertId }: EpisodeRow): EpisodeCursor => [
  at,
  sensorId,
  alertType,
  sensor,
  alertId ?? '',
];

const wanted = ({ type, alertType, severity, acked, ...selection }: EpisodeFilter): unknown[] => [
  ...selected(selection),
  type ?? null,
  alertType ?? null,
  severity ?? null,
  acked ?? null,
];

/** Episodes, the newest first. Pending ones are few, and gone within minutes: one page has them all. */
export async function listEpisodes(db: Db, query: EpisodeQuery): Promise<readonly EpisodeRow[]> {
  const { state, after: last = [null, null, null, null, null], limit } = query;
  const read = async (text: string, values: unknown[]) => (await db.query<EpisodeRow>(text, values)).rows;
  if (state === 'pending') return query.acked === true ? [] : read(pendingSql, [...wanted(query), limit]);
  const page = [...wanted(query), ...last, limit];
  if (state === 'open' || !('range' in query)) return read(openEpisodesSql, page);
  const { from, to } = query.range();
  return read(pastEpisodesSql, [...page, from, to, state === 'all']);
}

export const idsBetweenSql = `
SELECT alert_id AS id FROM sensor_alerts WHERE alert_id BETWEEN $1::uuid AND $2::uuid
UNION SELECT alert_id FROM system_alerts WHERE alert_id BETWEEN $1::uuid AND $2::uuid LIMIT 3`;

/** Ids of episodes that begin like this: 1 to 32 hexadecimal digits, with or without dashes. Three at most. */
export async function idsBeginningWith(db: Db, beginning: string): Promise<readonly string[]> {
  const digits = beginning.replaceAll('-', '').toLowerCase();
  const { rows } = await db.query<{ id: string }>(idsBetweenSql, [
    digits.padEnd(32, '0'),
    digits.padEnd(32, 'f'),
  ]);
  return rows.map(({ id }) => id);
}

export const newestOfSql = `
SELECT a.alert_id AS id FROM sensor_alerts a JOIN sensors s ON s.id = a.sensor_id
WHERE s.key = $1 AND a.alert_type = $2 AND a.alert_id IS NOT NULL ORDER BY a.time DESC LIMIT 1`;

/** The newest episode of a sensor and type. */
export async function newestEpisodeOf(
  db: Db,
  { sensor, alertType }: { readonly sensor: string; readonly alertType: string },
): Promise<string | undefined> {
  return (await db.query<{ id: string }>(newestOfSql, [sensor, alertType])).rows[0]?.id;
}

/** Every row of an episode, oldest first: one for each rise of its severity. */
export const episodeSql = `
(${episodesSql(`${columnsOf()}, st.severity AS "presentSeverity", st.threshold AS "presentThreshold"`)} WHERE a.alert_id = $1::uuid)
UNION ALL
(SELECT ${SYSTEM_COLUMNS}, NULL::text, NULL::float8, ${SYSTEM_FURTHER}, ${SYSTEM_STATE} FROM system_alerts a WHERE a.alert_id = $1::uuid)
ORDER BY time`;

interface RecordRow extends EpisodeRow {
  readonly presentSeverity: string | null;
  readonly presentThreshold: number | null;
}

/** Notifications of an episode, in order. */
export const notificationsSql = `
SELECT seq, event, created_at AS "createdAt", payload ->> 'severity' AS severity, payload ->> 'message' AS message,
  (payload ->> 'value')::float8 AS value, (payload ->> 'eventTimeMs')::float8 AS "eventTimeMs",
  payload -> 'labels' AS labels, payload ->> 'runbook' AS runbook
FROM alert_outbox WHERE alert_id = $1::uuid ORDER BY seq LIMIT 1000`;

export const deliveriesSql = `
SELECT sink, event, created_at AS "queuedAt", done_at AS "doneAt", outcome, origin, step, route, CASE WHEN held THEN due_at END AS "heldUntil"
FROM alert_deliveries WHERE alert_id = $1::uuid ORDER BY id LIMIT 1000`;

/** Commands of operators, with their results. */
export const actionsSql = `
SELECT kind, asked_by AS by, comment, coalesce(applied_at, created_at) AS at, ends_at AS "endsAt"
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
  /** Labels of the rule. */
  readonly labels: Readonly<Record<string, string>> | null;
  readonly runbook: string | null;
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
  /** Above 0: an escalation, in seconds after the firing; below: the number of a reminder. */
  readonly step: number;
  /** The place of its route in the configuration of that time; null: it follows the firing, or is of an earlier version. */
  readonly route: string | null;
  /** It is decided then. */
  readonly heldUntil: Date | null;
}

export interface ActionRow {
  readonly kind: 'ack' | 'resolve';
  readonly by: string;
  readonly comment: string;
  readonly at: Date;
  /** End of an acknowledgement; null: with the alert. */
  readonly endsAt: Date | null;
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
  /** As it is listed. */
  readonly episode: EpisodeRow;
  /** Its rises, each with the severity and the limit of that time. */
  readonly rows: readonly [EpisodeRow, ...EpisodeRow[]];
  /** Notifications that are kept: as long as the episode is open, and a week longer. */
  readonly notifications: readonly NotificationRow[];
  readonly deliveries: readonly DeliveryRow[];
  readonly actions: readonly ActionRow[];
}

/** Undefined for an unknown episode. */
export async function episodeRecord(db: Db, alertId: string): Promise<EpisodeRecord | undefined> {
  const [first, ...others] = (await db.query<RecordRow>(episodeSql, [alertId])).rows;
  if (first === undefined) return undefined;
  const last = others.at(-1) ?? first;
  const { presentSeverity, presentThreshold } = last;
  return {
    episode: {
      ...last,
      severity: presentSeverity ?? last.severity,
      threshold: presentThreshold ?? last.threshold,
    },
    rows: [first, ...others],
    notifications: (await db.query<NotificationRow>(notificationsSql, [alertId])).rows,
    deliveries: (await db.query<DeliveryRow>(deliveriesSql, [alertId])).rows,
    actions: (await db.query<ActionRow>(actionsSql, [alertId])).rows,
  };
}

/** The route by which each went: what follows a firing went where that did. Undefined: earlier versions recorded none. */
export const recordedRoutes =
  (deliveries: readonly DeliveryRow[]) =>
  (delivery: DeliveryRow): string | undefined =>
    delivery.route ??
    deliveries.find(({ sink, route }) => sink === delivery.sink && route !== null)?.route ??
    undefined;

/** Silences in effect that match an episode. */
export async function silencesOf(
  db: Db,
  { episode: row, notifications }: EpisodeRecord,
): Promise<readonly ActiveSilence[]> {
  if (row.system || row.resolvedAt !== null) return [];
  const labels: AlertLabels = {
    sensor: { id: row.sensorId, key: row.sensor, type: row.type, location: row.location, tags: row.tags },
    metric: metricAndKind(row).metric,
    alertType: row.alertType,
    severity: severityOf(row.severity),
    labels: notifications.at(-1)?.labels ?? null,
  };
  const active = (await db.query<ActiveSilence>(activeSilencesSql, [])).rows;
  return active.filter(({ matchers }) => matches(matchers, labels));
}

const NO_KEY = { metric: '', kind: '' };

/** Metric and kind of an episode. A row of an operator's own INSERT has only its type. */
export function metricAndKind(row: Parameters<typeof identityOf>[0] & { readonly system?: boolean }): {
  readonly metric: string;
  readonly kind: string;
} {
  if (row.system === true) return NO_KEY;
  return identityOf(row);
}

/** A column of text: an operator's own INSERT may hold anything. */
export const severityOf = (text: string): Severity =>
  SEVERITIES.find((severity) => severity === text) ?? 'warning';

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
