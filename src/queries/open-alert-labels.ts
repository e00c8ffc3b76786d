import type { Severity } from '../core/alert/model.ts';
import type { AlertLabels } from '../core/alert/suppress/matcher.ts';
import type { Db } from './db.ts';

export const text = `
SELECT a.sensor_id AS id, coalesce(s.key, '#' || a.sensor_id) AS key, s.type, s.location, coalesce(s.tags, '{}') AS tags,
  a.alert_type AS "alertType", a.severity, a.metric
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
}

/** All that is open, as matchers see it. */
export async function openAlertLabels(db: Db): Promise<readonly AlertLabels[]> {
  const { rows } = await db.query<Row>(text, []);
  return rows.map(({ alertType, severity, metric, ...sensor }) => ({ sensor, alertType, severity, metric }));
}
