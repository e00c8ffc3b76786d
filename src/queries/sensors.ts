import { type Db, type Limited, type MetricQuery, selected, type Selection } from './db.ts';
import { foundUnder } from './found.ts';
import { samples, sensorsWhere } from './readings.ts';

export const sensorsSql = `
SELECT s.id, s.key AS sensor, s.name, s.type, s.location, s.tags, s.gateway, s.declared, s.created_at AS "createdAt",
  s.retired_at AS "retiredAt", s.retired_until_seen AS "retiredUntilSeen",
  r.time AS "lastReading", (SELECT count(*)::int FROM alert_state a WHERE a.sensor_id = s.id
    AND a.state NOT IN ('ok', 'pending')) AS firing
FROM sensors s
LEFT JOIN LATERAL (
  SELECT r.time FROM sensor_readings r WHERE r.sensor_id = s.id AND r.time >= $1::timestamptz ORDER BY r.time DESC LIMIT 1
) r ON true
WHERE ${sensorsWhere('$2', '$3')} AND ($4::text IS NULL OR s.type = $4) AND ($5::text IS NULL OR $5 = ANY(s.tags))
ORDER BY s.key
LIMIT $6`;

export interface SensorRow {
  readonly id: number;
  /** The device's own name. */
  readonly sensor: string;
  readonly name: string | null;
  readonly type: string | null;
  readonly location: string | null;
  readonly tags: readonly string[];
  /** The key of the sensor that it sends through. */
  readonly gateway: string | null;
  /** True: from the configuration; false: registered on arrival. */
  readonly declared: boolean;
  readonly createdAt: Date;
  /** Since when it is retired; null: it is not. */
  readonly retiredAt: Date | null;
  /** Its next reading brings it back. */
  readonly retiredUntilSeen: boolean;
  /** Null when it has none since `since`. */
  readonly lastReading: Date | null;
  /** Open alerts. */
  readonly firing: number;
}

export interface SensorsQuery extends Selection, Limited {
  /** How far back the last reading is looked for. */
  readonly since: Date;
  readonly type?: string | undefined;
  readonly tag?: string | undefined;
}

/** Registered sensors by key. */
export async function listSensors(db: Db, query: SensorsQuery): Promise<readonly SensorRow[]> {
  const values = [query.since, ...selected(query), query.type ?? null, query.tag ?? null, query.limit];
  return (await db.query<SensorRow>(sensorsSql, values)).rows;
}

export const locationsSql = `
SELECT l.location, l.sensors, coalesce(v.reporting, 0) AS reporting, v.avg, v.stddev, v.min, v.median, v.p95, v.max,
  coalesce(v.count, 0)::float8 AS count, l.firing
FROM (
  SELECT s.location, count(*)::int AS sensors, coalesce(sum(o.open), 0)::int AS firing
  FROM sensors s
  LEFT JOIN (
    SELECT sensor_id, count(*) AS open FROM alert_state WHERE state NOT IN ('ok', 'pending') GROUP BY sensor_id
  ) o ON o.sensor_id = s.id
  WHERE ${sensorsWhere('$4', '$5')}
  GROUP BY s.location
) l
LEFT JOIN (
  SELECT s.location, count(DISTINCT e.sensor_id)::int AS reporting, avg(e.value) AS avg, stddev_samp(e.value) AS stddev,
    min(e.value) AS min, percentile_cont(0.5) WITHIN GROUP (ORDER BY e.value) AS median,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY e.value) AS p95, max(e.value) AS max, count(*) AS count
  FROM (${samples()}) e JOIN sensors s ON s.id = e.sensor_id
  GROUP BY s.location
) v ON v.location IS NOT DISTINCT FROM l.location
ORDER BY l.location NULLS LAST
LIMIT $6`;

export interface LocationRow {
  /** Null: sensors without a location. */
  readonly location: string | null;
  readonly sensors: number;
  /** Sensors with a value of the metric in the range. */
  readonly reporting: number;
  /** Over all values of the location, so busy sensors weigh more; null without a value. */
  readonly avg: number | null;
  /** Standard deviation of the sample; null of fewer than two values. */
  readonly stddev: number | null;
  readonly min: number | null;
  readonly median: number | null;
  /** The 95th percentile, interpolated. */
  readonly p95: number | null;
  readonly max: number | null;
  readonly count: number;
  /** Alerts that are open now. */
  readonly firing: number;
}

/** Figures of one metric per location. */
export async function locationFigures(db: Db, query: MetricQuery): Promise<readonly LocationRow[]> {
  const values = [query.metric, query.from, query.to, ...selected(query), query.limit];
  return (await db.query<LocationRow>(locationsSql, values)).rows;
}

export const sensorFactsSql = `
SELECT s.id, s.key, s.type, s.location, s.tags, s.gateway,
  CASE WHEN s.retired_at IS NULL THEN NULL WHEN s.retired_until_seen THEN 'until_seen' ELSE 'for_good' END AS retired
FROM sensors s WHERE ${sensorsWhere('$1', '$2')} ORDER BY s.id`;

/** A sensor as the rules see it. */
export interface SensorFactsRow {
  readonly id: number;
  readonly key: string;
  readonly type: string | null;
  readonly location: string | null;
  readonly tags: readonly string[];
  readonly gateway: string | null;
  readonly retired: 'for_good' | 'until_seen' | null;
}

/** All registered sensors of a selection: few columns, no limit, no look at readings. */
export async function sensorFacts(db: Db, query: Selection): Promise<readonly SensorFactsRow[]> {
  const [keys, location] = selected(query);
  return foundUnder(keys ?? [], async (names) => {
    const values = [keys === null ? null : names, location];
    return (await db.query<SensorFactsRow>(sensorFactsSql, values)).rows;
  });
}

export const sensorMetricsSql = `
SELECT m.name AS metric, m.unit, v.time, v.value
FROM sensors s
CROSS JOIN metrics m
JOIN LATERAL (
  SELECT x.time, x.value FROM sensor_metrics x
  WHERE x.sensor_id = s.id AND x.metric_id = m.id AND x.time >= $2::timestamptz
  ORDER BY x.time DESC LIMIT 1
) v ON true
WHERE s.key = $1::text
ORDER BY m.name`;

export interface ExtraMetricRow {
  readonly metric: string;
  readonly unit: string | null;
  readonly time: Date;
  readonly value: number;
}

/** The newest value of every metric of one sensor that has no column of its own. */
export async function extraMetrics(
  db: Db,
  query: { readonly sensor: string; readonly since: Date },
): Promise<readonly ExtraMetricRow[]> {
  return (await db.query<ExtraMetricRow>(sensorMetricsSql, [query.sensor, query.since])).rows;
}

export const sensorUpdateSql = `
UPDATE sensors SET
  name = CASE WHEN $2::boolean THEN $3::text ELSE name END,
  type = CASE WHEN $4::boolean THEN $5::text ELSE type END,
  location = CASE WHEN $6::boolean THEN $7::text ELSE location END,
  located_by_topic = located_by_topic AND NOT $6::boolean,
  tags = CASE WHEN $8::boolean THEN $9::text[] ELSE tags END,
  gateway = CASE WHEN $10::boolean THEN $11::text ELSE gateway END,
  updated_at = now()
WHERE key = $1::text
RETURNING key AS sensor, name, type, location, tags, gateway, declared`;

/** Absent: keep. Null: clear. */
export interface SensorChange {
  readonly name?: string | null;
  readonly type?: string | null;
  readonly location?: string | null;
  readonly tags?: readonly string[];
  readonly gateway?: string | null;
}

export interface ChangedSensor {
  readonly sensor: string;
  readonly name: string | null;
  readonly type: string | null;
  readonly location: string | null;
  readonly tags: readonly string[];
  readonly gateway: string | null;
  readonly declared: boolean;
}

/** The sensor as it is afterwards; undefined for an unknown key. */
export async function updateSensor(
  db: Db,
  sensor: string,
  change: SensorChange,
): Promise<ChangedSensor | undefined> {
  const pair = (value: unknown): [boolean, unknown] => [value !== undefined, value ?? null];
  const { name, type, location, tags, gateway } = change;
  const values = [
    ...[sensor, ...pair(name), ...pair(type), ...pair(location), ...pair(tags ?? undefined)],
    ...pair(gateway),
  ];
  // `tags` is NOT NULL: where it is kept, the unused parameter must still be an array.
  values[8] = tags ?? [];
  return (await db.query<ChangedSensor>(sensorUpdateSql, values)).rows[0];
}

const currentKeySql = `
SELECT s.key FROM sensor_aliases a JOIN sensors s ON s.id = a.sensor_id WHERE a.key = $1::text`;

/** The key of the sensor that had this one before it was renamed or merged. */
export async function currentKey(db: Db, formerKey: string): Promise<string | undefined> {
  const [found] = await foundUnder([formerKey], async ([key]) => {
    return (await db.query<{ key: string }>(currentKeySql, [key])).rows;
  });
  return found?.key;
}

const furtherFactsSql = `
SELECT ARRAY(SELECT key FROM sensor_aliases WHERE sensor_id = $1 ORDER BY key LIMIT 1000) AS aliases,
  least((SELECT min(time) FROM sensor_readings WHERE sensor_id = $1), (SELECT min(day) FROM sensor_daily_agg WHERE sensor_id = $1),
    (SELECT min(day) FROM sensor_metrics_daily_agg WHERE sensor_id = $1)) AS "firstSeen"`;

/** Facts that lists do not show. */
export interface FurtherFacts {
  readonly aliases: readonly string[];
  /** The oldest that is kept, be it in readings or in figures of days. */
  readonly firstSeen: Date | null;
}

export async function furtherFacts(db: Db, sensorId: number): Promise<FurtherFacts> {
  const [row] = (await db.query<FurtherFacts>(furtherFactsSql, [sensorId])).rows;
  return row ?? { aliases: [], firstSeen: null };
}
