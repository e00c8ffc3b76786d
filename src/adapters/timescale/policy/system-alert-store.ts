import type pg from 'pg';
import type { SystemAlert, SystemAlertChanges } from '../../../core/policy/episode.ts';
import type { SystemAlertStore } from '../../../ports/maintenance.ts';
import { databaseError } from '../errors.ts';
import { columns, isoMicros, isoMicrosOrNull, microsOf, storableJson } from '../values.ts';

const OPEN = `SELECT alert_id AS "alertId", alert_type AS "alertType", subject, severity, message, seq,
  (${microsOf('started_at')} / 1000)::float8 AS "startedAtMs" FROM system_alerts WHERE resolved_at IS NULL ORDER BY started_at, alert_id`;

// One statement, so one transaction: an episode without its notification would never notify, and a notification without
// its episode would be repeated.
const COMMIT = `
WITH changed AS (
  INSERT INTO system_alerts (alert_id, alert_type, subject, severity, message, started_at, resolved_at, seq)
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
    $7::timestamptz[], $8::int[])
  ON CONFLICT (alert_id) DO UPDATE SET severity = excluded.severity, message = excluded.message,
    resolved_at = excluded.resolved_at, seq = excluded.seq)
INSERT INTO alert_outbox (alert_id, seq, event, payload)
SELECT * FROM unnest($9::uuid[], $10::int[], $11::text[], $12::jsonb[]) ON CONFLICT DO NOTHING`;

/** Alerts of the system, and their notifications in the outbox of all alerts. */
export class TimescaleSystemAlertStore implements SystemAlertStore {
  readonly #db: Pick<pg.Pool, 'query'>;

  constructor(db: Pick<pg.Pool, 'query'>) {
    this.#db = db;
  }

  async open(): Promise<readonly SystemAlert[]> {
    const { rows } = await this.#query<Omit<SystemAlert, 'resolvedAtMs'>>(OPEN, []);
    return rows.map((row) => ({ ...row, resolvedAtMs: undefined }));
  }

  async commit({ alerts, notifications }: SystemAlertChanges): Promise<void> {
    await this.#query(COMMIT, [
      ...columns(
        alerts,
        ({ alertId }) => alertId,
        ({ alertType }) => alertType,
        ({ subject }) => subject,
        ({ severity }) => severity,
        ({ message }) => message,
        ({ startedAtMs }) => isoMicros(startedAtMs * 1000),
        ({ resolvedAtMs }) => isoMicrosOrNull(resolvedAtMs === undefined ? null : resolvedAtMs * 1000),
        ({ seq }) => seq,
      ),
      ...columns(
        notifications,
        ({ alertId }) => alertId,
        ({ seq }) => seq,
        ({ event }) => event,
        (notification) => storableJson(notification),
      ),
    ]);
  }

  /** Deletes what ended before. Faults of policies are few: no slices. */
  async prune(olderThanMs: number): Promise<void> {
    await this.#query('DELETE FROM system_alerts WHERE resolved_at < $1::timestamptz', [
      isoMicros(olderThanMs * 1000),
    ]);
  }

  async #query<Row extends pg.QueryResultRow>(text: string, values: unknown[]): Promise<pg.QueryResult<Row>> {
    try {
      return await this.#db.query<Row>(text, values);
    } catch (error) {
      throw databaseError(error, 'writing the alerts of the system');
    }
  }
}
