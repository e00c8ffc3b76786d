import { takesPlaceOf } from '../../core/alert/batch.ts';
import type {
  AlertBatch,
  AlertNotification,
  AlertResolution,
  AlertRow,
  AlertStateRow,
} from '../../core/alert/model.ts';
import { writeDuty } from './duty-writes.ts';
import { acknowledge, claimCommands } from './operator-writes.ts';
import type { Work } from './session.ts';
import { columns, isoMicros, isoMicrosOrNull, storableJson, storableText } from './values.ts';

/**
 * What a batch does to the alert tables, inside its transaction and in one fixed order: commands, rows, acknowledgements, resolutions,
 * state, outbox, inbox, duty.
 * Everything is idempotent, because a batch whose COMMIT reply was lost is written again.
 */
export async function writeAlerts(work: Work, batch: AlertBatch): Promise<void> {
  if (batch.commands !== undefined) await claimCommands(work, batch.commands);
  if (batch.raised.length > 0) await raise(work, batch.raised);
  if (batch.acked !== undefined && batch.acked.length > 0) await acknowledge(work, batch.acked);
  if (batch.resolved.length > 0) await resolve(work, batch.resolved);
  const gone = batch.states.filter(isForgotten);
  const kept = batch.states.filter((row) => !isForgotten(row));
  if (gone.length > 0) await forget(work, gone);
  if (kept.length > 0) await remember(work, kept);
  if (batch.notifications.length > 0) await enqueue(work, batch.notifications);
  await writeDuty(work, batch);
}

export const isEmptyAlertBatch = (batch: AlertBatch): boolean =>
  batch.commands === undefined &&
  batch.duty === undefined &&
  batch.taken === undefined &&
  batch.handedOn === undefined &&
  batch.raised.length + batch.resolved.length + batch.states.length + batch.notifications.length === 0;

/** `ok` and nothing to remember: the row is deleted. */
const isForgotten = (row: AlertStateRow) => row.state === 'ok' && Object.keys(row.detail).length === 0;

/** In the order of the key, so that two daemons never hold rows of each other crosswise. */
const byKey = <Row extends { sensorId: number; alertType: string }>(rows: readonly Row[]): Row[] =>
  [...rows].sort((a, b) => a.sensorId - b.sensorId || (a.alertType < b.alertType ? -1 : 1));

const rank = (severity: string) => `array_position(ARRAY['info', 'warning', 'critical'], ${severity})`;

/** A crossing that is there already changes nothing, unless the new one takes its place: here, and among `rows`. */
async function raise(work: Work, rows: readonly AlertRow[]): Promise<void> {
  await work.query(
    `INSERT INTO sensor_alerts AS a
       (time, sensor_id, alert_type, message, value, threshold, alert_id, severity, started_at, rule_hash, suppressed)
     SELECT * FROM unnest($1::timestamptz[], $2::int[], $3::text[], $4::text[], $5::float8[], $6::float8[],
       $7::uuid[], $8::text[], $9::timestamptz[], $10::text[], $11::text[])
     ON CONFLICT (sensor_id, alert_type, time) DO UPDATE
       SET message = excluded.message, value = excluded.value, threshold = excluded.threshold, severity = excluded.severity,
           suppressed = excluded.suppressed, acked_at = NULL, acked_by = NULL
     WHERE a.alert_id = excluded.alert_id AND a.resolved_at IS NULL AND ${rank('a.severity')} < ${rank('excluded.severity')}`,
    columns(
      byKey(onePerKey(rows)),
      (row) => isoMicros(row.timeUs),
      (row) => row.sensorId,
      (row) => row.alertType,
      (row) => storableText(row.message),
      (row) => row.value,
      (row) => row.threshold,
      (row) => row.alertId,
      (row) => row.severity,
      (row) => isoMicros(row.startedAtUs),
      (row) => row.ruleHash,
      (row) => row.suppressed ?? null,
    ),
  );
}

/** One statement must not meet a row twice. */
function onePerKey(rows: readonly AlertRow[]): readonly AlertRow[] {
  const found = new Map<string, AlertRow>();
  for (const row of rows) {
    const key = `${row.sensorId} ${row.timeUs} ${row.alertType}`;
    const before = found.get(key);
    if (before === undefined || takesPlaceOf(row, before)) found.set(key, row);
  }
  return [...found.values()];
}

/** Point updates. The bounds on time are for the planner: without them every chunk is opened and locked. */
async function resolve(work: Work, rows: readonly AlertResolution[]): Promise<void> {
  const fired = rows.map((row) => row.firedAtUs);
  await work.query(
    `UPDATE sensor_alerts a
        SET resolved_at = r.resolved_at, resolved_value = r.value, peak_value = r.peak, resolve_reason = r.reason,
            flapping = a.flapping OR r.flapping, backfilled = a.backfilled OR r.backfilled
       FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::float8[], $6::float8[],
              $7::text[], $8::boolean[], $9::boolean[])
              AS r (sensor_id, alert_type, fired_at, resolved_at, value, peak, reason, flapping, backfilled)
      WHERE a.sensor_id = r.sensor_id AND a.alert_type = r.alert_type AND a.time = r.fired_at
        AND a.resolved_at IS NULL AND a.time BETWEEN $10::timestamptz AND $11::timestamptz`,
    [
      ...columns(
        byKey(rows),
        (row) => row.sensorId,
        (row) => row.alertType,
        (row) => isoMicros(row.firedAtUs),
        (row) => isoMicros(row.resolvedAtUs),
        (row) => row.resolvedValue,
        (row) => row.peakValue,
        (row) => row.reason,
        (row) => row.flapping,
        (row) => row.backfilled,
      ),
      isoMicros(fired.reduce((a, b) => Math.min(a, b), Infinity)),
      isoMicros(fired.reduce((a, b) => Math.max(a, b), -Infinity)),
    ],
  );
}

async function forget(work: Work, rows: readonly AlertStateRow[]): Promise<void> {
  await work.query(
    `DELETE FROM alert_state s USING unnest($1::int[], $2::text[]) AS gone (sensor_id, alert_type)
      WHERE s.sensor_id = gone.sensor_id AND s.alert_type = gone.alert_type`,
    columns(
      byKey(rows),
      (row) => row.sensorId,
      (row) => row.alertType,
    ),
  );
}

const STATE_COLUMNS = [
  'state', 'alert_id', 'severity', 'since', 'started_at', 'fired_at', 'threshold', 'peak_value', 'seq', 'last_event_at',
  'last_value', 'rule_hash', 'detail',
] as const; // prettier-ignore

async function remember(work: Work, rows: readonly AlertStateRow[]): Promise<void> {
  await work.query(
    `INSERT INTO alert_state (sensor_id, alert_type, ${STATE_COLUMNS.join(', ')})
     SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::timestamptz[],
       $7::timestamptz[], $8::timestamptz[], $9::float8[], $10::float8[], $11::int[], $12::timestamptz[],
       $13::float8[], $14::text[], $15::jsonb[])
     ON CONFLICT (sensor_id, alert_type) DO UPDATE
       SET ${STATE_COLUMNS.map((column) => `${column} = excluded.${column}`).join(', ')}, updated_at = now()`,
    columns(
      byKey(rows),
      (row) => row.sensorId,
      (row) => row.alertType,
      (row) => row.state,
      (row) => row.alertId,
      (row) => row.severity,
      (row) => isoMicrosOrNull(row.sinceUs),
      (row) => isoMicrosOrNull(row.startedAtUs),
      (row) => isoMicrosOrNull(row.firedAtUs),
      (row) => row.threshold,
      (row) => row.peakValue,
      (row) => row.seq,
      (row) => isoMicros(row.lastEventUs),
      (row) => row.lastValue,
      (row) => row.ruleHash,
      (row) => storableJson(row.detail),
    ),
  );
}

async function enqueue(work: Work, rows: readonly AlertNotification[]): Promise<void> {
  await work.query(
    `INSERT INTO alert_outbox (alert_id, seq, event, payload)
     SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::jsonb[])
     ON CONFLICT DO NOTHING`,
    columns(
      rows,
      (row) => row.alertId,
      (row) => row.seq,
      (row) => row.event,
      (row) => storableJson(row),
    ),
  );
}
