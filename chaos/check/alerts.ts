import { queryOnce } from '../../test/support/pg-client.ts';
import type { Sent } from '../publishers.ts';
import { type Episode, keyOfEpisode, referenceEpisodes } from './reference.ts';
import { type Violation, found } from './violation.ts';

export interface AlertCheck {
  readonly violations: Violation[];
  readonly expected: number;
  readonly resolved: number;
}

interface AlertColumns {
  readonly key: string | null;
  readonly alert_type: string;
  readonly time: Date;
  readonly started_at: Date | null;
  readonly value: number;
  readonly threshold: number;
  readonly severity: string;
  readonly alert_id: string;
  readonly resolved_at: Date | null;
  readonly resolved_value: number | null;
  readonly peak_value: number | null;
  readonly resolve_reason: string | null;
}

/** Episodes as the engine gives them without faults: none missing, none more, none other; each notified. */
export async function checkAlerts(url: string, sent: readonly (readonly Sent[])[]): Promise<AlertCheck> {
  const sensors = await queryOnce<{ id: number; key: string }>(url, 'SELECT id, key FROM sensors');
  const expected = referenceEpisodes(sent, new Map(sensors.map(({ id, key }) => [key, id])));
  const stored = await storedEpisodes(url);
  const byKey = new Map(stored.map((episode) => [keyOfEpisode(episode), episode]));
  const missing: string[] = [];
  const other: string[] = [];
  for (const [key, episode] of expected) {
    const row = byKey.get(key);
    if (row === undefined) missing.push(JSON.stringify(episode));
    else if (different(row, episode))
      other.push(`stored ${JSON.stringify(row)}, expected ${JSON.stringify(episode)}`);
  }
  const extra = stored.filter((row) => !expected.has(keyOfEpisode(row)));
  const violations = [
    ...found('alert episodes missing', missing),
    ...found(
      'alert episodes that should not be',
      extra.map((row) => JSON.stringify(row)),
    ),
    ...found('alert episodes with other contents', other),
    ...found('alert rows neither resolved nor open in alert_state', await orphans(url)),
    ...found('alert_state open without an alert row', await ghosts(url)),
    ...found('alerts never announced', await unannounced(url)),
    ...(expected.size === 0 ? [{ what: 'the script gave no alert episode', evidence: [] }] : []),
  ];
  const resolved = stored.filter((row) => row.resolved !== null).length;
  return { violations, expected: expected.size, resolved };
}

/** The peak of an open episode is in its state: only that of a resolved one is compared. */
function different(row: Episode, episode: Episode): boolean {
  const settled = row.resolved === null ? { ...row, peakValue: null } : row;
  return JSON.stringify(settled) !== JSON.stringify(episode);
}

async function storedEpisodes(url: string): Promise<Episode[]> {
  const rows = await queryOnce<AlertColumns>(
    url,
    `SELECT s.key, a.alert_type, a.time, a.started_at, a.value, a.threshold, a.severity, a.alert_id, a.resolved_at,
            a.resolved_value, a.peak_value, a.resolve_reason
       FROM sensor_alerts a LEFT JOIN sensors s ON s.id = a.sensor_id ORDER BY a.time`,
  );
  return rows.map((row) => ({
    sensor: row.key ?? 'no sensor',
    type: row.alert_type,
    fired: row.time.toISOString(),
    started: row.started_at?.toISOString() ?? 'never',
    value: row.value,
    threshold: row.threshold,
    severity: row.severity,
    alertId: row.alert_id,
    resolved: row.resolved_at?.toISOString() ?? null,
    resolvedValue: row.resolved_value,
    peakValue: row.peak_value,
    reason: row.resolve_reason,
  }));
}

const OPEN_STATES = `('firing', 'recovering', 'latched', 'flapping')`;

async function orphans(url: string): Promise<string[]> {
  return texts(
    url,
    `SELECT a.sensor_id || ' ' || a.alert_type || ' ' || a.time AS text FROM sensor_alerts a
      WHERE a.resolved_at IS NULL AND NOT EXISTS (SELECT FROM alert_state s WHERE s.alert_id = a.alert_id
        AND s.sensor_id = a.sensor_id AND s.alert_type = a.alert_type AND s.state IN ${OPEN_STATES})`,
  );
}

async function ghosts(url: string): Promise<string[]> {
  return texts(
    url,
    `SELECT s.sensor_id || ' ' || s.alert_type || ' ' || s.state AS text FROM alert_state s
      WHERE s.state IN ${OPEN_STATES} AND NOT EXISTS (SELECT FROM sensor_alerts a WHERE a.alert_id = s.alert_id
        AND a.resolved_at IS NULL)`,
  );
}

async function unannounced(url: string): Promise<string[]> {
  return texts(
    url,
    `SELECT alert_id || ' ' || seq || ' ' || event || ' ' || created_at AS text FROM alert_outbox WHERE sent_at IS NULL`,
  );
}

async function texts(url: string, sql: string): Promise<string[]> {
  return (await queryOnce<{ text: string }>(url, sql)).map(({ text }) => text);
}
