import type { PastAlert } from '../../../core/alert/analysis/past-alerts.ts';
import { KEY_COLUMNS } from './alert-keys.ts';
import { columns, isoMicros, storableText } from '../values.ts';

const PART_ROWS = 1000;

export const writePastAlertsSql = `
INSERT INTO sensor_alerts (sensor_id, metric, kind, side, time, alert_type, message, value, threshold, alert_id, severity, started_at,
  rule_hash, suppressed, flapping, resolved_at, resolved_value, peak_value, resolve_reason, backfilled)
SELECT k.*, true
  FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::float8[], $9::float8[],
    $10::uuid[], $11::text[], $12::timestamptz[], $13::text[], $14::text[], $15::boolean[], $16::timestamptz[], $17::float8[],
    $18::float8[], $19::text[])
    AS k (sensor_id, metric, kind, side, time, alert_type, message, value, threshold, alert_id, severity, started_at, rule_hash, suppressed,
      flapping, resolved_at, resolved_value, peak_value, resolve_reason)
 WHERE NOT EXISTS (
   SELECT FROM sensor_alerts a
    WHERE a.sensor_id = k.sensor_id AND a.metric = k.metric AND a.kind = k.kind AND a.side = k.side AND a.alert_id <> k.alert_id
      AND a.started_at <= k.resolved_at AND coalesce(a.resolved_at, 'infinity') >= k.started_at)
ON CONFLICT (sensor_id, time, metric, kind, side) DO NOTHING`;

interface Database {
  query(text: string, values: unknown[]): Promise<{ readonly rowCount: number | null }>;
}

/**
 * Alerts of the past, resolved and marked `backfilled`: nothing is notified of them, and no state remembers them. One that overlaps with
 * an alert that is there is left out. Returns how many rows are new.
 */
export async function writePastAlerts(db: Database, alerts: readonly PastAlert[]): Promise<number> {
  let written = 0;
  for (let at = 0; at < alerts.length; at += PART_ROWS) {
    const part = alerts.slice(at, at + PART_ROWS);
    const rows = part.map(({ row }) => row);
    const ends = part.map(({ end }) => end);
    const values = [
      ...columns(
        rows,
        ...KEY_COLUMNS,
        ({ timeUs }) => isoMicros(timeUs),
        ({ alertType }) => alertType,
        ({ message }) => storableText(message),
        ({ value }) => value,
        ({ threshold }) => threshold,
        ({ alertId }) => alertId,
        ({ severity }) => severity,
        ({ startedAtUs }) => isoMicros(startedAtUs),
        ({ ruleHash }) => ruleHash,
        ({ suppressed }) => suppressed ?? null,
      ),
      ...columns(
        ends,
        ({ flapping }) => flapping,
        ({ resolvedAtUs }) => isoMicros(resolvedAtUs),
        ({ resolvedValue }) => resolvedValue,
        ({ peakValue }) => peakValue,
        ({ reason }) => reason,
      ),
    ];
    written += (await db.query(writePastAlertsSql, values)).rowCount ?? 0;
  }
  return written;
}
