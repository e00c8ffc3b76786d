import type { Micros } from '../../core/reading.ts';
import type { StorableReading, StoreOutcome } from '../../ports.ts';
import type { BatchRows } from './batch-rows.ts';
import type { Work } from './session.ts';
import { isoMicros } from './values.ts';

/**
 * The way for a batch of which some may be stored already: into temporary tables, then compared, then inserted.
 *
 * Per value, the first one stays: the stored one if there is one, else the first of the batch. A row that lacks a metric
 * has it filled in. The INSERT is a plain one on purpose: where another session stores the same key at the same moment,
 * it fails with 23505 instead of skipping a row that was counted as new, and the whole comparison is made again.
 */

const FLOATS = ['temperature', 'humidity', 'pressure', 'battery'] as const;
const CORE = [...FLOATS, 'rssi'] as const;
const each = (text: (column: string) => string, separator: string) => CORE.map(text).join(separator);

export const COPY_TO_STAGING = {
  sensor_readings: 'COPY pg_temp.fw_readings FROM STDIN BINARY',
  sensor_metrics: 'COPY pg_temp.fw_metrics FROM STDIN BINARY',
} as const;

const STAGE = `
CREATE TEMP TABLE fw_readings (ord int, time timestamptz, sensor_id int,
  ${FLOATS.map((column) => `${column} double precision`).join(', ')}, rssi int) ON COMMIT DROP;
CREATE TEMP TABLE fw_metrics (ord int, time timestamptz, sensor_id int, metric_id int, value double precision)
  ON COMMIT DROP`;

/** `seen`: how many values of a column its key has had so far in this batch; 1 where this row brought the first. */
const mergeReadings = (inSpan: string) => `
CREATE TEMP TABLE fw_seen ON COMMIT DROP AS
  SELECT *, row_number() OVER k AS nth, ${each((c) => `count(${c}) OVER k AS ${c}_seen`, ', ')}
    FROM pg_temp.fw_readings WINDOW k AS (PARTITION BY sensor_id, time ORDER BY ord);
CREATE TEMP TABLE fw_first ON COMMIT DROP AS
  SELECT sensor_id, time, ${each((c) => `max(${c}) FILTER (WHERE ${c}_seen = 1) AS ${c}`, ', ')}
    FROM pg_temp.fw_seen GROUP BY sensor_id, time;
CREATE TEMP TABLE fw_stored ON COMMIT DROP AS
  SELECT r.sensor_id, r.time, ${each((c) => `r.${c}`, ', ')}
    FROM sensor_readings r JOIN pg_temp.fw_first f ON r.sensor_id = f.sensor_id AND r.time = f.time
   WHERE ${inSpan};
INSERT INTO sensor_readings (time, sensor_id, ${CORE.join(', ')})
  SELECT f.time, f.sensor_id, ${each((c) => `f.${c}`, ', ')} FROM pg_temp.fw_first f
   WHERE NOT EXISTS (SELECT FROM pg_temp.fw_stored s WHERE s.sensor_id = f.sensor_id AND s.time = f.time)
   ORDER BY f.sensor_id, f.time;
CREATE TEMP TABLE fw_fill ON COMMIT DROP AS
  SELECT f.* FROM pg_temp.fw_first f JOIN pg_temp.fw_stored s ON s.sensor_id = f.sensor_id AND s.time = f.time
   WHERE ${each((c) => `(s.${c} IS NULL AND f.${c} IS NOT NULL)`, ' OR ')}`;

const mergeMetrics = (inSpan: string) => `
CREATE TEMP TABLE fw_narrow ON COMMIT DROP AS
  SELECT m.*, row_number() OVER k AS nth, first_value(value) OVER k AS first_value, NULL::double precision AS stored
    FROM pg_temp.fw_metrics m WINDOW k AS (PARTITION BY sensor_id, metric_id, time ORDER BY ord);
CREATE TEMP TABLE fw_narrow_stored ON COMMIT DROP AS
  SELECT r.* FROM sensor_metrics r JOIN pg_temp.fw_narrow n
      ON r.sensor_id = n.sensor_id AND r.metric_id = n.metric_id AND r.time = n.time AND n.nth = 1
   WHERE ${inSpan};
INSERT INTO sensor_metrics (time, sensor_id, metric_id, value)
  SELECT n.time, n.sensor_id, n.metric_id, n.value FROM pg_temp.fw_narrow n
   WHERE n.nth = 1 AND NOT EXISTS (SELECT FROM pg_temp.fw_narrow_stored s
     WHERE s.sensor_id = n.sensor_id AND s.metric_id = n.metric_id AND s.time = n.time)
   ORDER BY n.sensor_id, n.metric_id, n.time`;

/** One line per row of the batch: does it contradict, does it bring anything, was its row there before. */
const CORE_VERDICTS = `
  SELECT q.ord,
    ${each((c) => `(q.${c} IS NOT NULL AND q.${c} IS DISTINCT FROM coalesce(s.${c}, f.${c}))`, ' OR ')} AS conflict,
    ${each((c) => `(q.${c} IS NOT NULL AND s.${c} IS NULL AND q.${c}_seen = 1)`, ' OR ')} AS fresh,
    q.nth > 1 OR s.sensor_id IS NOT NULL AS present
  FROM pg_temp.fw_seen q JOIN pg_temp.fw_first f ON f.sensor_id = q.sensor_id AND f.time = q.time
  LEFT JOIN pg_temp.fw_stored s ON s.sensor_id = q.sensor_id AND s.time = q.time`;
const NARROW_VERDICTS = `
  SELECT n.ord, n.value IS DISTINCT FROM coalesce(s.value, n.first_value), s.value IS NULL AND n.nth = 1,
    n.nth > 1 OR s.value IS NOT NULL
  FROM pg_temp.fw_narrow n LEFT JOIN pg_temp.fw_narrow_stored s
    ON s.sensor_id = n.sensor_id AND s.metric_id = n.metric_id AND s.time = n.time`;

/** Per reading, over its row and its narrow rows. */
const OUTCOME = `
SELECT count(*) FILTER (WHERE conflict)::int AS conflict,
       count(*) FILTER (WHERE NOT conflict AND fresh AND NOT present)::int AS stored,
       count(*) FILTER (WHERE NOT conflict AND fresh AND present)::int AS merged,
       count(*) FILTER (WHERE NOT conflict AND NOT fresh)::int AS duplicate,
       (SELECT count(*) FROM pg_temp.fw_fill)::int AS fills
  FROM (SELECT bool_or(conflict) AS conflict, bool_or(fresh) AS fresh, bool_or(present) AS present
          FROM (${CORE_VERDICTS} UNION ALL ${NARROW_VERDICTS}) verdicts GROUP BY ord) readings`;

/** Apart, and only where there is something to fill: an UPDATE may have to decompress what it touches. */
const fill = (inSpan: string) => `
UPDATE sensor_readings r SET ${each((c) => `${c} = coalesce(r.${c}, f.${c})`, ', ')}
  FROM pg_temp.fw_fill f WHERE r.sensor_id = f.sensor_id AND r.time = f.time AND (${inSpan})`;

/** Inside the caller's transaction. Resolves with the outcome of every reading in `rows`. */
export async function merge(
  work: Work,
  rows: BatchRows,
  readings: readonly StorableReading[],
): Promise<StoreOutcome> {
  const inSpan = spanCondition(readings);
  await work.script(STAGE);
  if (rows.readings.rows > 0) await work.copy(COPY_TO_STAGING.sensor_readings, rows.readings.finish());
  if (rows.metrics.rows > 0) await work.copy(COPY_TO_STAGING.sensor_metrics, rows.metrics.finish());
  const results = await work.script([mergeReadings(inSpan), mergeMetrics(inSpan), OUTCOME].join(';'));
  const { stored, duplicate, merged, conflict, fills } = results.at(-1)?.rows[0] as StoreOutcome & {
    fills: number;
  };
  if (fills > 0) await work.script(fill(inSpan));
  return { stored, duplicate, merged, conflict };
}

const DAY_US = 86_400_000_000;
const MAX_SPANS = 32;

/**
 * Bounds on `r.time` that leave out every chunk the batch does not touch: one range per run of neighbouring days. One
 * range alone would make a batch with a single old reading look into every chunk since. Numbers of ours only: no text
 * from a payload gets here.
 */
export function spanCondition(readings: readonly StorableReading[]): string {
  const spans = spansOf(readings);
  if (spans.length === 0) return 'false';
  return spans
    .map(([from, to]) => `r.time BETWEEN '${isoMicros(from)}' AND '${isoMicros(to)}'`)
    .map((range) => (spans.length === 1 ? range : `(${range})`))
    .join(' OR ');
}

function spansOf(readings: readonly StorableReading[]): readonly [Micros, Micros][] {
  const days = new Map<number, [Micros, Micros]>();
  for (const { timeUs } of readings) {
    const day = Math.floor(timeUs / DAY_US);
    const span = days.get(day);
    if (span === undefined) days.set(day, [timeUs, timeUs]);
    else if (timeUs < span[0]) span[0] = timeUs;
    else if (timeUs > span[1]) span[1] = timeUs;
  }
  const merged: [Micros, Micros][] = [];
  let last = -Infinity;
  for (const [day, [from, to]] of [...days].sort(([a], [b]) => a - b)) {
    const span = merged.at(-1);
    if (span !== undefined && (day === last + 1 || merged.length >= MAX_SPANS)) span[1] = to;
    else merged.push([from, to]);
    last = day;
  }
  return merged;
}
