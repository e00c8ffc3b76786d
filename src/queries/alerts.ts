import type { Severity, Side } from '../core/alert/model.ts';
import type { Matchers } from '../core/alert/rules/config.ts';
import { type AlertLabels, matches } from '../core/alert/suppress/matcher.ts';
import { FieldwatchError } from '../core/errors.ts';
import { type Db, type Limited, selected, type Selection, type TimeRange } from './db.ts';
import { sensorsWhere } from './readings.ts';

/** Acknowledged: the acknowledgement of an open alert may have ended. */
export const IS_ACKED =
  '(a.acked_at IS NOT NULL AND (a.acked_until IS NULL OR a.resolved_at IS NOT NULL OR a.acked_until > now()))';

/** Severity and limit are those of the crossing of each row, unless an expression takes their place. */
export const columnsOf = ({ severity = 'a.severity', threshold = 'a.threshold' } = {}): string => `
  a.time, a.sensor_id AS "sensorId", coalesce(s.key, '#' || a.sensor_id) AS sensor, s.location,
  a.alert_type AS "alertType", ${severity} AS severity, a.message, a.value, ${threshold} AS threshold, a.alert_id AS "alertId",
  a.started_at AS "startedAt", a.resolved_at AS "resolvedAt", a.resolved_value AS "resolvedValue",
  a.resolve_reason AS "resolveReason", a.peak_value AS "peakValue",
  CASE WHEN ${IS_ACKED} THEN a.acked_at END AS "ackedAt", CASE WHEN ${IS_ACKED} THEN a.acked_by END AS "ackedBy",
  CASE WHEN ${IS_ACKED} THEN a.acked_until END AS "ackedUntil", a.suppressed, a.metric, a.kind, a.side`;

/** Columns of alerts of the system: the subject takes the place of the sensor, without a location. */
export const SYSTEM_COLUMNS = `
  a.started_at AS time, 0 AS "sensorId", a.subject AS sensor, NULL AS location, a.alert_type AS "alertType", a.severity,
  a.message, NULL::float8 AS value, NULL::float8 AS threshold, a.alert_id AS "alertId", a.started_at AS "startedAt",
  a.resolved_at AS "resolvedAt", NULL::float8 AS "resolvedValue",
  CASE WHEN a.resolved_at IS NOT NULL THEN 'value' END AS "resolveReason", NULL::float8 AS "peakValue",
  NULL::timestamptz AS "ackedAt", NULL::text AS "ackedBy", NULL::timestamptz AS "ackedUntil", NULL::text AS suppressed,
  NULL::text AS metric, NULL::text AS kind, NULL::text AS side`;

export const systemWhere = (sensor: string, location: string): string =>
  `(${sensor}::text[] IS NULL OR a.subject = ANY (${sensor})) AND ${location}::text IS NULL`;

export interface AlertListRow {
  /** Event time at which it fired, or rose to a higher severity. */
  readonly time: Date;
  /** 0 of an alert of the system; `sensor` is then its subject. */
  readonly sensorId: number;
  readonly sensor: string;
  readonly location: string | null;
  readonly alertType: string;
  readonly severity: string;
  readonly message: string | null;
  readonly value: number | null;
  readonly threshold: number | null;
  /** The episode: the same on its rows of every severity. */
  readonly alertId: string | null;
  readonly startedAt: Date | null;
  /** Null while it fires. */
  readonly resolvedAt: Date | null;
  readonly resolvedValue: number | null;
  readonly resolveReason: string | null;
  readonly peakValue: number | null;
  readonly ackedAt: Date | null;
  readonly ackedBy: string | null;
  /** When the acknowledgement ends; null: with the alert. */
  readonly ackedUntil: Date | null;
  /** Why no notification was sent when it was raised. */
  readonly suppressed: string | null;
  /** Null of a row that an operator inserted, and of an alert of the system. */
  readonly metric: string | null;
  readonly kind: string | null;
  readonly side: Side | null;
}

export const openAlertLabelsSql = `
SELECT a.sensor_id AS id, coalesce(s.key, '#' || a.sensor_id) AS key, s.type, s.location, coalesce(s.tags, '{}') AS tags,
  a.alert_type AS "alertType", a.severity, a.metric,
  (SELECT o.payload->'labels' FROM alert_outbox o WHERE o.alert_id = a.alert_id ORDER BY o.seq DESC LIMIT 1) AS labels
FROM alert_state a LEFT JOIN sensors s ON s.id = a.sensor_id
WHERE a.state NOT IN ('ok', 'pending')`;

interface Row {
  readonly id: number;
  readonly key: string;
  readonly type: string | null;
  readonly location: string | null;
  readonly tags: readonly string[];
  readonly alertType: string;
  readonly severity: Severity;
  readonly metric: string;
  /** Labels of its rule, as they were last notified. */
  readonly labels: Readonly<Record<string, string>> | null;
}

/** All that is open, as matchers see it. */
export async function openAlertLabels(db: Db): Promise<readonly AlertLabels[]> {
  const { rows } = await db.query<Row>(openAlertLabelsSql, []);
  return rows.map(({ alertType, severity, metric, labels, ...sensor }) => ({
    ...{ sensor, alertType, severity, metric, labels },
  }));
}

/** How many of the open alerts matchers fit. */
export async function countMatches(
  db: Db,
  matchers: Matchers,
): Promise<{ readonly matched: number; readonly open: number }> {
  const open = await openAlertLabels(db);
  return { matched: open.filter((alert) => matches(matchers, alert)).length, open: open.length };
}

const WATCHED = `
SELECT ${columnsOf()}
FROM sensor_alerts a LEFT JOIN sensors s ON s.id = a.sensor_id
WHERE ${sensorsWhere('$2', '$3')}`;

/**
 * The alerts that a follower polls: recent alerts, open ones, and those that were open at the last poll. The time of an
 * alert is its event time, so "newer than the last one" would miss what a late message raised.
 */
export const alertChangesSql = `
(${WATCHED} AND a.time >= $1::timestamptz ORDER BY a.time DESC LIMIT $4)
UNION
(${WATCHED} AND a.resolved_at IS NULL ORDER BY a.time DESC LIMIT $4)
UNION
(${WATCHED} AND a.time >= $8::timestamptz AND (a.sensor_id, a.alert_type, a.time) IN
  (SELECT * FROM unnest($5::int[], $6::text[], $7::timestamptz[])))
UNION
(SELECT ${SYSTEM_COLUMNS} FROM system_alerts a WHERE ${systemWhere('$2', '$3')} AND (a.started_at >= $1::timestamptz
  OR a.resolved_at IS NULL OR a.resolved_at >= $1::timestamptz AND a.started_at >= $8::timestamptz)
  ORDER BY a.started_at DESC LIMIT $4)`;

export interface WatchQuery extends Selection, Limited {
  /** Alerts since then are included, open or not. */
  readonly since: Date;
  readonly open: readonly Pick<AlertListRow, 'sensorId' | 'alertType' | 'time'>[];
}

/** In no order. */
export async function alertChanges(db: Db, query: WatchQuery): Promise<readonly AlertListRow[]> {
  const { since, open, limit } = query;
  const oldest = open.reduce((least, { time }) => (time < least ? time : least), since);
  const keys = [
    open.map((row) => row.sensorId),
    open.map((row) => row.alertType),
    open.map((row) => row.time),
  ];
  const values = [since, ...selected(query), limit, ...keys, oldest];
  return (await db.query<AlertListRow>(alertChangesSql, values)).rows;
}

// A row of an operator's own INSERT has no alert_id: it is an episode of its own.
const episodes = `
SELECT coalesce(s.key, '#' || a.sensor_id) AS sensor, a.alert_type AS "alertType", min(a.time) AS fired,
  (array_agg(a.severity ORDER BY array_position(ARRAY['critical', 'warning', 'info'], a.severity)))[1] AS severity,
  max(a.resolved_at) AS resolved, min(a.acked_at) AS acked, bool_or(a.backfilled) AS backfilled
FROM sensor_alerts a LEFT JOIN sensors s ON s.id = a.sensor_id`;
const byEpisode = `
GROUP BY a.sensor_id, s.key, a.alert_type, coalesce(a.alert_id::text, a.time::text)`;

/** Episodes that fired in the range, in the order of their firing. */
export const alertEpisodesSql = `${episodes}
WHERE a.time >= $1::timestamptz AND a.time < $2::timestamptz AND ${sensorsWhere('$3', '$4')}
${byEpisode}
ORDER BY fired LIMIT $5`;

// No lower bound: an alert may be open for months. The partial index of open rows bounds it instead.
export const staleText = `${episodes}
WHERE a.resolved_at IS NULL AND a.time < $1::timestamptz AND ${sensorsWhere('$2', '$3')}
${byEpisode}
ORDER BY fired LIMIT $4`;

// What began in the range, or is still open: a fault of the system may last for weeks.
export const systemText = `
SELECT alert_type AS "alertType", count(*) FILTER (WHERE started_at >= $1::timestamptz)::int AS fired,
  count(*) FILTER (WHERE resolved_at IS NULL)::int AS open,
  percentile_disc(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM resolved_at - started_at))
    FILTER (WHERE resolved_at IS NOT NULL AND started_at >= $1::timestamptz)::float8 AS "medianClearS"
FROM system_alerts
WHERE started_at < $2::timestamptz AND (started_at >= $1::timestamptz OR resolved_at IS NULL)
GROUP BY alert_type ORDER BY fired DESC, alert_type`;

/** Alerts of the system of one type: they have no sensor, and are not counted with those that have one. */
export interface SystemEpisodes {
  readonly alertType: string;
  readonly fired: number;
  /** Open now, whenever they began. */
  readonly open: number;
  /** From the beginning to the end, in seconds; null while none has ended. */
  readonly medianClearS: number | null;
}

export interface EpisodeRow {
  readonly sensor: string;
  readonly alertType: string;
  readonly fired: Date;
  readonly severity: string;
  readonly resolved: Date | null;
  readonly acked: Date | null;
  readonly backfilled: boolean;
}

/** Rows that fit into memory with room to spare. */
const MOST = 200_000;

export async function alertEpisodes(db: Db, query: TimeRange & Selection): Promise<readonly EpisodeRow[]> {
  const values = [query.from, query.to, ...selected(query), MOST + 1];
  const { rows } = await db.query<EpisodeRow>(alertEpisodesSql, values);
  if (rows.length <= MOST) return rows;
  throw new FieldwatchError(`query: more than ${MOST} episodes in the range`, {
    code: 'QUERY_TOO_LARGE',
    kind: 'config',
    remedy: 'Choose a shorter time range, or one location.',
  });
}

/** Episodes that are open since before a moment, the oldest first. */
export async function staleEpisodes(
  db: Db,
  query: Selection & { readonly before: Date; readonly limit: number },
): Promise<readonly EpisodeRow[]> {
  return (await db.query<EpisodeRow>(staleText, [query.before, ...selected(query), query.limit])).rows;
}

/** They have no sensor and no location: undefined where one or a location is selected. */
export async function systemEpisodes(
  db: Db,
  query: TimeRange & Selection,
): Promise<readonly SystemEpisodes[] | undefined> {
  if (query.sensor !== undefined || query.location !== undefined) return undefined;
  return (await db.query<SystemEpisodes>(systemText, [query.from, query.to])).rows;
}

const OPEN = `a.state NOT IN ('ok', 'pending') AND ($1::uuid IS NULL OR a.alert_id = $1)
  AND ($2::text IS NULL OR s.key = $2) AND ($3::text IS NULL OR a.alert_type = $3)`;

export const openText = `
SELECT a.sensor_id AS "sensorId", coalesce(s.key, '#' || a.sensor_id) AS sensor, a.alert_type AS "alertType",
  a.alert_id AS "alertId", a.state
FROM alert_state a LEFT JOIN sensors s ON s.id = a.sensor_id WHERE ${OPEN}
ORDER BY a.sensor_id, a.alert_type LIMIT 2`;

const ASK = `
INSERT INTO alert_commands (kind, sensor_id, alert_type, alert_id, asked_by, comment, ends_at)
VALUES ($1, $2, $3, $4, $5, $6, now() + $7::float8 * interval '1 ms') RETURNING id::text, ends_at AS "endsAt"`;

export const outcomeText = 'SELECT outcome FROM alert_commands WHERE id = $1::bigint';

/** An alert that is open now. */
export interface OpenAlert {
  readonly sensorId: number;
  readonly sensor: string;
  readonly alertType: string;
  readonly alertId: string | null;
  readonly state: string;
}

/** Names one alert: by its episode, or by sensor and type. */
export type AlertName =
  { readonly alertId: string } | { readonly sensor: string; readonly alertType: string };

export interface AlertRequest {
  readonly kind: 'ack' | 'resolve';
  readonly by: string;
  readonly comment: string;
  /** How long an acknowledgement lasts; absent: as long as the alert is open. */
  readonly forMs?: number | undefined;
}

export async function findOpenAlert(db: Db, name: AlertName): Promise<OpenAlert | undefined> {
  const values = 'alertId' in name ? [name.alertId, null, null] : [null, name.sensor, name.alertType];
  return (await db.query<OpenAlert>(openText, values)).rows[0];
}

/** A command that was queued: its number, and the end of an acknowledgement that has one. */
export interface AskedCommand {
  readonly id: string;
  readonly endsAt: Date | null;
}

/** Queues a command for the daemon. */
export async function askFor(
  db: Db,
  alert: OpenAlert,
  { kind, by, comment, forMs }: AlertRequest,
): Promise<AskedCommand> {
  const { sensorId, alertType, alertId } = alert;
  const { rows } = await db.query<AskedCommand>(ASK, [
    kind,
    sensorId,
    alertType,
    alertId,
    by,
    comment,
    forMs ?? null,
  ]);
  const [asked] = rows;
  if (asked === undefined) throw new Error('a command that was just stored is not there');
  return asked;
}

/** Between two reads of an outcome that is waited for. */
export const OUTCOME_POLL_MS = 200;

/** `done`, `already`, `not_open`; null while no daemon has taken it. */
export async function outcomeOf(db: Db, id: string): Promise<string | null> {
  return (await db.query<{ outcome: string | null }>(outcomeText, [id])).rows[0]?.outcome ?? null;
}
