import { microsOf } from '../adapters/timescale/values.ts';
import { CORE_METRICS, type CoreMetric, type Micros } from '../core/reading.ts';
import type { Db, TimeRange } from './db.ts';

const chosen = '($3::int[] IS NULL OR sensor_id = ANY ($3))';

/** Rows of both tables of [$1, $2), oldest first; a reading's metrics stand together. */
export const readingsInOrderSql = `
SELECT r.sensor_id AS "sensorId", ${microsOf('r.time')} AS "timeUs", ${CORE_METRICS.map((name) => `r.${name}::float8`).join(', ')},
  NULL::text AS metric, NULL::float8 AS value
FROM sensor_readings r WHERE r.time >= $1::timestamptz AND r.time < $2::timestamptz AND ${chosen}
UNION ALL
SELECT v.sensor_id, ${microsOf('v.time')}, ${CORE_METRICS.map(() => 'NULL').join(', ')}, m.name, v.value
FROM sensor_metrics v JOIN metrics m ON m.id = v.metric_id
WHERE v.time >= $1::timestamptz AND v.time < $2::timestamptz AND ${chosen}
ORDER BY "timeUs", "sensorId", metric NULLS FIRST
LIMIT $4`;

type Row = Readonly<Record<CoreMetric, number | null>> & {
  readonly sensorId: number;
  readonly timeUs: Micros;
  /** Name and value in the narrow table. */
  readonly metric: string | null;
  readonly value: number | null;
};

export interface StoredReading {
  readonly sensorId: number;
  readonly timeUs: Micros;
  readonly metrics: ReadonlyMap<string, number>;
}

export interface ReadingsQuery extends TimeRange {
  /** undefined: all of them. */
  readonly sensorIds?: readonly number[] | undefined;
  /** Rows of one query at most; default 60,000. A third of it is aimed at. */
  readonly rowsPerQuery?: number | undefined;
}

const ROWS_PER_QUERY = 60_000;
const FIRST_MS = 3_600_000;
const WIDEST_MS = 7 * 86_400_000;

/**
 * All stored readings of a range in the order of their times, however many there are: query by query, each over a span of
 * time that is chosen so that memory stays bounded. No transaction is held open for as long as it takes: on the embedded
 * server the daemon would wait for it, and on any other it would keep dead rows from being cleaned up.
 */
export async function* readingsInOrder(
  db: Db,
  query: ReadingsQuery,
): AsyncGenerator<readonly StoredReading[]> {
  const most = query.rowsPerQuery ?? ROWS_PER_QUERY;
  let widthMs = FIRST_MS;
  let fromMs = query.from.getTime();
  const endMs = query.to.getTime();
  while (fromMs < endMs) {
    const untilMs = Math.min(fromMs + widthMs, endMs);
    // One instant is not split: it has a row of each sensor at most.
    const limit = untilMs - fromMs > 1 ? most + 1 : null;
    const values = [new Date(fromMs), new Date(untilMs), query.sensorIds ?? null, limit];
    const { rows } = await db.query<Row>(readingsInOrderSql, values);
    if (limit !== null && rows.length > most) {
      widthMs = Math.max(1, Math.floor((untilMs - fromMs) / 4));
      continue;
    }
    if (rows.length > 0) yield joined(rows);
    fromMs = untilMs;
    if (rows.length < most / 3) widthMs = Math.min(widthMs * 2, WIDEST_MS);
  }
}

/** One reading per sensor and time: the row with columns, and those of the narrow table. */
function joined(rows: readonly Row[]): readonly StoredReading[] {
  const readings: { sensorId: number; timeUs: Micros; metrics: Map<string, number> }[] = [];
  for (const row of rows) {
    const { sensorId, timeUs } = row;
    let reading = readings.at(-1);
    if (reading?.sensorId !== sensorId || reading.timeUs !== timeUs) {
      reading = { sensorId, timeUs, metrics: new Map() };
      readings.push(reading);
    }
    if (row.metric !== null && row.value !== null) reading.metrics.set(row.metric, row.value);
    for (const name of CORE_METRICS) {
      const value = row[name];
      if (value !== null) reading.metrics.set(name, value);
    }
  }
  return readings;
}
