import { isAbsence, kindOf } from '../../../core/alert/kind/index.ts';
import { identityOf, OF_SENSOR } from '../../../core/alert/engine/alert-key.ts';
import type { AlertNotification } from '../../../core/alert/model.ts';
import { type Millis, isCoreMetric } from '../../../core/reading.ts';
import type { OutgoingNotification, RecentValues } from '../../../core/notify/delivery.ts';
import { LATE_MS } from '../../../core/notify/text/sentence.ts';
import { type TimedValue, trendAt, trendOf, trendWindow } from '../../../core/notify/text/trend.ts';
import { unlessAborted, withDeadline } from '../../../lib/timeout.ts';
import type { Clock } from '../../../ports/time.ts';

/** The part of the pool that is used here. */
interface Querying {
  query<Row>(text: string, values: unknown[]): Promise<{ rows: Row[] }>;
}

/** How far back values are read for a trend, and how many. */
const TREND_MS = 3_600_000;
const TREND_VALUES = 300;
/** A notification is sent without them rather than later than this. */
const PATIENCE_MS = 1000;

/** The newest values of one metric of a sensor in a range, oldest first. */
export async function valuesIn(
  db: Querying,
  { sensorId, metric }: { readonly sensorId: number; readonly metric: string },
  { fromMs, toMs, most }: { readonly fromMs: Millis; readonly toMs: Millis; readonly most: number },
): Promise<readonly TimedValue[]> {
  const range = [sensorId, new Date(fromMs), new Date(toMs), most];
  // The column is one of our own list.
  const text = isCoreMetric(metric)
    ? `SELECT extract(epoch FROM time)::float8 * 1000 AS "timeMs", ${metric}::float8 AS value FROM sensor_readings
       WHERE sensor_id = $1 AND time >= $2::timestamptz AND time <= $3::timestamptz AND ${metric} IS NOT NULL
       ORDER BY time DESC LIMIT $4`
    : `SELECT extract(epoch FROM time)::float8 * 1000 AS "timeMs", value FROM sensor_metrics
       WHERE sensor_id = $1 AND time >= $2::timestamptz AND time <= $3::timestamptz
         AND metric_id = (SELECT id FROM metrics WHERE name = $5::text) ORDER BY time DESC LIMIT $4`;
  const { rows } = await db.query<TimedValue>(text, isCoreMetric(metric) ? range : [...range, metric]);
  return rows.reverse();
}

/** Whether an acknowledgement ended within the time for which an escalation waited. */
async function ackEndedOf(
  db: Querying,
  { alertId, escalatedAfterS }: Pick<OutgoingNotification, 'alertId' | 'escalatedAfterS'>,
  nowMs: Millis,
): Promise<Pick<RecentValues, 'ackEnded'>> {
  if (escalatedAfterS === undefined) return {};
  const { rows } = await db.query<object>(
    `SELECT FROM sensor_alerts WHERE alert_id = $1::uuid AND acked_until > $2::timestamptz AND acked_until <= $3::timestamptz LIMIT 1`,
    [alertId, new Date(nowMs - escalatedAfterS * 1000), new Date(nowMs)],
  );
  return rows.length === 0 ? {} : { ackEnded: true };
}

/** The trend as it is now, and, for a notification that is late or was made later, the newest value. */
export async function recentOf(
  db: Querying,
  notification: AlertNotification & Pick<OutgoingNotification, 'origin' | 'escalatedAfterS'>,
  nowMs: Millis,
): Promise<RecentValues | undefined> {
  const { sensorId, metric = '', kind, event, value, eventTimeMs, origin } = notification;
  const ack = await ackEndedOf(db, notification, nowMs);
  if (metric === OF_SENSOR || (kind !== undefined && isAbsence(kind)))
    return ack.ackEnded === true ? ack : undefined;
  // The clock of a sensor may run ahead.
  const toMs = Math.max(nowMs, eventTimeMs);
  const values = await valuesIn(
    db,
    { sensorId, metric },
    { fromMs: toMs - TREND_MS, toMs, most: TREND_VALUES },
  );
  const newest = values.at(-1);
  const isOfNow = nowMs - eventTimeMs <= LATE_MS && origin === undefined;
  const isAlarm = isOfNow && (event === 'firing' || event === 'escalated');
  // The value of another kind is no value of its metric.
  const isReading = kind !== undefined && kindOf(kind).comparesReadings === true;
  const trend =
    isAlarm && isReading && value !== null
      ? trendAt(values, { timeMs: eventTimeMs, value, low: identityOf(notification).side === 'low' })
      : trendOf(trendWindow(values));
  if (isOfNow || !isReading || newest === undefined) return { trend, ...ack };
  return newest.timeMs >= eventTimeMs ? { trend, newest, ...ack } : { trend, ...ack };
}

/** `recentOf` for a sink; undefined where the query fails or takes longer than `PATIENCE_MS`. */
export const recentValues =
  (db: Querying, clock: Clock) =>
  async (notification: Parameters<typeof recentOf>[1]): Promise<RecentValues | undefined> => {
    try {
      return await withDeadline(clock, { ms: PATIENCE_MS }, (signal) =>
        unlessAborted(recentOf(db, notification, clock.nowMs()), signal),
      );
    } catch {
      return undefined;
    }
  };
