import { groupedBy } from '../../core/grouped.ts';
import { type Db, type Selection, type TimeRange, selected } from '../db.ts';
import { CHOSEN, isCore, pick, samples } from '../readings.ts';
import type { Gap, SensorPresence } from '../rows.ts';

export const MISSING_SUMMARY =
  "gaps longer than a sensor's own rhythm, and the share that is there of each day";

export const DEFAULT_FACTOR = 3;

export interface MissingQuery extends TimeRange, Selection {
  /** Values of this metric; absent: readings, whatever they have. */
  readonly metric?: string | undefined;
  /** A gap is longer than so many of the sensor's usual steps. */
  readonly factor: number;
  /** Name of the time zone whose days are counted. */
  readonly zone: string;
}

const READINGS = `
  SELECT r.time, r.sensor_id FROM sensor_readings r
  WHERE $1::text IS NULL AND r.time >= $2::timestamptz AND r.time < $3::timestamptz AND r.sensor_id IN (${CHOSEN})`;

/** How far before the range the reading is looked for that its first gap begins with. */
const WITHIN = `INTERVAL '7 days'`;
const before = (alias: string): string =>
  `${alias}.time < $2::timestamptz AND ${alias}.time >= $2::timestamptz - ${WITHIN} AND ${alias}.sensor_id = c.id`;

const TIMES = `
times AS MATERIALIZED (
  SELECT l.*, extract(epoch FROM l.time - l.before)::float8 AS step
  FROM (
    SELECT t.sensor_id, t.time, lag(t.time) OVER (PARTITION BY t.sensor_id ORDER BY t.time) AS before
    FROM (${READINGS} UNION ALL SELECT v.time, v.sensor_id FROM (${samples()}) v) t
  ) l
),
rhythm AS (
  SELECT sensor_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY step) FILTER (WHERE step IS NOT NULL) AS seconds,
    count(*)::float8 AS readings, min(time) AS first, max(time) AS last
  FROM times GROUP BY sensor_id
)`;

/** The last reading of each sensor before the range. */
const EDGE = `edge AS (
  SELECT c.id, coalesce(
    (SELECT r.time FROM sensor_readings r WHERE $1::text IS NULL AND ${before('r')} ORDER BY r.time DESC LIMIT 1),
    (SELECT r.time FROM sensor_readings r WHERE ${isCore('$1')} AND ${before('r')}
       AND ${pick('$1', (metric) => `r.${metric} IS NOT NULL`)} ORDER BY r.time DESC LIMIT 1),
    (SELECT m.time FROM sensor_metrics m WHERE NOT ${isCore('$1')} AND ${before('m')}
       AND m.metric_id = (SELECT id FROM metrics WHERE name = $1) ORDER BY m.time DESC LIMIT 1)) AS time
  FROM (${CHOSEN}) c
)`;

export const gapsSql = `
WITH ${TIMES},
${EDGE},
steps AS (
  SELECT sensor_id, before AS "from", time AS "to", false AS open, step FROM times WHERE before IS NOT NULL
  UNION ALL
  SELECT r.sensor_id, e.time, r.first, false, extract(epoch FROM r.first - e.time)::float8
  FROM rhythm r JOIN edge e ON e.id = r.sensor_id WHERE e.time IS NOT NULL
  UNION ALL
  SELECT r.sensor_id, r.last, $3::timestamptz, true, extract(epoch FROM $3::timestamptz - r.last)::float8 FROM rhythm r
)
SELECT s.key AS sensor, g."from", g."to", g.open, g.step AS seconds, CASE WHEN g.open THEN ceil(g.step / r.seconds - 1) ELSE round(g.step / r.seconds) - 1 END AS missing
FROM steps g JOIN rhythm r ON r.sensor_id = g.sensor_id JOIN sensors s ON s.id = g.sensor_id
WHERE r.seconds > 0 AND r.readings >= 3 AND g.step > $6::float8 * r.seconds
ORDER BY s.key, g."from"`;

export const daysSql = `
WITH ${TIMES},
${EDGE},
days AS (
  SELECT d.day::date AS day, greatest(timezone($6::text, d.day), $2::timestamptz) AS "from",
    least(timezone($6::text, d.day + INTERVAL '1 day'), $3::timestamptz) AS "to"
  FROM generate_series(date_trunc('day', timezone($6::text, $2::timestamptz)),
    timezone($6::text, $3::timestamptz) - INTERVAL '1 microsecond', INTERVAL '1 day') AS d (day)
),
parts AS (
  SELECT e.id, d.day, d."to", greatest(d."from", CASE WHEN e.time IS NULL THEN r.first END) AS "from",
    CASE WHEN r.seconds > 0 AND r.readings >= 3 THEN r.seconds END AS rhythm
  FROM edge e CROSS JOIN days d LEFT JOIN rhythm r ON r.sensor_id = e.id
),
counts AS (SELECT sensor_id, timezone($6::text, time)::date AS day, count(*)::float8 AS readings FROM times GROUP BY 1, 2)
SELECT s.key AS sensor, s.location, p.rhythm AS "rhythmS", to_char(p.day, 'YYYY-MM-DD') AS day, coalesce(c.readings, 0) AS readings,
  extract(epoch FROM p."to" - p."from")::float8 / p.rhythm AS expected,
  least(1, coalesce(c.readings, 0) * p.rhythm / extract(epoch FROM p."to" - p."from")::float8) AS share
FROM parts p JOIN sensors s ON s.id = p.id
LEFT JOIN counts c ON c.sensor_id = p.id AND c.day = p.day
WHERE p."from" < p."to"
ORDER BY s.key, p.day`;

type OfSensor = Pick<SensorPresence, 'sensor'>;
type Day = SensorPresence['days'][number] & Pick<SensorPresence, 'sensor' | 'location' | 'rhythmS'>;

/**
 * Gaps of each sensor, and what is there of each day, measured by its own rhythm. A sensor without a reading in the seven days before the range
 * counts from its first one in it.
 */
export async function missing(db: Db, query: MissingQuery): Promise<readonly SensorPresence[]> {
  const { metric, from, to, factor, zone } = query;
  const values = [metric ?? null, from, to, ...selected(query)];
  const gaps = groupedBy((await db.query<Gap & OfSensor>(gapsSql, [...values, factor])).rows, sensorOf);
  const days = groupedBy((await db.query<Day>(daysSql, [...values, zone])).rows, sensorOf);
  return [...days].map(([sensor, all]) => {
    const [first] = all;
    const readings = sum(all.map((day) => day.readings));
    const rhythmS = first?.rhythmS ?? null;
    const expected = rhythmS === null ? null : sum(all.map((day) => day.expected ?? 0));
    const own = gaps.get(sensor) ?? [];
    const inside = own.map((gap) => (gap.to.getTime() - Math.max(gap.from.getTime(), from.getTime())) / 1000);
    return {
      ...{ sensor, location: first?.location ?? null, rhythmS, readings, expected },
      share: expected === null ? null : Math.min(1, readings / expected),
      missingS: sum(inside.map((seconds) => Math.max(0, seconds - (rhythmS ?? 0)))),
      gaps: own.map(({ sensor: _, ...gap }) => gap),
      days: all.map(({ day, readings: there, expected: due, share }) => ({
        ...{ day, readings: there, expected: due, share },
      })),
    };
  });
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const sensorOf = ({ sensor }: OfSensor): string => sensor;
