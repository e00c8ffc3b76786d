import type pg from 'pg';
import type { AlertNotification, AlertStateRow } from '../../core/alert/model.ts';
import { CORE_METRICS } from '../../core/reading.ts';
import type { AlertStore, LastReading, ReadingSpan } from '../../ports.ts';
import { databaseError } from './errors.ts';
import { columns, isoMicros, microsOf } from './values.ts';

type Db = Pick<pg.Pool, 'query'>;

/** What one start reads back at most; more pending lines than that are announced at the next one. */
const MAX_PENDING = 10_000;

const STATE = `SELECT sensor_id AS "sensorId", alert_type AS "alertType", state, alert_id AS "alertId", severity,
  ${microsOf('since')} AS "sinceUs", ${microsOf('started_at')} AS "startedAtUs", ${microsOf('fired_at')} AS "firedAtUs",
  threshold, peak_value AS "peakValue", seq, ${microsOf('last_event_at')} AS "lastEventUs", last_value AS "lastValue",
  rule_hash AS "ruleHash", detail FROM alert_state ORDER BY sensor_id, alert_type`;

/**
 * The newest non-null value of each column within a span. One descent of the index (sensor_id, time DESC) per sensor and
 * metric; `overall` bounds the time by constants, so that chunks outside are not even opened.
 */
const lastCore = (column: string) => `
  SELECT s.sensor_id, '${column}' AS metric, r.time, r.value FROM spans s CROSS JOIN LATERAL (
    SELECT time, ${column}::float8 AS value FROM sensor_readings
     WHERE sensor_id = s.sensor_id AND time BETWEEN s.from_time AND s.to_time
       AND time BETWEEN $4::timestamptz AND $5::timestamptz AND ${column} IS NOT NULL
     ORDER BY time DESC LIMIT 1) r`;

const LAST_READINGS = `
WITH spans AS (SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS s (sensor_id, from_time, to_time)),
found AS (${CORE_METRICS.map(lastCore).join(' UNION ALL ')} UNION ALL
  SELECT s.sensor_id, m.name, r.time, r.value FROM spans s CROSS JOIN LATERAL (
    SELECT DISTINCT ON (metric_id) metric_id, time, value FROM sensor_metrics
     WHERE sensor_id = s.sensor_id AND time BETWEEN s.from_time AND s.to_time
       AND time BETWEEN $4::timestamptz AND $5::timestamptz
     ORDER BY metric_id, time DESC) r JOIN metrics m ON m.id = r.metric_id)
SELECT sensor_id AS "sensorId", metric, ${microsOf('time')} AS "timeUs", value FROM found`;

/** The read side of the alert tables; they are written only in the batch's transaction. */
export class TimescaleAlertStore implements AlertStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  loadStates(): Promise<readonly AlertStateRow[]> {
    return this.#rows<AlertStateRow>(STATE, []);
  }

  async loadLastReadings(spans: readonly ReadingSpan[]): Promise<readonly LastReading[]> {
    if (spans.length === 0) return [];
    const from = spans.reduce((least, span) => Math.min(least, span.fromUs), Infinity);
    const to = spans.reduce((most, span) => Math.max(most, span.toUs), -Infinity);
    return this.#rows<LastReading>(LAST_READINGS, [
      ...columns(
        spans,
        (span) => span.sensorId,
        (span) => isoMicros(span.fromUs),
        (span) => isoMicros(span.toUs),
      ),
      isoMicros(from),
      isoMicros(to),
    ]);
  }

  async pendingNotifications(): Promise<readonly AlertNotification[]> {
    const rows = await this.#rows<{ payload: AlertNotification }>(
      `SELECT payload FROM alert_outbox WHERE sent_at IS NULL ORDER BY created_at, alert_id, seq LIMIT ${MAX_PENDING}`,
      [],
    );
    return rows.map(({ payload }) => payload);
  }

  async markSent(sent: readonly Pick<AlertNotification, 'alertId' | 'seq'>[]): Promise<void> {
    if (sent.length === 0) return;
    await this.#rows(
      `UPDATE alert_outbox o SET sent_at = now() FROM unnest($1::uuid[], $2::int[]) AS s (alert_id, seq)
        WHERE o.alert_id = s.alert_id AND o.seq = s.seq AND o.sent_at IS NULL`,
      columns(
        sent,
        ({ alertId }) => alertId,
        ({ seq }) => seq,
      ),
    );
  }

  /** Deletes sent rows of the outbox in a bounded slice; true when there may be more. For the scheduler. */
  async pruneSent(olderThanMs: number, slice = 10_000): Promise<boolean> {
    const result = await this.#query(
      `DELETE FROM alert_outbox WHERE (alert_id, seq) IN (
         SELECT alert_id, seq FROM alert_outbox WHERE sent_at < $1::timestamptz LIMIT $2)`,
      [isoMicros(olderThanMs * 1000), slice],
    );
    return (result.rowCount ?? 0) >= slice;
  }

  async #rows<Row>(text: string, values: unknown[]): Promise<Row[]> {
    return (await this.#query(text, values)).rows as Row[];
  }

  async #query(text: string, values: unknown[]): Promise<pg.QueryResult> {
    try {
      return await this.#db.query(text, values);
    } catch (error) {
      throw databaseError(error, 'reading the alert tables');
    }
  }
}
