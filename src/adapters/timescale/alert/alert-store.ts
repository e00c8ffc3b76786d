import type pg from 'pg';
import type { AlertNotification, AlertStateRow } from '../../../core/alert/model.ts';
import { CORE_METRICS } from '../../../core/reading.ts';
import type {
  AlertStore,
  LastReading,
  LastReadings,
  NewDelivery,
  NotificationKey,
  ReadingSpan,
} from '../../../ports/alerts.ts';
import { databaseError } from '../errors.ts';
import { shardOfSensor } from './lease-store.ts';
import { markAndQueue } from '../notify/notification-writes.ts';
import { columns, isoMicros, microsOf } from '../values.ts';
import { readWaiting } from './waiting-rows.ts';

type Db = Pick<pg.Pool, 'query'>;

/** The maximum that one start reads back; further pending lines are published at the next one. */
const MAX_PENDING = 10_000;

const STATE = `SELECT sensor_id AS "sensorId", metric, kind, side, alert_type AS "alertType", state, alert_id AS "alertId", severity,
  ${microsOf('since')} AS "sinceUs", ${microsOf('started_at')} AS "startedAtUs", ${microsOf('fired_at')} AS "firedAtUs",
  threshold, peak_value AS "peakValue", seq, ${microsOf('last_event_at')} AS "lastEventUs", last_value AS "lastValue",
  rule_hash AS "ruleHash", detail FROM alert_state
 WHERE $1::int[] IS NULL OR ${shardOfSensor('sensor_id')} = ANY ($1::int[]) ORDER BY sensor_id, metric, kind, side`;

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

const LAST_NARROW = `
  SELECT s.sensor_id, m.name AS metric, r.time, r.value FROM spans s CROSS JOIN LATERAL (
    SELECT DISTINCT ON (metric_id) metric_id, time, value FROM sensor_metrics
     WHERE sensor_id = s.sensor_id AND time BETWEEN s.from_time AND s.to_time
       AND time BETWEEN $4::timestamptz AND $5::timestamptz
     ORDER BY metric_id, time DESC) r JOIN metrics m ON m.id = r.metric_id`;

/**
 * Only of the metrics that are asked for: to find that a sensor never sent one, all its rows within the span are read, which
 * of a thousand sensors with a reading a second takes seconds for each column.
 */
function lastReadings(metrics: ReadonlySet<string> | undefined): string | undefined {
  const core = CORE_METRICS.filter((column) => metrics?.has(column) ?? true);
  const found = core.map(lastCore);
  if (metrics === undefined || metrics.size > core.length) found.push(LAST_NARROW);
  if (found.length === 0) return undefined;
  return `
WITH spans AS (SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS s (sensor_id, from_time, to_time)),
found AS (${found.join(' UNION ALL ')})
SELECT sensor_id AS "sensorId", metric, ${microsOf('time')} AS "timeUs", value FROM found`;
}

/** By the index (sensor_id, time DESC), and with constant bounds for the same reason. */
const READINGS = `
WITH spans AS (SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS s (sensor_id, from_time, to_time)),
found AS (
  SELECT s.sensor_id, v.metric, r.time, v.value FROM spans s CROSS JOIN LATERAL (
    SELECT * FROM sensor_readings
     WHERE sensor_id = s.sensor_id AND time BETWEEN s.from_time AND s.to_time
       AND time BETWEEN $4::timestamptz AND $5::timestamptz) r
    CROSS JOIN LATERAL (VALUES ${CORE_METRICS.map((column) => `('${column}', r.${column}::float8)`).join(', ')}) AS v (metric, value)
   WHERE v.value IS NOT NULL
  UNION ALL
  SELECT s.sensor_id, m.name, r.time, r.value FROM spans s CROSS JOIN LATERAL (
    SELECT metric_id, time, value FROM sensor_metrics
     WHERE sensor_id = s.sensor_id AND time BETWEEN s.from_time AND s.to_time
       AND time BETWEEN $4::timestamptz AND $5::timestamptz) r JOIN metrics m ON m.id = r.metric_id)
SELECT sensor_id AS "sensorId", metric, ${microsOf('time')} AS "timeUs", value FROM found`;

const closed = (row: string) => `NOT EXISTS (SELECT FROM alert_state s WHERE s.alert_id = ${row}.alert_id)
  AND NOT EXISTS (SELECT FROM system_alerts s WHERE s.alert_id = ${row}.alert_id AND s.resolved_at IS NULL)`;

/** The read side of the alert tables; they are written only in the batch's transaction. */
export class TimescaleAlertStore implements AlertStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  loadStates(shards?: readonly number[]): Promise<readonly AlertStateRow[]> {
    return this.#rows<AlertStateRow>(STATE, [shards ?? null]);
  }

  /** One query. */
  readonly lastReadings: LastReadings = async (spans, metrics) => {
    const text = lastReadings(metrics);
    return text === undefined ? [] : this.#inSpans(text, spans);
  };

  loadReadings(spans: readonly ReadingSpan[]): Promise<readonly LastReading[]> {
    return this.#inSpans(READINGS, spans);
  }

  async loadWaiting(group: string, shards?: readonly number[]): ReturnType<AlertStore['loadWaiting']> {
    try {
      return await readWaiting(this.#db, group, shards);
    } catch (error) {
      throw databaseError(error, 'reading the alert tables');
    }
  }

  async #inSpans(text: string, spans: readonly ReadingSpan[]): Promise<readonly LastReading[]> {
    if (spans.length === 0) return [];
    const from = spans.reduce((least, span) => Math.min(least, span.fromUs), Infinity);
    const to = spans.reduce((most, span) => Math.max(most, span.toUs), -Infinity);
    return this.#rows<LastReading>(text, [
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

  async pendingNotifications(shards?: readonly number[]): Promise<readonly AlertNotification[]> {
    // Notifications of the system have no sensor: the owner of shard 0 publishes them.
    const shard = shardOfSensor(`coalesce((payload->>'sensorId')::bigint, 0)`);
    const rows = await this.#rows<{ payload: AlertNotification }>(
      `SELECT payload FROM alert_outbox WHERE sent_at IS NULL AND ($1::int[] IS NULL OR ${shard} = ANY ($1::int[]))
        ORDER BY created_at, alert_id, seq LIMIT ${MAX_PENDING}`,
      [shards ?? null],
    );
    return rows.map(({ payload }) => payload);
  }

  async markSent(sent: readonly NotificationKey[], deliveries: readonly NewDelivery[] = []): Promise<void> {
    await markAndQueue((text, values) => this.#query(text, values), sent, deliveries);
  }

  /**
   * Deletes what was sent from the outbox and the queues, in a bounded slice; true when there may be more. An episode
   * that is open keeps its rows: a sink's new worker must know what was sent. For the scheduler.
   */
  async pruneSent(olderThanMs: number, slice = 10_000): Promise<boolean> {
    const values = [isoMicros(olderThanMs * 1000), slice];
    const outbox = await this.#query(
      `DELETE FROM alert_outbox WHERE (alert_id, seq) IN (
         SELECT alert_id, seq FROM alert_outbox o WHERE sent_at < $1::timestamptz AND ${closed('o')} LIMIT $2)`,
      values,
    );
    const deliveries = await this.#query(
      `DELETE FROM alert_deliveries WHERE (alert_id, seq, sink) IN (
         SELECT alert_id, seq, sink FROM alert_deliveries d
          WHERE (done_at < $1::timestamptz OR done_at IS NULL AND created_at < $1::timestamptz) AND ${closed('d')}
          LIMIT $2)`,
      values,
    );
    await this.#query(`DELETE FROM notify_groups WHERE flushed_at < $1::timestamptz`, values.slice(0, 1));
    return Math.max(outbox.rowCount ?? 0, deliveries.rowCount ?? 0) >= slice;
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
