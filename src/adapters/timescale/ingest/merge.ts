import type { Micros } from '../../../core/reading.ts';
import type { Conflict, ConflictingValue, StorableReading, StoreOutcome } from '../../../ports/store.ts';
import type { CopyEncoder } from './copy-encoder.ts';
import { refuseVanished } from './relied-on.ts';
import type { Work } from '../connection/session.ts';
import { isoMicros } from '../values.ts';

/**
 * The way for a batch of which some may be stored already: into temporary tables, then compared, then inserted.
 *
 * Per value, the first one stays: the stored one if there is one, else the first of the batch. A row that lacks a metric
 * has it filled in. The INSERT is a plain one on purpose: where another session stores the same key at the same moment,
 * it fails with 23505 instead of skipping a row that was counted as new, and the whole comparison is made again.
 */

const FLOATS = ['temperature', 'humidity', 'pressure', 'battery'] as const;
const CORE = [...FLOATS, 'rssi'] as const;
const each = (text: (column: string) => string, separator = ', ') => CORE.map(text).join(separator);

/** Few temporary tables, and only those that are needed: creating and dropping one costs more than its rows. */
const READINGS = {
  table: 'sensor_readings',
  stage: `CREATE TEMP TABLE fw_readings (ord int, time timestamptz, sensor_id int,
    ${FLOATS.map((column) => `${column} double precision`).join(', ')}, rssi int) ON COMMIT DROP`,
  copy: 'COPY pg_temp.fw_readings FROM STDIN BINARY',

  /**
   * With each staged value: `_nth` counts the values of that column that its key has had so far in this batch, `_first`
   * is the first of them, `_stored` the one in the table.
   *
   * LATERAL … LIMIT, here and below, makes it one index lookup per row. Left to itself the planner takes the newest times
   * for nearly empty (its statistics end before them) and compares every row with every other: minutes, not
   * milliseconds.
   */
  compare: (inSpan: string) => `
CREATE TEMP TABLE fw_row ON COMMIT DROP AS
  SELECT q.*, r.sensor_id IS NOT NULL AS present, ${each((c) => `r.${c} AS ${c}_stored`)}
    FROM (SELECT *, ${each((c) => `max(CASE ${c}_nth WHEN 1 THEN ${c} END) OVER same_key AS ${c}_first`)}
            FROM (SELECT *, row_number() OVER so_far AS nth, ${each((c) => `count(${c}) OVER so_far AS ${c}_nth`)}
                    FROM pg_temp.fw_readings WINDOW so_far AS (PARTITION BY sensor_id, time ORDER BY ord)) counted
          WINDOW same_key AS (PARTITION BY sensor_id, time)) q
    LEFT JOIN LATERAL (SELECT * FROM sensor_readings r
      WHERE r.sensor_id = q.sensor_id AND r.time = q.time AND (${inSpan}) LIMIT 1) r ON true`,
  insert: `
INSERT INTO sensor_readings (time, sensor_id, ${CORE.join(', ')})
  SELECT time, sensor_id, ${each((c) => `${c}_first`)} FROM pg_temp.fw_row
   WHERE nth = 1 AND NOT present ORDER BY sensor_id, time`,
  inserted: '(SELECT count(*)::int FROM pg_temp.fw_row WHERE nth = 1 AND NOT present)',
  verdicts: `
  SELECT ord, present OR nth > 1 AS present,
    ${each((c) => `${c} IS NOT NULL AND ${c} IS DISTINCT FROM coalesce(${c}_stored, ${c}_first)`, ' OR ')} AS conflict,
    ${each((c) => `${c} IS NOT NULL AND ${c}_stored IS NULL AND ${c}_nth = 1`, ' OR ')} AS fresh,
    nth = 1 AND present AND (${each((c) => `${c}_stored IS NULL AND ${c}_first IS NOT NULL`, ' OR ')}) AS to_fill
  FROM pg_temp.fw_row`,
  conflicts: CORE.map(
    (
      c,
    ) => `SELECT ord, '${c}' AS metric, coalesce(${c}_stored, ${c}_first)::float8 AS stored, ${c}::float8 AS sent
  FROM pg_temp.fw_row WHERE ${c} IS DISTINCT FROM coalesce(${c}_stored, ${c}_first) AND ${c} IS NOT NULL`,
  ).join(' UNION ALL '),

  /**
   * Apart, and only where there is something to fill: an UPDATE may have to decompress what it touches. The index is for
   * the planner again: with it, either table may come first.
   */
  fill: (inSpan: string) => `
CREATE INDEX ON pg_temp.fw_row (sensor_id, time);
UPDATE sensor_readings r SET ${each((c) => `${c} = coalesce(r.${c}, f.${c}_first)`)}
  FROM pg_temp.fw_row f WHERE f.nth = 1 AND f.present AND r.sensor_id = f.sensor_id AND r.time = f.time AND (${inSpan})
   AND (${each((c) => `(f.${c}_stored IS NULL AND f.${c}_first IS NOT NULL)`, ' OR ')})`,
} as const;

const METRICS = {
  table: 'sensor_metrics',
  stage: `CREATE TEMP TABLE fw_metrics (ord int, time timestamptz, sensor_id int, metric_id int,
    value double precision) ON COMMIT DROP`,
  copy: 'COPY pg_temp.fw_metrics FROM STDIN BINARY',
  compare: (inSpan: string) => `
CREATE TEMP TABLE fw_narrow ON COMMIT DROP AS
  SELECT q.*, r.value AS stored
    FROM (SELECT *, row_number() OVER so_far AS nth, first_value(value) OVER so_far AS first FROM pg_temp.fw_metrics
          WINDOW so_far AS (PARTITION BY sensor_id, metric_id, time ORDER BY ord)) q
    LEFT JOIN LATERAL (SELECT value FROM sensor_metrics r
      WHERE r.sensor_id = q.sensor_id AND r.metric_id = q.metric_id AND r.time = q.time AND (${inSpan}) LIMIT 1) r ON true`,
  insert: `
INSERT INTO sensor_metrics (time, sensor_id, metric_id, value)
  SELECT time, sensor_id, metric_id, value FROM pg_temp.fw_narrow
   WHERE nth = 1 AND stored IS NULL ORDER BY sensor_id, metric_id, time`,
  inserted: '(SELECT count(*)::int FROM pg_temp.fw_narrow WHERE nth = 1 AND stored IS NULL)',
  verdicts: `
  SELECT ord, stored IS NOT NULL OR nth > 1 AS present, value IS DISTINCT FROM coalesce(stored, first) AS conflict,
    stored IS NULL AND nth = 1 AS fresh, false AS to_fill
  FROM pg_temp.fw_narrow`,
  conflicts: `SELECT f.ord, m.name AS metric, coalesce(f.stored, f.first) AS stored, f.value AS sent
  FROM pg_temp.fw_narrow f JOIN metrics m ON m.id = f.metric_id WHERE f.value IS DISTINCT FROM coalesce(f.stored, f.first)`,
} as const;

/** Per reading, over its row and its narrow rows. */
const outcomeOf = (verdicts: readonly string[], inserted: readonly string[]) => `
SELECT ARRAY[${inserted.join(', ')}] AS inserted, count(*) FILTER (WHERE conflict)::int AS conflict,
       count(*) FILTER (WHERE NOT conflict AND fresh AND NOT present)::int AS stored,
       count(*) FILTER (WHERE NOT conflict AND fresh AND present)::int AS merged,
       count(*) FILTER (WHERE NOT conflict AND NOT fresh)::int AS duplicate,
       count(*) FILTER (WHERE to_fill)::int AS to_fill
  FROM (SELECT bool_or(conflict) AS conflict, bool_or(fresh) AS fresh, bool_or(present) AS present,
               bool_or(to_fill) AS to_fill
          FROM (${verdicts.join(' UNION ALL ')}) verdicts GROUP BY ord) readings`;

/** Rows that each INSERT, and the UPDATE, have to report. */
interface Changed {
  readonly inserted: readonly number[];
  readonly to_fill: number;
}

/** Inside a transaction that `work` begins here and the caller ends. The outcome is that of every reading in `rows`. */
export async function merge(
  work: Work,
  rows: CopyEncoder,
  readings: readonly StorableReading[],
): Promise<StoreOutcome> {
  const inSpan = spanCondition(readings);
  const core = rows.readings.rows > 0 ? [READINGS] : [];
  const narrow = rows.metrics.rows > 0 ? [METRICS] : [];
  const parts = [...core, ...narrow]; // readings before narrow metrics: the lock order of the store
  // No JIT: the planner knows nothing of the new tables, and compiling takes longer than running.
  await work.script(['SET LOCAL jit = off', ...parts.map(({ stage }) => stage)].join(';'));
  for (const { copy } of core) await work.copy(copy, rows.readings.parts());
  for (const { copy } of narrow) await work.copy(copy, rows.metrics.parts());
  if (parts.length === 0) return { stored: 0, duplicate: 0, merged: 0, conflict: 0 };
  const results = await work.script(
    [
      ...parts.flatMap(({ compare, insert }) => [compare(inSpan), insert]),
      outcomeOf(
        parts.map(({ verdicts }) => verdicts),
        parts.map(({ inserted }) => inserted),
      ),
    ].join(';'),
  );
  const counts = results.at(-1)?.rows[0] as StoreOutcome & Changed;
  // Two results a part: the comparison and the INSERT.
  for (const [at, { table }] of parts.entries())
    refuseVanished(table, counts.inserted[at] ?? 0, results[2 * at + 1]?.rowCount ?? null);
  if (counts.to_fill > 0) {
    const filled = (await work.script(READINGS.fill(inSpan))).at(-1);
    refuseVanished(READINGS.table, counts.to_fill, filled?.rowCount ?? null);
  }
  const { stored, duplicate, merged, conflict } = counts;
  return { stored, duplicate, merged, conflict };
}

/** After `merge`, in the same transaction: which readings conflict, and in what. */
export async function conflictsOf(work: Work, rows: CopyEncoder): Promise<readonly Conflict[]> {
  const parts = [...(rows.readings.rows > 0 ? [READINGS] : []), ...(rows.metrics.rows > 0 ? [METRICS] : [])];
  const text = `${parts.map(({ conflicts }) => conflicts).join(' UNION ALL ')} ORDER BY 1, 2`;
  const found = await work.query<ConflictingValue & { ord: number }>(text);
  const byReading = new Map<number, ConflictingValue[]>();
  for (const { ord, ...value } of found.rows) {
    const others = byReading.get(ord);
    if (others === undefined) byReading.set(ord, [value]);
    else others.push(value);
  }
  return [...byReading].map(([index, values]) => ({ index, values }));
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
