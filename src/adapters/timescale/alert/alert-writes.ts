import { takesPlaceOf } from '../../../core/alert/engine/alert-batch.ts';
import { alertKeyText } from '../../../core/alert/engine/alert-key.ts';
import type {
  AlertBatch,
  AlertFlapping,
  AlertNotification,
  AlertResolution,
  AlertRow,
  AlertStateRow,
  AlertKey,
} from '../../../core/alert/model.ts';
import type { Micros } from '../../../core/reading.ts';
import { KEY_COLUMNS } from './alert-keys.ts';
import { writeShards } from './lease-writes.ts';
import { acknowledge, claimCommands } from './operator-writes.ts';
import { refuseMissing, refuseVanished } from '../ingest/relied-on.ts';
import type { Work } from '../connection/session.ts';
import { columns, isoMicros, isoMicrosOrNull, storableJson, storableText } from '../values.ts';
import { writeWaiting } from './waiting-rows.ts';

/** Rows of one statement. Its text is made in one go: of tens of thousands of rows, one message's, that takes a second. */
const PART_ROWS = 1000;

async function inParts<Row>(
  rows: readonly Row[],
  write: (part: readonly Row[]) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < rows.length; at += PART_ROWS) await write(rows.slice(at, at + PART_ROWS));
}

/**
 * Writes of a batch to the alert tables, inside its transaction and in one fixed order: commands, rows, acknowledgements, flapping, resolutions,
 * state, outbox, waiting log, handover, and the fencing tokens last, so that no member waits long to acquire shards.
 * Everything is idempotent, because a batch whose COMMIT reply was lost is written again.
 */
export async function writeAlerts(work: Work, batch: AlertBatch): Promise<void> {
  if (batch.commands !== undefined) await claimCommands(work, batch.commands);
  await inParts(byKey(onePerKey(batch.raised)), (rows) => raise(work, rows));
  if (batch.acked !== undefined && batch.acked.length > 0) await acknowledge(work, batch.acked);
  if (batch.flapping !== undefined && batch.flapping.length > 0) await markFlapping(work, batch.flapping);
  await inParts(byKey(batch.resolved), (rows) => resolve(work, rows));
  const gone = batch.states.filter(isForgotten);
  const kept = batch.states.filter((row) => !isForgotten(row));
  await inParts(byKey(gone), (rows) => forget(work, rows));
  await inParts(byKey(kept), (rows) => remember(work, rows));
  await inParts(batch.notifications, (rows) => enqueue(work, rows));
  if (batch.waiting !== undefined) await writeWaiting(work, batch.waiting);
  await writeShards(work, batch);
}

/** `ok` and nothing to remember: the row is deleted. */
const isForgotten = (row: AlertStateRow) => row.state === 'ok' && Object.keys(row.detail).length === 0;

/** In the order of the key, so that two daemons never hold rows of each other crosswise. */
const byKey = <Row extends AlertKey>(rows: readonly Row[]): Row[] =>
  [...rows].sort((a, b) => a.sensorId - b.sensorId || (alertKeyText(a) < alertKeyText(b) ? -1 : 1));

const rank = (severity: string) => `array_position(ARRAY['info', 'warning', 'critical'], ${severity})`;

/** A crossing that is there already changes nothing, unless the new one takes its place: here, and among `rows`. */
async function raise(work: Work, rows: readonly AlertRow[]): Promise<void> {
  const { rowCount } = await work.query(
    `INSERT INTO sensor_alerts AS a
       (time, sensor_id, alert_type, message, value, threshold, alert_id, severity, started_at, rule_hash, suppressed,
        metric, kind, side, flapping)
     SELECT * FROM unnest($1::timestamptz[], $2::int[], $3::text[], $4::text[], $5::float8[], $6::float8[],
       $7::uuid[], $8::text[], $9::timestamptz[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[],
       $15::boolean[])
     ON CONFLICT (sensor_id, time, metric, kind, side) DO UPDATE
       SET message = excluded.message, value = excluded.value, threshold = excluded.threshold, severity = excluded.severity,
           suppressed = excluded.suppressed, acked_at = NULL, acked_by = NULL, acked_until = NULL
     WHERE a.alert_id = excluded.alert_id AND a.resolved_at IS NULL AND ${rank('a.severity')} < ${rank('excluded.severity')}`,
    columns(
      rows,
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
      (row) => storableText(row.metric),
      (row) => row.kind,
      (row) => row.side,
      (row) => row.flapping ?? false,
    ),
  );
  const keys = rowKeys(rows, (row) => row.timeUs);
  await refuseMissing(work, 'sensor_alerts', [rows.length, rowCount], MISSING_ROWS, keys);
}

/** Rows by their keys, and within which times they lie: for the planner, or every chunk is opened and locked. */
function rowKeys<Row extends AlertKey>(rows: readonly Row[], timeUs: (row: Row) => Micros): unknown[] {
  const times = rows.map(timeUs);
  return [
    ...columns(rows, ...KEY_COLUMNS, (row) => isoMicros(timeUs(row))),
    isoMicros(times.reduce((a, b) => Math.min(a, b), Infinity)),
    isoMicros(times.reduce((a, b) => Math.max(a, b), -Infinity)),
  ];
}

const SAME_ROW = `a.sensor_id = k.sensor_id AND a.metric = k.metric AND a.kind = k.kind AND a.side = k.side AND a.time = k.time
   AND a.time BETWEEN $6::timestamptz AND $7::timestamptz`;
const ROW_KEYS = `unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) AS k (sensor_id, metric, kind, side, time)`;
const MISSING_ROWS = `
SELECT count(*)::int AS missing FROM ${ROW_KEYS} WHERE NOT EXISTS (SELECT FROM sensor_alerts a WHERE ${SAME_ROW})`;
const OPEN_ROWS = `
SELECT count(*)::int AS missing FROM ${ROW_KEYS} WHERE EXISTS (SELECT FROM sensor_alerts a WHERE ${SAME_ROW} AND a.resolved_at IS NULL)`;

const STATE_KEYS = `unnest($1::int[], $2::text[], $3::text[], $4::text[]) AS k (sensor_id, metric, kind, side)`;
const LEFT_STATES = `
SELECT count(*)::int AS missing FROM ${STATE_KEYS} JOIN alert_state USING (sensor_id, metric, kind, side)`;
const MISSING_NOTIFICATIONS = `
SELECT count(*)::int AS missing FROM unnest($1::uuid[], $2::int[]) AS k (alert_id, seq)
 WHERE NOT EXISTS (SELECT FROM alert_outbox o WHERE o.alert_id = k.alert_id AND o.seq = k.seq)`;

/** One statement must not meet a row twice. */
function onePerKey(rows: readonly AlertRow[]): readonly AlertRow[] {
  const found = new Map<string, AlertRow>();
  for (const row of rows) {
    const key = `${row.timeUs} ${alertKeyText(row)}`;
    const before = found.get(key);
    if (before === undefined || takesPlaceOf(row, before)) found.set(key, row);
  }
  return [...found.values()];
}

async function markFlapping(work: Work, rows: readonly AlertFlapping[]): Promise<void> {
  const fired = rows.map((row) => row.firedAtUs);
  await work.query(
    `UPDATE sensor_alerts a SET flapping = true
       FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) AS f (sensor_id, metric, kind, side, fired_at)
      WHERE a.sensor_id = f.sensor_id AND a.metric = f.metric AND a.kind = f.kind AND a.side = f.side AND a.time = f.fired_at
        AND NOT a.flapping AND a.time BETWEEN $6::timestamptz AND $7::timestamptz`,
    [
      ...columns(byKey(rows), ...KEY_COLUMNS, (row) => isoMicros(row.firedAtUs)),
      isoMicros(fired.reduce((a, b) => Math.min(a, b), Infinity)),
      isoMicros(fired.reduce((a, b) => Math.max(a, b), -Infinity)),
    ],
  );
}

/** Point updates. The bounds on time are for the planner: without them every chunk is opened and locked. */
async function resolve(work: Work, rows: readonly AlertResolution[]): Promise<void> {
  const fired = rows.map((row) => row.firedAtUs);
  const { rowCount } = await work.query(
    `UPDATE sensor_alerts a
        SET resolved_at = greatest(r.resolved_at, a.time), resolved_value = r.value, peak_value = r.peak, resolve_reason = r.reason,
            flapping = a.flapping OR r.flapping, backfilled = a.backfilled OR r.backfilled
       FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::float8[],
              $8::float8[], $9::text[], $10::boolean[], $11::boolean[])
              AS r (sensor_id, metric, kind, side, fired_at, resolved_at, value, peak, reason, flapping, backfilled)
      WHERE a.sensor_id = r.sensor_id AND a.metric = r.metric AND a.kind = r.kind AND a.side = r.side AND a.time = r.fired_at
        AND a.resolved_at IS NULL AND a.time BETWEEN $12::timestamptz AND $13::timestamptz`,
    [
      ...columns(
        rows,
        ...KEY_COLUMNS,
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
  // Fewer where they are closed already, or gone with their time.
  const keys = rowKeys(rows, (row) => row.firedAtUs);
  await refuseMissing(work, 'sensor_alerts', [rows.length, rowCount], OPEN_ROWS, keys);
}

async function forget(work: Work, rows: readonly AlertStateRow[]): Promise<void> {
  const keys = columns(rows, ...KEY_COLUMNS);
  const { rowCount } = await work.query(
    `DELETE FROM alert_state s USING unnest($1::int[], $2::text[], $3::text[], $4::text[]) AS gone (sensor_id, metric, kind, side)
      WHERE s.sensor_id = gone.sensor_id AND s.metric = gone.metric AND s.kind = gone.kind AND s.side = gone.side`,
    keys,
  );
  await refuseMissing(work, 'alert_state', [rows.length, rowCount], LEFT_STATES, keys);
}

const STATE_COLUMNS = [
  'alert_type', 'state', 'alert_id', 'severity', 'since', 'started_at', 'fired_at', 'threshold', 'peak_value', 'seq', 'last_event_at',
  'last_value', 'rule_hash', 'detail',
] as const; // prettier-ignore

async function remember(work: Work, rows: readonly AlertStateRow[]): Promise<void> {
  const { rowCount } = await work.query(
    `INSERT INTO alert_state (sensor_id, metric, kind, side, ${STATE_COLUMNS.join(', ')})
     SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::text[],
       $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::float8[], $13::float8[], $14::int[],
       $15::timestamptz[], $16::float8[], $17::text[], $18::jsonb[])
     ON CONFLICT (sensor_id, metric, kind, side) DO UPDATE
       SET ${STATE_COLUMNS.map((column) => `${column} = excluded.${column}`).join(', ')}, updated_at = now()`,
    columns(
      rows,
      ...KEY_COLUMNS,
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
  refuseVanished('alert_state', rows.length, rowCount);
}

async function enqueue(work: Work, rows: readonly AlertNotification[]): Promise<void> {
  const { rowCount } = await work.query(
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
  const keys = columns(
    rows,
    ({ alertId }) => alertId,
    ({ seq }) => seq,
  );
  await refuseMissing(work, 'alert_outbox', [rows.length, rowCount], MISSING_NOTIFICATIONS, keys);
}
