import { FieldwatchError } from '../core/errors.ts';
import { type Db, type Selection, type TimeRange, selected } from './db.ts';
import { sensorsWhere } from './samples.ts';

// A row of an operator's own INSERT has no alert_id: it is an episode of its own.
const episodes = `
SELECT coalesce(s.key, '#' || a.sensor_id) AS sensor, a.alert_type AS "alertType", min(a.time) AS fired,
  (array_agg(a.severity ORDER BY array_position(ARRAY['critical', 'warning', 'info'], a.severity)))[1] AS severity,
  max(a.resolved_at) AS resolved, min(a.acked_at) AS acked, bool_or(a.backfilled) AS backfilled
FROM sensor_alerts a LEFT JOIN sensors s ON s.id = a.sensor_id`;
const byEpisode = `
GROUP BY a.sensor_id, s.key, a.alert_type, coalesce(a.alert_id::text, a.time::text)`;

/** Episodes that fired in the range, in the order of their firing. */
export const text = `${episodes}
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

/** What fits into memory with room to spare. */
const MOST = 200_000;

export async function alertEpisodes(db: Db, query: TimeRange & Selection): Promise<readonly EpisodeRow[]> {
  const values = [query.from, query.to, ...selected(query), MOST + 1];
  const { rows } = await db.query<EpisodeRow>(text, values);
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
